import { beforeEach, describe, expect, it } from 'vitest';
import { createDatagramPeer } from '../../../tests/kit/datagram-peer.ts';
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
import type { NetdevSocketOptions as SocketOptions } from '../../schema/net.ts';
import { createSocket } from './index.ts';

let test: TestHost;
let context: RecordingContext;

beforeEach(() => {
  test = createTestHost();
  context = createRecordingContext(test.host);
});

async function start(options: SocketOptions): Promise<NetClient> {
  const starting = createSocket(options, context);
  await test.settle();
  return starting;
}

async function end(client: NetClient): Promise<void> {
  await client.close();
  await test.settle();
  expect(context.events).toEqual([]);
  expect(test.leaks()).toEqual([]);
}

describe('errors of netdev_add', () => {
  it.each([
    [{}, 'exactly one of listen=, connect=, mcast= or udp= is required'],
    [{ listen: ':1', connect: ':1' }, 'exactly one of listen=, connect=, mcast= or udp= is required'],
    [{ fd: '3', udp: ':1' }, 'exactly one of listen=, connect=, mcast= or udp= is required'],
    [{ listen: ':1', localaddr: ':2' }, 'localaddr= is only valid with mcast= or udp='],
    [{ udp: '127.0.0.1:1' }, 'localaddr= is mandatory with udp='],
    [{ listen: 'x' }, "host address 'x' doesn't contain ':' separating host from port"],
    [{ connect: '1x:1' }, "host address '1x' is not a valid IPv4 address"],
    [{ connect: '300.0.0.1:1' }, "host address '300.0.0.1' is not a valid IPv4 address"],
    [{ connect: 'nohost.invalid:1' }, "can't resolve host address 'nohost.invalid'"],
    [{ listen: '127.0.0.1:' }, "port number '' is invalid"],
    [{ listen: '127.0.0.1:http' }, "port number 'http' is invalid"],
    [{ listen: '127.0.0.1:12x' }, "port number '12x' is invalid"],
    [{ listen: '127.0.0.1:70000' }, "port number '70000' is invalid"],
    [{ listen: '::1:45062' }, "port number ':1:45062' is invalid"],
    [{ listen: '192.0.2.1:1' }, "can't bind ip=192.0.2.1 to socket: Cannot assign requested address"],
    [{ connect: '192.0.2.1:1' }, "can't connect socket: Network is unreachable"],
    [{ udp: ':1', localaddr: '192.0.2.1:1' }, "can't bind ip=192.0.2.1 to socket: Cannot assign requested address"],
    [{ udp: '1.2.3.4:x', localaddr: 'y' }, "host address 'y' doesn't contain ':' separating host from port"],
    [{ mcast: '10.0.0.1:1' }, 'specified mcastaddr 10.0.0.1 (0x0a000001) does not contain a multicast address'],
    [{ mcast: '230.0.0.1:1', localaddr: 'bogus' }, "localaddr 'bogus' is not a valid IPv4 address"],
    [{ fd: '3' }, 'Operation not supported'],
  ] as [SocketOptions, string][])('%j', async (options, text) => {
    const starting = createSocket(options, context);
    const failed = expect(starting).rejects.toThrow(text);
    await test.settle();
    await failed;
    expect(test.leaks()).toEqual([]);
  });

  it('a group that no interface reaches', async () => {
    test.network.fail({ on: 'datagram', code: 'ENODEV' });
    await expect(createSocket({ mcast: '230.0.0.1:1' }, context)).rejects.toThrow(
      "can't add socket to multicast group 230.0.0.1: ",
    );
  });

  it('a port that is taken', async () => {
    await test.network.local.sockets.listen({ family: 'ipv4', host: '127.0.0.1', port: 7 });
    await expect(createSocket({ listen: '127.0.0.1:7' }, context)).rejects.toThrow(
      "can't bind ip=127.0.0.1 to socket: Address already in use",
    );
  });
});

describe('listen', () => {
  it('serves one peer at a time; info shows who', async () => {
    const client = await start({ listen: '127.0.0.1:0x15b3' });
    expect(client.info()).toBe('');
    expect(context.port.linkUp).toBe(false);
    const at = { family: 'ipv4', host: '127.0.0.1', port: 5555 } as const;
    const first = test.network.local.sockets.connect(at);
    await test.settle();
    const from = test.network.local.nextPort - 1;
    expect(client.info()).toBe(`socket: connection from 127.0.0.1:${from}`);
    expect(context.port.linkUp).toBe(true);
    const second = test.network.local.sockets.connect(at);
    await test.settle();
    second.write(framed(testFrame(60, 2)), 0, 64);
    first.write(framed(testFrame(60, 1)), 0, 64);
    await test.settle();
    expect(context.port.frames).toEqual([testFrame(60, 1)]);
    first.close();
    await test.settle();
    expect(context.port.frames).toEqual([testFrame(60, 1), testFrame(60, 2)]);
    second.close();
    await test.settle();
    expect(client.info()).toBe('');
    expect(context.port.linkUp).toBe(false);
    expect(test.logs.map(({ level, message }) => `${level} ${message}`)).toEqual([
      "info socket 'n0': connected",
      "info socket 'n0': connection closed by peer",
      "info socket 'n0': connected",
      "info socket 'n0': connection closed by peer",
    ]);
    await end(client);
  });
});

