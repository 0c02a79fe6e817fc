import { beforeEach, describe, expect, it } from 'vitest';
import { createTestHost, type TestHost } from '../../../tests/kit/host.ts';
import {
  createRecordingContext,
  digests,
  framed,
  give,
  type RecordingContext,
  testFrame,
} from '../../../tests/kit/netdev-context.ts';
import { BUSY, type NetClient } from '../../net/client.ts';
import type { Listener, StreamSocket } from '../../net/host.ts';
import type { NetdevStreamOptions as StreamOptions } from '../../schema/net.ts';
import { createStream } from './stream-netdev.ts';

let test: TestHost;
let context: RecordingContext;

beforeEach(() => {
  test = createTestHost();
  context = createRecordingContext(test.host);
});

const UNIX = { type: 'unix', path: '/tmp/s.sock' } as const;
const INET = { type: 'inet', host: '127.0.0.1', port: '5555' } as const;

async function start(options: StreamOptions): Promise<NetClient> {
  const client = await createStream(options, context);
  await test.settle();
  return client;
}

async function end(client: NetClient): Promise<void> {
  await client.close();
  await client.close();
  await test.settle();
  expect(test.leaks()).toEqual([]);
}

/** A program on the same machine that connects. */
async function peer(path: string = UNIX.path): Promise<StreamSocket> {
  const socket = test.network.local.sockets.connect({ family: 'unix', path });
  await test.settle();
  return socket;
}

/** A program on the same machine that listens; the accepted sockets. */
async function serve(at: Parameters<TestHost['host']['sockets']['listen']>[0]): Promise<[Listener, StreamSocket[]]> {
  const listener = await test.network.local.sockets.listen(at);
  const accepted: StreamSocket[] = [];
  listener.onConnection = (socket) => accepted.push(socket);
  return [listener, accepted];
}

function read(socket: StreamSocket): Uint8Array {
  const bytes = new Uint8Array(300_000);
  let length = 0;
  for (;;) {
    const count = socket.readInto(bytes, length, bytes.length - length);
    if (count <= 0) return bytes.slice(0, length);
    length += count;
  }
}

describe('options', () => {
  it.each([
    [{ addr: UNIX, server: true, reconnect: 0 }, "'reconnect' option is incompatible with socket in server mode"],
    [
      { addr: UNIX, server: true, 'reconnect-ms': 5 },
      "'reconnect' and 'reconnect-ms' options are incompatible with socket in server mode",
    ],
    [{ addr: UNIX, reconnect: 1, 'reconnect-ms': 5 }, "'reconnect' and 'reconnect-ms' are mutually exclusive"],
    [{ addr: { type: 'fd', str: '5' } }, 'Operation not supported'],
    [{ addr: { ...INET, mptcp: true } }, 'stream: addr.mptcp=on is not supported: netyard speaks plain TCP'],
  ] as [StreamOptions, string][])('%j', async (options, text) => {
    await expect(createStream(options, context)).rejects.toThrow(text);
    expect(test.leaks()).toEqual([]);
  });
});

