import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeNative } from '../../../tests/kit/native.ts';
import {
  addon,
  event,
  LOOPBACK,
  NativeBench,
  numbered,
  openDescriptors,
  readAll,
  turns,
} from '../../../tests/kit/native-host.ts';
import { until } from '../../../tests/kit/until.ts';
import { type Listener, SOCKET_FAILED, type StreamSocket, WOULD_BLOCK } from '../../net/index.ts';
import { host32 } from './sockaddr.ts';

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_KEEPALIVE = 9;
const SO_BUF_LOCK = 72;
const IPPROTO_TCP = 6;
const IPPROTO_IP = 0;
const IP_TTL = 2;
const IP_RECVERR = 11;
const TCP_NODELAY = 1;

let bench: NativeBench;

beforeEach(() => {
  bench = new NativeBench();
});

afterEach(async () => {
  await bench.close();
});

function option(socket: StreamSocket, level: number, name: number): number {
  const value = new Uint8Array(4);
  const { descriptor } = socket as unknown as { descriptor: number };
  expect(addon().calls.getsockopt(descriptor, level, name, value, 0, 4)).toBe(4);
  return host32(value, 0);
}

/** SO_MEMINFO: the buffer's size less what is in it. */
function freeSendBuffer(socket: StreamSocket): number {
  const value = new Uint8Array(36);
  const { descriptor } = socket as unknown as { descriptor: number };
  expect(addon().calls.getsockopt(descriptor, SOL_SOCKET, 55, value, 0, 36)).toBe(36);
  return host32(value, 12) - host32(value, 20);
}

function setOption(socket: StreamSocket, name: number, value: number): void {
  const { descriptor } = socket as unknown as { descriptor: number };
  expect(addon().calls.setsockoptInt(descriptor, SOL_SOCKET, name, value)).toBe(0);
}