describe('connect', () => {
  it('a refused connection is no error', async () => {
    const client = await start({ connect: '127.0.0.1:9' });
    await test.settle();
    expect(client.info()).toBe('');
    expect(context.port.linkUp).toBe(false);
    await test.elapse(60_000);
    await end(client);
  });

  it('a frame given while the handshake is pending does not leave it deaf', async () => {
    const far = test.network.addHost('203.0.113.1', { latencyMs: 100 });
    const listener = await far.sockets.listen({ family: 'ipv4', host: '203.0.113.1', port: 7 });
    let accepted: StreamSocket | undefined;
    listener.onConnection = (socket) => {
      accepted = socket;
    };
    const client = await start({ connect: '203.0.113.1:7' });
    expect(client.info()).toBe('socket: connect to 203.0.113.1:7');
    expect(give(client, testFrame(60))).toBe(true);
    expect(context.port.counters.dropped).toEqual({ 'not-connected': 1 });
    await test.elapse(200);
    await test.settle();
    expect(context.port.linkUp).toBe(true);
    accepted?.write(framed(testFrame(60, 1)), 0, 64);
    expect(give(client, testFrame(60, 2))).toBe(true);
    await test.elapse(200);
    await test.settle();
    expect(context.port.frames).toEqual([testFrame(60, 1)]);
    const got = new Uint8Array(100);
    expect(accepted?.readInto(got, 0, 100)).toBe(64);
    expect(got.slice(0, 64)).toEqual(framed(testFrame(60, 2)));
    accepted?.close();
    await test.elapse(200);
    await test.settle();
    expect(client.info()).toBe('');
    expect(context.port.linkUp).toBe(false);
    await end(client);
  });

  it('deleting it while the handshake is pending leaves nothing', async () => {
    test.network.addHost('203.0.113.1', { latencyMs: 100 });
    const client = await start({ connect: '203.0.113.1:7' });
    await end(client);
    await test.elapse(1000);
    expect(test.leaks()).toEqual([]);
  });
});

describe('udp', () => {
  it('one frame a datagram, from anybody, to the remote', async () => {
    const peer = await createDatagramPeer(test, { family: 'ipv4', host: '127.0.0.1', port: 6001 });
    const client = await start({ udp: '127.0.0.1:6001', localaddr: '127.0.0.1:6000' });
    expect(client.info()).toBe('socket: udp=127.0.0.1:6001');
    expect(context.port.linkUp).toBe(true);
    for (let i = 0; i < 200; i++) expect(give(client, testFrame(60 + i, i))).toBe(true);
    await test.settle();
    expect(peer.received()).toEqual(Array.from({ length: 200 }, (_, i) => testFrame(60 + i, i)));
    const stranger = await createDatagramPeer(test, { family: 'ipv4', host: '127.0.0.1', port: 6002 });
    stranger.send({ family: 'ipv4', host: '127.0.0.1', port: 6000 }, testFrame(60, 9));
    await test.settle();
    expect(context.port.frames).toEqual([testFrame(60, 9)]);
    await end(client);
  });
});

describe('mcast', () => {
  it('our own frames do not come back; the same frame from another member does', async () => {
    const other = createRecordingContext(test.host, 'n1');
    const options = { mcast: '230.0.0.1:23451', localaddr: '127.0.0.1' };
    const a = await createSocket(options, context);
    const b = await createSocket(options, other);
    expect(a.info()).toBe('socket: mcast=230.0.0.1:23451');
    for (let i = 0; i < 3; i++) give(a, testFrame(60, i));
    await test.settle();
    expect(other.port.frames).toEqual([testFrame(60, 0), testFrame(60, 1), testFrame(60, 2)]);
    expect(context.port.frames).toEqual([]);
    expect(context.port.counters.dropped).toEqual({ 'own-echo': 3 });
    give(b, testFrame(60, 1));
    await test.settle();
    expect(context.port.frames).toEqual([testFrame(60, 1)]);
    await b.close();
    await end(a);
  });

  it('not one comes back, however many are sent at once', async () => {
    const other = createRecordingContext(test.host, 'n1');
    const a = await start({ mcast: '230.0.0.1:23451', localaddr: '127.0.0.1' });
    const b = await createSocket({ mcast: '230.0.0.1:23451', localaddr: '127.0.0.1' }, other);
    for (let sent = 0; sent < 2000; sent += 500) {
      for (let i = 0; i < 500; i++) give(a, testFrame(60, i));
      await test.settle();
    }
    expect(context.port.frames).toEqual([]);
    expect(context.port.counters.dropped).toEqual({ 'own-echo': 2000 });
    expect(other.port.frames.length).toBe(2000);
    await b.close();
    await end(a);
  });

  it('the same frames from a machine that sends from our port are taken', async () => {
    const far = test.network.addHost('203.0.113.1');
    const a = await start({ mcast: '230.0.0.1:23451' });
    give(a, testFrame(60, 1));
    await test.settle();
    const ours = test.network.local.nextPort - 1;
    const bind = { family: 'ipv4', host: '203.0.113.1', port: ours } as const;
    const peer = await createDatagramPeer(test, bind, far.sockets);
    peer.send({ family: 'ipv4', host: '230.0.0.1', port: 23451 }, testFrame(60, 1));
    await test.settle();
    expect(context.port.frames).toEqual([testFrame(60, 1)]);
    expect(context.port.counters.dropped).toEqual({ 'own-echo': 1 });
    await peer.close();
    await end(a);
  });

  it("after a change of the host's address its frames are still its own", async () => {
    const a = await start({ mcast: '230.0.0.1:23451' });
    test.network.local.addresses = ['198.51.100.77'];
    give(a, testFrame(60, 1));
    await test.settle();
    expect(context.port.frames).toEqual([]);
    expect(context.port.counters.dropped).toEqual({ 'own-echo': 1 });
    await end(a);
  });
});