describe('server', () => {
  it('listens, connects, carries frames both ways, disconnects, listens again', async () => {
    const client = await start({ addr: UNIX, server: true });
    expect(client.info()).toBe('listening');
    expect(context.port.linkUp).toBe(false);
    const guest = await peer();
    expect(context.port.linkUp).toBe(true);
    expect(client.info()).toBe('unix:/tmp/s.sock');
    expect(context.events).toEqual([
      'NETDEV_STREAM_CONNECTED {"netdev-id":"n0","addr":{"type":"unix","path":"/tmp/s.sock"}}',
    ]);

    const sent = [testFrame(60), testFrame(1514, 1), testFrame(69_632, 2)];
    const bytes = framed(...sent);
    guest.write(bytes, 0, 2);
    await test.settle();
    guest.write(bytes, 2, bytes.length - 2);
    await test.settle();
    expect(digests(context.port.frames)).toEqual(digests(sent));

    for (const frame of sent) expect(give(client, frame)).toBe(true);
    await test.settle();
    expect(digests([read(guest)])).toEqual(digests([bytes]));

    guest.close();
    await test.settle();
    expect(context.port.linkUp).toBe(false);
    expect(client.info()).toBe('listening');
    expect(context.events.slice(1)).toEqual(['NETDEV_STREAM_DISCONNECTED {"netdev-id":"n0"}']);
    expect(test.logs.map(({ level, message }) => `${level} ${message}`)).toEqual([
      "info stream 'n0': connected",
      "info stream 'n0': connection closed by peer",
    ]);
    await end(client);
    expect(context.events.length).toBe(2);
  });

  it('serves a second client after the first has left, from its first byte', async () => {
    const client = await start({ addr: UNIX, server: true });
    const first = await peer();
    const second = await peer();
    second.write(framed(testFrame(60, 2)), 0, 64);
    first.write(framed(testFrame(60, 1)), 0, 30);
    await test.settle();
    expect(context.port.frames).toEqual([]);
    first.close();
    await test.settle();
    expect(context.events.map((e) => e.split(' ')[0])).toEqual([
      'NETDEV_STREAM_CONNECTED',
      'NETDEV_STREAM_DISCONNECTED',
      'NETDEV_STREAM_CONNECTED',
    ]);
    expect(context.port.frames).toEqual([testFrame(60, 2)]);
    await end(client);
  });

  it('tells the peer of a TCP connection', async () => {
    const client = await start({ addr: { ...INET, port: '0' }, server: true });
    const [listener] = [...test.network.local.listeners];
    const address = listener?.address as { family: 'ipv4'; host: string; port: number };
    test.network.local.sockets.connect(address);
    await test.settle();
    const port = test.network.local.nextPort - 1;
    expect(client.info()).toBe(`tcp:127.0.0.1:${port}`);
    expect(context.events).toEqual([
      `NETDEV_STREAM_CONNECTED {"netdev-id":"n0","addr":{"type":"inet","host":"127.0.0.1","port":"${port}","ipv4":true}}`,
    ]);
    await end(client);
  });

  it('a zero length is skipped and counted; an oversized one ends the connection with an event', async () => {
    const client = await start({ addr: UNIX, server: true });
    const guest = await peer();
    guest.write(framed(new Uint8Array(0), testFrame(60)), 0, 68);
    await test.settle();
    expect(context.port.frames).toEqual([testFrame(60)]);
    expect(context.port.counters.dropped).toEqual({ 'zero-length': 1 });
    guest.write(new Uint8Array([0, 1, 0x10, 1]), 0, 4);
    await test.settle();
    expect(context.events[1]).toBe('NETDEV_STREAM_DISCONNECTED {"netdev-id":"n0"}');
    expect(context.port.counters.dropped['oversized']).toBe(1);
    expect(test.logs.at(-1)).toEqual({
      level: 'warn',
      message: "stream 'n0': connection oversized frame",
      fields: { detail: 'length 69633' },
    });
    expect(client.info()).toBe('listening');
    await end(client);
  });

  it('stops reading at BUSY, loses nothing and goes on when told', async () => {
    const client = await start({ addr: UNIX, server: true });
    const guest = await peer();
    const sent = Array.from({ length: 200 }, (_, i) => testFrame(1514, i));
    const bytes = framed(...sent);
    context.port.answer = BUSY;
    let written = 0;
    for (let turn = 0; context.port.frames.length < sent.length && turn < 1000; turn++) {
      const count = guest.write(bytes, written, bytes.length - written);
      if (count > 0) written += count;
      await test.settle();
      expect(context.port.frames.length).toBe(turn + 1);
      context.port.onReady();
    }
    expect(digests(context.port.frames)).toEqual(digests(sent));
    await end(client);
  });

  it('a flood of small frames gets its share of a turn, in order and without loss', async () => {
    const client = await start({ addr: UNIX, server: true });
    const guest = await peer();
    const sent = Array.from({ length: 3000 }, (_, i) => testFrame(60, i));
    const bytes = framed(...sent);
    expect(guest.write(bytes, 0, bytes.length)).toBe(bytes.length);
    const perTurn: number[] = [];
    const watch = {
      run: () => {
        perTurn.push(context.port.frames.length);
        if (context.port.frames.length < sent.length) test.loop.nextTurn(watch);
      },
    };
    test.loop.nextTurn(watch);
    await test.settle();
    expect(digests(context.port.frames)).toEqual(digests(sent));
    const shares = perTurn.map((count, i) => count - (perTurn[i - 1] ?? 0));
    expect(Math.max(...shares)).toBe(1024);
    await end(client);
  });

  it('refuses frames while the peer does not read, and tells when it can take more', async () => {
    const client = await start({ addr: UNIX, server: true });
    const guest = await peer();
    const sent: Uint8Array[] = [];
    while (give(client, testFrame(1514, sent.length))) sent.push(testFrame(1514, sent.length));
    expect(sent.length).toBeGreaterThan(100);
    await test.settle();
    expect(context.port.readyCalls).toBe(0);
    let got = 0;
    const all = new Uint8Array(400_000);
    while (got < sent.length * 1518) {
      const part = read(guest);
      all.set(part, got);
      got += part.length;
      await test.settle();
    }
    expect(context.port.readyCalls).toBe(1);
    expect(digests([all.slice(0, got)])).toEqual(digests([framed(...sent)]));
    expect(give(client, testFrame(60))).toBe(true);
    await end(client);
  });

  it('a bind error is not an error of netdev_add; info has it', async () => {
    const [listener] = await serve({ family: 'unix', path: UNIX.path });
    const client = await start({ addr: UNIX, server: true });
    expect(client.info()).toBe('error: Failed to bind socket to /tmp/s.sock: Address already in use');
    await end(client);
    await listener.close();
  });

  it.each([
    [{ ...INET, host: '192.0.2.1' }, 'Failed to bind socket: Cannot assign requested address'],
    [
      { ...INET, host: 'nohost.invalid' },
      'address resolution failed for nohost.invalid:5555: Name or service not known',
    ],
    [{ ...INET, port: 'x' }, 'address resolution failed for 127.0.0.1:x: Servname not supported for ai_socktype'],
    [{ ...INET, ipv4: false, ipv6: false }, 'Cannot disable IPv4 and IPv6 at same time'],
    [{ ...INET, 'keep-alive': true }, 'keep-alive option is not supported for passive sockets'],
    [{ ...INET, to: 5554 }, 'Failed to create a socket: Invalid argument'],
    [
      { ...INET, ipv6: true },
      'address resolution failed for 127.0.0.1:5555: Address family for hostname not supported',
    ],
  ] as [StreamOptions['addr'], string][])('%j: info error: %s', async (addr, text) => {
    const client = await start({ addr, server: true });
    expect(client.info()).toBe(`error: ${text}`);
    await end(client);
  });

  it('to=: takes the first free port, or says that there is none', async () => {
    const [a] = await serve({ family: 'ipv4', host: '127.0.0.1', port: 5555 });
    const full = await start({ addr: { ...INET, to: 5555 }, server: true });
    expect(full.info()).toBe('error: Failed to find an available port: Address already in use');
    await end(full);
    const client = await start({ addr: { ...INET, to: 5560 }, server: true });
    expect(client.info()).toBe('listening');
    const socket = test.network.local.sockets.connect({ family: 'ipv4', host: '127.0.0.1', port: 5556 });
    await test.settle();
    expect(context.port.linkUp).toBe(true);
    socket.close();
    await test.settle();
    await end(client);
    await a.close();
  });
});