describeNative('native streams', () => {
  it('are told how much the kernel may hold for them', async () => {
    const listener = await bench.host.sockets.listen(LOOPBACK);
    const accepted: StreamSocket[] = [];
    listener.onConnection = (socket) => accepted.push(socket);
    const socket = bench.host.sockets.connect(listener.address);
    socket.limitReceive?.(16_384);
    expect(option(socket, SOL_SOCKET, SO_RCVBUF)).toBe(16_384);
    socket.limitReceive?.(Number.POSITIVE_INFINITY);
    expect(option(socket, SOL_SOCKET, SO_RCVBUF)).toBeGreaterThan(131_072);
    expect(option(socket, SOL_SOCKET, SO_BUF_LOCK)).toBe(0);
    await until(() => accepted.length === 1);
    accepted[0]?.reset();
    socket.close();
    await listener.close();
  });

  it('connect with a hop limit, which is gone when they are connected', async () => {
    const listener = await bench.host.sockets.listen(LOOPBACK);
    const accepted = new Promise<StreamSocket>((resolve) => {
      listener.onConnection = resolve;
    });
    const socket = bench.host.sockets.connect(listener.address, { hopLimit: 3 });
    await event(socket, 'connected');
    expect([option(socket, IPPROTO_IP, IP_TTL), option(socket, IPPROTO_IP, IP_RECVERR)]).toEqual([64, 0]);
    (await accepted).close();
    socket.close();
    await listener.close();
  });

  it('ask their peer while they are told to', async () => {
    const [client] = await bench.pair();
    client.askPeer?.(true);
    expect(option(client, SOL_SOCKET, SO_KEEPALIVE)).toBe(1);
    // Idle, interval, probes.
    expect([4, 5, 6].map((name) => option(client, IPPROTO_TCP, name))).toEqual([5, 10, 5]);
    client.askPeer?.(false);
    expect(option(client, SOL_SOCKET, SO_KEEPALIVE)).toBe(0);
  });

  it('leave urgent bytes where they are, and know them', async () => {
    const [client, server] = await bench.pair();
    const into = new Uint8Array(100);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      let text = '';
      to.onEvent = (kind) => {
        if (kind !== 'readable') return;
        for (;;) {
          const mark = to.isUrgentNext?.() === true;
          const count = to.readInto(into, 0, mark ? 1 : into.length);
          if (count <= 0) return;
          const piece = Buffer.from(into.subarray(0, count)).toString('latin1');
          text += mark ? `(${piece})` : piece;
        }
      };
      to.interest(true, false);
      from.write(Buffer.from('abc'), 0, 3);
      expect(from.writeUrgent?.(0x55)).toBe(1);
      from.write(Buffer.from('def'), 0, 3);
      await until(() => text.length === 9);
      expect(from.writeUrgent?.(0x56)).toBe(1);
      await until(() => text.length === 12);
      expect(text).toBe('abc(U)def(V)');
      to.interest(false, false);
    }
  });

  it('do not wake for urgent bytes that nobody reads', async () => {
    const [client, server] = await bench.pair();
    let events = 0;
    server.onEvent = () => events++;
    server.interest(true, false);
    server.interest(false, false);
    client.writeUrgent?.(1);
    await turns(50);
    expect(events).toBe(0);
  });

  it('set TCP_NODELAY at both ends, and keep-alive where it is asked for', async () => {
    const [client, server] = await bench.pair();
    expect([option(client, IPPROTO_TCP, TCP_NODELAY), option(server, IPPROTO_TCP, TCP_NODELAY)]).toEqual([1, 1]);
    expect(option(client, SOL_SOCKET, SO_KEEPALIVE)).toBe(0);
    const listener = await bench.host.sockets.listen(LOOPBACK);
    const bind = { family: 'ipv4', host: '127.0.0.2', port: 0 } as const;
    const other = bench.host.sockets.connect(listener.address, { noDelay: false, keepAlive: true, bind });
    await event(other, 'connected');
    expect([option(other, IPPROTO_TCP, TCP_NODELAY), option(other, SOL_SOCKET, SO_KEEPALIVE)]).toEqual([0, 1]);
    expect(other.localAddress).toMatchObject({ host: '127.0.0.2' });
    expect(other.remoteAddress).toEqual(listener.address);
  });

  for (const family of ['ipv4', 'unix'] as const) {
    const at = () => (family === 'ipv4' ? LOOPBACK : bench.path('s'));

    it(`${family}: gather the small writes of a batch into one`, async () => {
      const [client, server] = await bench.pair(at());
      const all = numbered(3000);
      let sent = 0;
      bench.host.loop.nextTurn({
        run: () => {
          for (let i = 0; i < 100; i++) sent += client.write2(all, sent, 10, sent + 10, 20);
        },
      });
      server.interest(true, false);
      await event(server, 'readable');
      const got = new Uint8Array(5000);
      expect([sent, server.readInto(got, 0, 5000)]).toEqual([3000, 3000]);
      expect(got.subarray(0, 3000)).toEqual(all);
    });

    it(`${family}: send what was taken after close, to a peer that reads later`, async () => {
      const [client, server] = await bench.pair(at());
      const piece = numbered(10_000);
      let taken = 0;
      await until(() => {
        for (;;) {
          const count = client.write(piece, 0, piece.length);
          if (count <= 0) break;
          taken += count;
        }
        return client.write(piece, 0, 1) === WOULD_BLOCK;
      });
      client.close();
      await turns(20);
      expect(bench.host.openSockets).toBe(2);
      expect((await readAll(server)).length).toBe(taken);
      expect(bench.host.openSockets).toBe(1);
    });

    it(`${family}: end by themselves once both sides have`, async () => {
      const before = openDescriptors();
      const [client, server] = await bench.pair(at());
      client.shutdown();
      server.shutdown();
      const events = event(server, 'closed');
      server.interest(true, false);
      await turns(3);
      const byte = new Uint8Array(1);
      await until(() => server.readInto(byte, 0, 1) === 0);
      expect(await events).toContain('closed');
      expect([server.readInto(byte, 0, 1), server.write(byte, 0, 1)]).toEqual([0, SOCKET_FAILED]);
      server.close();
      client.close();
      await turns(2);
      expect(openDescriptors()).toBe(before);
    });

    it(`${family}: leave the descriptor alone without interest, and say the end once`, async () => {
      const [client, server] = await bench.pair(at());
      let events = 0;
      server.onEvent = () => events++;
      client.write(numbered(4), 0, 4);
      await turns(20);
      expect(events).toBe(0);
      server.interest(true, false);
      await until(() => events >= 5);
      expect(server.readInto(new Uint8Array(4), 0, 4)).toBe(4);
      client.shutdown();
      await until(() => server.readInto(new Uint8Array(4), 0, 4) === 0);
      const before = events;
      await turns(20);
      expect(events - before).toBeLessThan(2);
    });
  }

  it('go on in a full buffer of which less than a third became free: epoll does not tell', async () => {
    const [client, server] = await bench.pair();
    setOption(client, SO_SNDBUF, 212_992);
    setOption(server, SO_RCVBUF, 65_536);
    const block = new Uint8Array(16_384);
    let taken = 0;
    const fill = () => {
      for (let count = 1; count > 0; taken += Math.max(count, 0)) count = client.write(block, 0, block.length);
    };
    client.onEvent = fill;
    client.interest(false, true);
    fill();
    // What the receiver's buffer takes has left.
    for (let before = 0; before < taken; await new Promise((resolve) => setTimeout(resolve, 15))) before = taken;
    const before = taken;
    const third = option(client, SOL_SOCKET, SO_SNDBUF) / 3;
    for (let i = 0; i < 100 && freeSendBuffer(client) < 70_000; i++) server.readInto(block, 0, 4096);
    expect(freeSendBuffer(client)).toBeLessThan(third);
    await until(() => taken > before);
    expect(taken - before).toBeLessThan(third);
  });

  it('give the bytes that came before a reset, then the error', async () => {
    const [client, server] = await bench.pair();
    client.write(numbered(20_000), 0, 20_000);
    await turns(3);
    client.reset();
    await turns(3);
    expect(await readAll(server)).toEqual(Buffer.from(numbered(20_000)));
    expect(server.error?.code).toBe('ECONNRESET');
    expect(bench.host.openSockets).toBe(0);
  });

  it('that cannot be written any more give what the peer had sent, then the error', async () => {
    const [client, server] = await bench.pair();
    client.write(numbered(20_000), 0, 20_000);
    await turns(3);
    server.write(numbered(20_000), 0, 20_000);
    server.reset();
    const upload = numbered(30_000);
    expect(client.write(upload, 0, upload.length)).toBe(WOULD_BLOCK);
    expect([client.room(), client.write(upload, 0, 1)]).toEqual([0, WOULD_BLOCK]);
    const got = new Uint8Array(30_000);
    expect(client.readInto(got, 0, got.length)).toBe(20_000);
    expect(got.subarray(0, 20_000)).toEqual(numbered(20_000));
    const failed = event(client, 'error');
    client.interest(true, true);
    await until(() => client.readInto(got, 0, got.length) === SOCKET_FAILED);
    await failed;
    expect(client.error?.code).toBe('ECONNRESET');
    expect(bench.host.openSockets).toBe(0);
  });

  it('keep what waits for a slow peer when they are closed twice', async () => {
    const [client, server] = await bench.pair();
    const block = numbered(15_000);
    let taken = 0;
    for (let count = 1; count > 0; taken += Math.max(count, 0)) count = client.write(block, 0, block.length);
    client.close();
    client.reset();
    client.close();
    expect((await readAll(server)).length).toBe(taken);
    expect(server.error).toBeUndefined();
  });

  it('tell a reset also to an owner that does not read', async () => {
    const [client, server] = await bench.pair();
    server.interest(true, false);
    client.reset();
    expect(await event(server, 'error')).toEqual(['error']);
    expect(server.readInto(new Uint8Array(1), 0, 1)).toBe(SOCKET_FAILED);
  });

  it('end a turn after 512 KiB, and go on in the next', async () => {
    const [client, server] = await bench.pair();
    const block = new Uint8Array(65_536);
    let sent = 0;
    while (sent < 2_000_000) {
      const count = client.write(block, 0, block.length);
      if (count <= 0) break;
      sent += count;
    }
    const rounds: number[] = [];
    server.onEvent = () => {
      let round = 0;
      for (let count = 1; count > 0; round += count) count = Math.max(0, server.readInto(block, 0, 60_000));
      rounds.push(round);
    };
    server.interest(true, false);
    await until(() => rounds.reduce((sum, round) => sum + round, 0) === sent);
    expect(sent).toBeGreaterThan(1_200_000);
    expect(Math.max(...rounds)).toBeLessThan(512 * 1024 + 60_000);
    expect(rounds.length).toBeGreaterThan(2);
  });

  it('leave no descriptor behind after thousands of connections', async () => {
    const listener = await bench.host.sockets.listen(LOOPBACK);
    listener.onConnection = (socket) => {
      socket.onEvent = () => socket.reset();
      socket.interest(true, false);
    };
    const before = openDescriptors();
    let ended = 0;
    for (let i = 0; i < 2000; i++) {
      const socket = bench.host.sockets.connect(listener.address);
      socket.onEvent = (got) => {
        if (got === 'connected') socket.write(numbered(3), 0, 3);
        if (got !== 'error' && got !== 'closed') {
          socket.interest(true, false);
          return;
        }
        ended++;
        socket.close();
      };
      if (i % 100 === 0) await turns(2);
    }
    await until(() => ended === 2000);
    await turns(2);
    expect([openDescriptors(), bench.host.openSockets]).toEqual([before, 1]);
  });

  it('listen on vsock, or say what this kernel lacks for it', async () => {
    const any = 0xffff_ffff;
    const result: unknown = await bench.host.sockets
      .listen({ family: 'vsock', cid: any, port: any })
      .catch((error: unknown) => error);
    if (result instanceof Error) {
      expect(result).toMatchObject({ code: 'EAFNOSUPPORT' });
      expect(result.message).toContain('this kernel has no vsock');
    } else {
      const { address } = result as Listener;
      expect(address).toMatchObject({ family: 'vsock', cid: any });
      expect((address as { port: number }).port).toBeLessThan(any);
      await (result as Listener).close();
    }
  });
});
