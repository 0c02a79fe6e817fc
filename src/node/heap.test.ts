import { afterEach, expect, it } from 'vitest';
import { until } from '../../tests/kit/until.ts';
import type { InetAddress, Log, StreamSocket } from '../net/index.ts';
import { createNodeHost, type NodeHost } from './host.ts';

const LOOPBACK: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 0 };
const said: string[] = [];
const quiet = (): void => {};
const log: Log = { debug: quiet, info: quiet, error: quiet, warn: (words) => void said.push(words) };

let host: NodeHost;

afterEach(async () => {
  await host.close();
});

it('nothing is begun while memory is short, but monitors are heard; it is said, and over when there is room again', async () => {
  const use = { used: 900, limit: 1000 };
  host = createNodeHost({ log, heapUse: () => use });
  await expect(host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK })).rejects.toMatchObject({ code: 'EMFILE' });
  const forward = await host.sockets.listen(LOOPBACK);
  const monitor = await host.sockets.listen(LOOPBACK, { reserved: true });
  const accepted: StreamSocket[] = [];
  for (const listener of [forward, monitor]) listener.onConnection = (socket) => accepted.push(socket);
  const client = createNodeHost();
  try {
    client.sockets.connect(monitor.address);
    await until(() => accepted.length === 1);
    client.sockets.connect(forward.address);
    await until(() => host.counters.refusedConnections === 1);
    expect(said).toEqual([expect.stringMatching(/^little memory is left: .*--max-old-space-size/)]);
    use.used = 500;
    await new Promise((resolve) => setTimeout(resolve, 30));
    client.sockets.connect(forward.address);
    await until(() => accepted.length === 2);
  } finally {
    await client.close();
  }
});