describe('client', () => {
  it.each([{ ipv6: true }, { ipv4: false }])(
    '%j: a name that has IPv4 addresses only is reached by them',
    async (asked) => {
      test.resolver.setName('peer.test', [{ family: 'ipv4', host: '127.0.0.1' }]);
      const tried: string[] = [];
      const { sockets } = test.host;
      const connect = sockets.connect.bind(sockets);
      sockets.connect = (to, options) => {
        tried.push(to.family === 'unix' || to.family === 'vsock' ? to.family : `${to.family} ${to.host}`);
        return connect(to, options);
      };
      const client = await start({ addr: { ...INET, host: 'peer.test', ...asked } });
      expect(tried).toEqual(['ipv6 ::ffff:127.0.0.1']);
      await end(client);
    },
  );

  it('ipv6=on: a name with IPv6 addresses is reached by those alone, one without any is unknown', async () => {
    const both = { ipv6: true } as const;
    const unknown = await start({ addr: { ...INET, host: 'nohost.invalid', ...both } });
    expect(unknown.info()).toBe('error: address resolution failed for nohost.invalid:5555: Name or service not known');
    await end(unknown);
    const [listener] = await serve({ family: 'ipv6', host: '::1', port: 5555 });
    const client = await start({ addr: { ...INET, host: 'localhost', ...both } });
    expect(client.info()).toBe('tcp:::1:5555');
    await end(client);
    await listener.close();
  });

  it('connects, tells the real address, and stays as it is when the peer leaves', async () => {
    test.resolver.setName('peer.test', [{ family: 'ipv4', host: '127.0.0.1' }]);
    const [, accepted] = await serve({ family: 'ipv4', host: '127.0.0.1', port: 5555 });
    const client = await createStream({ addr: { ...INET, host: 'peer.test' } }, context);
    expect(client.info()).toBe('connecting');
    expect(context.port.linkUp).toBe(false);
    await test.settle();
    expect(client.info()).toBe('tcp:127.0.0.1:5555');
    expect(context.events).toEqual([
      'NETDEV_STREAM_CONNECTED {"netdev-id":"n0","addr":{"type":"inet","host":"127.0.0.1","port":"5555","ipv4":true}}',
    ]);
    accepted[0]?.close();
    await test.settle();
    expect(context.events[1]).toBe('NETDEV_STREAM_DISCONNECTED {"netdev-id":"n0"}');
    expect(client.info()).toBe('tcp:127.0.0.1:5555');
    await test.elapse(60_000);
    expect(accepted.length).toBe(1);
    await end(client);
  });

  it.each([
    [INET, "Failed to connect to '127.0.0.1:5555': Connection refused"],
    [UNIX, "Failed to connect to '/tmp/s.sock': No such file or directory"],
    [{ ...INET, host: '' }, 'address resolution failed for :5555: Name or service not known'],
  ] as [StreamOptions['addr'], string][])('%j: a failed attempt shows in info only', async (addr, text) => {
    const client = await start({ addr });
    expect(client.info()).toBe(`error: ${text}`);
    expect(context.events).toEqual([]);
    await end(client);
  });

  it('tries every address in turn', async () => {
    const [, accepted] = await serve({ family: 'ipv4', host: '127.0.0.1', port: 5555 });
    const client = await start({ addr: { ...INET, host: 'localhost' } });
    expect(client.info()).toBe('tcp:127.0.0.1:5555');
    expect(accepted.length).toBe(1);
    await end(client);
  });

  it('reconnects after exactly the interval, from a failed attempt and from a lost connection', async () => {
    const client = await start({ addr: INET, 'reconnect-ms': 250 });
    expect(client.info()).toBe('connecting');
    const [listener, accepted] = await serve({ family: 'ipv4', host: '127.0.0.1', port: 5555 });
    await test.elapse(249);
    expect(accepted.length).toBe(0);
    await test.elapse(1);
    await test.settle();
    expect(accepted.length).toBe(1);
    accepted[0]?.reset();
    await test.settle();
    expect(client.info()).toBe('connecting');
    expect(context.port.linkUp).toBe(false);
    await test.elapse(250);
    await test.settle();
    expect(accepted.length).toBe(2);
    expect(context.events.map((e) => e.split(' ')[0])).toEqual([
      'NETDEV_STREAM_CONNECTED',
      'NETDEV_STREAM_DISCONNECTED',
      'NETDEV_STREAM_CONNECTED',
    ]);
    await end(client);
    await listener.close();
  });

  it('logs a failure once, until it is another one or there was a connection', async () => {
    const warnings = () => test.logs.splice(0).flatMap(({ level, message }) => (level === 'warn' ? [message] : []));
    const refused = "stream 'n0': Failed to connect to '127.0.0.1:5555': Connection refused";
    const client = await start({ addr: INET, 'reconnect-ms': 50 });
    await test.elapse(10_000);
    expect(warnings()).toEqual([refused]);
    test.network.fail({ on: 'connect', code: 'ENETUNREACH', count: 1 });
    await test.elapse(1000);
    expect(warnings()).toEqual([refused.replace('Connection refused', 'Network is unreachable'), refused]);
    const [listener, accepted] = await serve({ family: 'ipv4', host: '127.0.0.1', port: 5555 });
    await test.elapse(50);
    await listener.close();
    accepted[0]?.close();
    await test.elapse(1000);
    expect(warnings()).toEqual([refused]);
    await end(client);
  });

  it('reconnect counts seconds', async () => {
    const client = await start({ addr: INET, reconnect: 2 });
    const [, accepted] = await serve({ family: 'ipv4', host: '127.0.0.1', port: 5555 });
    await test.elapse(1999);
    expect(accepted.length).toBe(0);
    await test.elapse(2);
    await test.settle();
    expect(accepted.length).toBe(1);
    await end(client);
  });

  it('no stale tail on the new connection, and senders that waited are told', async () => {
    const [listener, accepted] = await serve({ family: 'ipv4', host: '127.0.0.1', port: 5555 });
    test.network.local.streamCapacity = 1000;
    const client = await start({ addr: INET, reconnect: 1 });
    expect(give(client, testFrame(1514))).toBe(true);
    expect(give(client, testFrame(60))).toBe(false);
    accepted[0]?.write(framed(testFrame(60)), 0, 10);
    await test.settle();
    accepted[0]?.reset();
    await test.settle();
    expect(context.port.readyCalls).toBe(1);
    await test.elapse(1000);
    await test.settle();
    expect(give(client, testFrame(70, 5))).toBe(true);
    accepted[1]?.write(framed(testFrame(80, 6)), 0, 84);
    await test.settle();
    expect(read(accepted[1] as StreamSocket)).toEqual(framed(testFrame(70, 5)));
    expect(context.port.frames).toEqual([testFrame(80, 6)]);
    await end(client);
    await listener.close();
  });

  it.each(['resolving', 'connecting', 'waiting'])('closing while %s leaves nothing', async (phase) => {
    const peerHost = test.network.addHost('203.0.113.9', { latencyMs: 50 });
    const options = { addr: { ...INET, host: '203.0.113.9' }, reconnect: 1 };
    if (phase === 'resolving') test.resolver.setName('203.0.113.9', [{ family: 'ipv4', host: '203.0.113.9' }]);
    const client = await createStream(options, context);
    if (phase === 'connecting') await test.settle();
    if (phase === 'waiting') await test.elapse(300);
    context.abort();
    await end(client);
    await test.elapse(5000);
    expect(context.events).toEqual([]);
    expect(peerHost.listeners.size).toBe(0);
    expect(test.leaks()).toEqual([]);
  });

  it('drops and counts frames while it is not connected', async () => {
    const client = await start({ addr: INET });
    expect(give(client, testFrame(60))).toBe(true);
    expect(context.port.counters.dropped).toEqual({ 'not-connected': 1 });
    await end(client);
  });
});

describe('abstract names', () => {
  it.each([
    [true, '\0absx', true],
    [false, `\0absx${'\0'.repeat(103)}`, false],
  ])('tight=%s', async (tight, path, shown) => {
    const client = await start({ addr: { type: 'unix', path: 'absx', abstract: true, tight }, server: true });
    await peer(path);
    expect(client.info()).toBe('unix:absx');
    expect(context.events[0]).toBe(
      `NETDEV_STREAM_CONNECTED {"netdev-id":"n0","addr":{"type":"unix","path":"absx","abstract":true,"tight":${shown}}}`,
    );
    await end(client);
  });
});
