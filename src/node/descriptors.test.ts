import { afterEach, expect, it } from 'vitest';
import { until } from '../../tests/kit/until.ts';
import { type InetAddress, type Log, STRANGERS, type StreamSocket } from '../net/index.ts';
import { createNodeHost, type NodeHost } from './host.ts';

const LOOPBACK: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 0 };
/** 24 are others', 40 are left for sockets. */
const LIMIT = 64;
const said: unknown[] = [];
const quiet = (): void => {};
const log: Log = { debug: quiet, info: quiet, error: quiet, warn: (...words) => void said.push(words) };

let host: NodeHost;

afterEach(async () => {
  await host.close();
});

it('datagram sockets opened without end leave descriptors, also when all are asked for at once', async () => {
  said.length = 0;
  host = createNodeHost({ log, descriptorLimit: () => LIMIT });
  const asked = Array.from({ length: 100 }, () => host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK }));
  const results = await Promise.allSettled(asked);
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(30);
  expect(host.counters.refusedOpenings).toBe(70);
  const refused = results.find((result) => result.status === 'rejected');
  expect(refused?.reason).toMatchObject({ code: 'EMFILE', message: 'Too many open files' });
  expect(said).toEqual([
    [expect.stringMatching(/^few descriptors are left: .*ulimit -n/), { sockets: 0, limit: LIMIT }],
  ]);
  const [first] = results;
  if (first?.status === 'fulfilled') await first.value.close();
  await expect(host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK })).resolves.toBeDefined();
});

it('accepted connections may use a few more than opened ones, then are refused and counted', async () => {
  host = createNodeHost({ descriptorLimit: () => LIMIT });
  const client = createNodeHost();
  try {
    const listener = await host.sockets.listen(LOOPBACK);
    const accepted: StreamSocket[] = [];
    listener.onConnection = (socket) => accepted.push(socket);
    for (let i = 0; i < 50; i++) client.sockets.connect(listener.address);
    await until(() => accepted.length + host.counters.refusedConnections === 50);
    expect(host.openSockets).toBe(35);
    const monitor = await host.sockets.listen(LOOPBACK, { reserved: true });
    monitor.onConnection = (socket) => accepted.push(socket);
    for (let i = 0; i < 10; i++) client.sockets.connect(monitor.address);
    await until(() => host.openSockets === 40);
    const late = host.sockets.connect(listener.address);
    const events: string[] = [];
    late.onEvent = (event) => events.push(event);
    await until(() => events.includes('error'));
    expect(late.error).toMatchObject({ code: 'EMFILE' });
    expect(host.counters.refusedOpenings).toBe(1);
  } finally {
    await client.close();
  }
});

it('each port has its share of what guests open, and what is closed is given back', async () => {
  said.length = 0;
  host = createNodeHost({ log, descriptorLimit: () => LIMIT });
  const open = async (count: number, share: number): Promise<number> => {
    const asked = Array.from({ length: count }, () => host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK, share }));
    const results = await Promise.allSettled(asked);
    return results.filter((result) => result.status === 'fulfilled').length;
  };
  expect(await open(100, 1)).toBe(23);
  expect(said).toEqual([
    [expect.stringMatching(/^a share of the descriptors is used up: /), { sockets: 23, limit: LIMIT }],
  ]);
  expect(host.sockets.mayConnect?.(1)).toBe(false);
  expect(host.sockets.mayConnect?.(2)).toBe(true);
  expect(await open(3, 2)).toBe(3);
  // Who is not a guest has the rest.
  await expect(host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK })).resolves.toBeDefined();
  const listener = await host.sockets.listen(LOOPBACK);
  const stream = host.sockets.connect(listener.address, { share: 3 });
  stream.onEvent = () => {};
  expect(host.sockets.mayConnect?.(3)).toBe(true);
  // That one port has no more said nothing of all.
  await Promise.allSettled(Array.from({ length: 40 }, () => host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK })));
  expect(said).toHaveLength(2);
  expect(said[1]).toEqual([expect.stringMatching(/^few descriptors are left: /), expect.anything()]);
  stream.reset();
});

it('strangers that connect have a share, and leave guests theirs', async () => {
  host = createNodeHost({ descriptorLimit: () => LIMIT });
  const client = createNodeHost();
  try {
    const listener = await host.sockets.listen(LOOPBACK, { share: STRANGERS });
    const accepted: StreamSocket[] = [];
    listener.onConnection = (socket) => accepted.push(socket);
    for (let i = 0; i < 50; i++) client.sockets.connect(listener.address);
    await until(() => accepted.length + host.counters.refusedConnections === 50);
    expect(accepted.length).toBe(23);
    expect(host.sockets.mayConnect?.(1)).toBe(true);
    for (const socket of accepted) socket.reset();
    await until(() => host.openSockets === 1);
    expect(host.sockets.mayConnect?.(STRANGERS)).toBe(true);
  } finally {
    await client.close();
  }
});
