import { beforeEach, describe, expect, it } from 'vitest';
import { createTestHost, type TestHost } from '../../../tests/kit/host.ts';
import {
  createRecordingContext,
  framed,
  give,
  type RecordingContext,
  testFrame,
} from '../../../tests/kit/netdev-context.ts';
import type { NetClient } from '../../net/client.ts';
import type { StreamSocket } from '../../net/host.ts';
import { createListener } from './listener-netdev.ts';

let test: TestHost;
let context: RecordingContext;
const ADDR = { type: 'unix', path: '/run/l' } as const;

beforeEach(() => {
  test = createTestHost();
  context = createRecordingContext(test.host, 'l0');
});

async function guest(): Promise<StreamSocket> {
  const socket = test.network.local.sockets.connect({ family: 'unix', path: ADDR.path });
  await test.settle();
  return socket;
}

async function end(client: NetClient): Promise<void> {
  await client.close();
  await test.settle();
  expect(context.children.size).toBe(0);
  expect(test.leaks()).toEqual([]);
}

describe('listener', () => {
  it('makes each connection a port, named by the lowest free number', async () => {
    const client = await createListener({ addr: ADDR }, context);
    expect(client.info()).toBe('listening on unix:/run/l, 0 connected');
    const guests = [await guest(), await guest(), await guest()];
    expect([...context.children.keys()]).toEqual(['l0.0', 'l0.1', 'l0.2']);
    expect(client.info()).toBe('listening on unix:/run/l, 3 connected');
    expect(context.children.get('l0.1')?.client.info()).toBe('unix:/run/l');
    expect(context.events[1]).toBe(
      'NETDEV_STREAM_CONNECTED {"netdev-id":"l0.1","addr":{"type":"unix","path":"/run/l"}}',
    );

    guests[1]?.write(framed(testFrame(60, 1)), 0, 64);
    await test.settle();
    expect(context.children.get('l0.1')?.port.frames).toEqual([testFrame(60, 1)]);
    expect(context.children.get('l0.0')?.port.frames).toEqual([]);
    const to2 = context.children.get('l0.2')?.client as NetClient;
    expect(give(to2, testFrame(100))).toBe(true);
    await test.settle();
    const got = new Uint8Array(200);
    expect(guests[2]?.readInto(got, 0, 200)).toBe(104);
    expect(got.slice(0, 104)).toEqual(framed(testFrame(100)));

    guests[1]?.close();
    await test.settle();
    expect([...context.children.keys()]).toEqual(['l0.0', 'l0.2']);
    expect(context.events.at(-1)).toBe('NETDEV_STREAM_DISCONNECTED {"netdev-id":"l0.1"}');
    expect(test.logs).toEqual([
      ...[0, 1, 2].map((n) => ({
        level: 'info',
        message: 'listener port: connected',
        fields: { netdev: 'l0', port: `l0.${n}`, address: 'unix:/run/l' },
      })),
      {
        level: 'info',
        message: 'listener port: connection closed by peer',
        fields: { netdev: 'l0', port: 'l0.1' },
      },
    ]);
    await guest();
    await guest();
    expect([...context.children.keys()]).toEqual(['l0.0', 'l0.2', 'l0.1', 'l0.3']);
    await end(client);
  });

  it('netdev_del of a child ends that connection, without an event', async () => {
    const client = await createListener({ addr: ADDR }, context);
    const socket = await guest();
    await guest();
    const events = context.events.length;
    let ended = false;
    socket.onEvent = () => {
      ended = socket.readInto(new Uint8Array(1), 0, 1) === 0;
    };
    socket.interest(true, false);
    context.children.get('l0.0')?.kick();
    await test.settle();
    expect(ended).toBe(true);
    expect([...context.children.keys()]).toEqual(['l0.1']);
    expect(context.events.length).toBe(events);
    await end(client);
  });

  it('a peer that breaks the framing loses its own connection only', async () => {
    const client = await createListener({ addr: ADDR }, context);
    const [bad, good] = [await guest(), await guest()];
    bad.write(new Uint8Array([255, 255, 255, 255]), 0, 4);
    good.write(framed(testFrame(60)), 0, 64);
    await test.settle();
    expect([...context.children.keys()]).toEqual(['l0.1']);
    expect(context.children.get('l0.1')?.port.frames.length).toBe(1);
    await end(client);
  });

  const takeName = (name: string) =>
    context.openChild(
      name,
      () => ({}) as NetClient,
      () => {},
    );

  it('steps over a name that another netdev has', async () => {
    takeName('l0.0');
    takeName('l0.2');
    const client = await createListener({ addr: ADDR }, context);
    await guest();
    await guest();
    expect([...context.children.keys()].sort()).toEqual(['l0.0', 'l0.1', 'l0.2', 'l0.3']);
    context.children.delete('l0.0');
    context.children.delete('l0.2');
    await end(client);
  });

  it('refuses a connection when all names within reach are taken', async () => {
    for (let number = 0; number < 64; number++) takeName(`l0.${number}`);
    const client = await createListener({ addr: ADDR }, context);
    await guest();
    expect(test.logs.at(-1)?.message).toBe('listener: no port for a connection');
    expect(context.children.size).toBe(64);
    context.children.clear();
    await end(client);
  });

  it('closes the 1025th connection, and takes one again when one has left', async () => {
    const client = await createListener({ addr: ADDR }, context);
    const sockets = [];
    for (let i = 0; i < 1026; i++) {
      sockets.push(test.network.local.sockets.connect({ family: 'unix', path: ADDR.path }));
      test.runUntilIdle();
    }
    await test.settle();
    expect(context.children.size).toBe(1024);
    expect(test.logs.filter((line) => line.level === 'warn').length).toBe(1);
    sockets[7]?.close();
    await test.settle();
    await guest();
    expect(context.children.size).toBe(1024);
    expect(context.children.has('l0.7')).toBe(true);
    await end(client);
  });

  it.each([
    [ADDR, 'Failed to bind socket to /run/l: Address already in use'],
    [{ type: 'inet', host: '192.0.2.9', port: '1' }, 'Failed to bind socket: Cannot assign requested address'],
    [{ type: 'fd', str: '3' }, 'Operation not supported'],
  ] as const)('%j: an error of netdev_add', async (addr, text) => {
    await test.network.local.sockets.listen({ family: 'unix', path: ADDR.path });
    await expect(createListener({ addr }, context)).rejects.toThrow(text);
    expect(test.leaks()).toEqual([]);
  });
});
