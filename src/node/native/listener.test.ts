import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeNative } from '../../../tests/kit/native.ts';
import { addon, event, LOOPBACK, NativeBench, numbered, turns } from '../../../tests/kit/native-host.ts';
import { until } from '../../../tests/kit/until.ts';
import type { StreamSocket } from '../../net/index.ts';
import { encodeAddress } from './sockaddr.ts';

const EMFILE = -24;

const logged: string[] = [];
let bench: NativeBench;

beforeEach(() => {
  logged.length = 0;
  const ignore = (): void => {};
  const warn = (message: string, fields?: Record<string, unknown>): void => {
    logged.push(`${message}: ${fields?.['error']}`);
  };
  bench = new NativeBench({ log: { debug: ignore, info: ignore, warn, error: ignore } });
});

afterEach(async () => {
  await bench.close();
});

describeNative('native listeners', () => {
  it('leave connections in the backlog while paused or not wanted, and none more than it holds', async () => {
    const listener = await bench.host.sockets.listen(bench.path('s'), { backlog: 1 });
    const clients = [0, 1, 2, 3].map(() => bench.host.sockets.connect(listener.address));
    const events = clients.map((client) => {
      const list: string[] = [];
      client.onEvent = (got) => list.push(got === 'error' ? `${client.error?.code}` : got);
      return list;
    });
    await until(() => events.every((list) => list.length > 0));
    // unix(7): the backlog and one more; the others are told at once.
    expect(events).toEqual([['connected'], ['connected'], ['EAGAIN'], ['EAGAIN']]);
    expect(bench.host.openSockets).toBe(3);
    const accepted: StreamSocket[] = [];
    listener.onConnection = (socket) => {
      accepted.push(socket);
      listener.pause();
    };
    await until(() => accepted.length === 1);
    await turns(10);
    expect(accepted).toHaveLength(1);
    listener.resume();
    await until(() => accepted.length === 2);
    expect(bench.host.counters.refusedConnections).toBe(0);
  });

  it('accept hundreds of connections in one go', async () => {
    const listener = await bench.host.sockets.listen(LOOPBACK, { backlog: 512 });
    const accepted: StreamSocket[] = [];
    const clients = Array.from({ length: 300 }, () => bench.host.sockets.connect(listener.address));
    await until(() => clients.every((client) => client.localAddress !== undefined));
    listener.onConnection = (socket) => accepted.push(socket);
    await until(() => accepted.length === 300);
    expect(new Set(accepted.map((socket) => JSON.stringify(socket.remoteAddress))).size).toBe(300);
  });

  it('give a path its mode before anybody can connect, and remove it at close', async () => {
    const at = bench.path('s');
    const listener = await bench.host.sockets.listen(at, { mode: 0o640 });
    expect(statSync(at.path).mode & 0o777).toBe(0o640);
    await expect(bench.host.sockets.listen(at)).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: 'Address already in use',
    });
    await listener.close();
    expect(existsSync(at.path)).toBe(false);
  });

  it('replace a stale path, but no other file', async () => {
    const at = bench.path('s');
    const stale = addon().calls.socket(1, 1, 0);
    const bytes = new Uint8Array(128);
    expect(addon().calls.bind(stale, bytes, 0, encodeAddress(at, bytes, 0))).toBe(0);
    addon().calls.close(stale);
    await (await bench.host.sockets.listen(at)).close();
    writeFileSync(at.path, '');
    chmodSync(at.path, 0o600);
    await expect(bench.host.sockets.listen(at)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(existsSync(at.path)).toBe(true);
  });

  it('serve exact and padded abstract names as two names', async () => {
    const exact = { family: 'unix', path: `\0ny-native-${process.pid}` } as const;
    const padded = { family: 'unix', path: exact.path.padEnd(108, '\0') } as const;
    const first = await bench.host.sockets.listen(exact);
    const absent = bench.host.sockets.connect(padded);
    await event(absent, 'error');
    expect(absent.error?.code).toBe('ECONNREFUSED');
    const second = await bench.host.sockets.listen(padded);
    let to = '';
    first.onConnection = () => {
      to = 'exact';
    };
    second.onConnection = () => {
      to += ' padded';
    };
    bench.host.sockets.connect(exact);
    await until(() => to === 'exact');
    bench.host.sockets.connect(padded);
    await until(() => to === 'exact padded');
  });

  it('IPv6 alone, or IPv4 with it', async () => {
    for (const v6Only of [true, false]) {
      const listener = await bench.host.sockets.listen({ family: 'ipv6', host: '::', port: 0 }, { v6Only });
      listener.onConnection = (socket) => socket.close();
      const { port } = listener.address as { port: number };
      const client = bench.host.sockets.connect({ ...LOOPBACK, port });
      await event(client, v6Only ? 'error' : 'connected');
      await listener.close();
    }
  });

  it('out of descriptors: says so, keeps the connection, and serves it once there are some', async () => {
    const listener = await bench.host.sockets.listen(LOOPBACK);
    const accepted: StreamSocket[] = [];
    const { calls } = addon();
    const real = calls.accept4;
    let refusals = 0;
    calls.accept4 = (): number => {
      refusals++;
      return EMFILE;
    };
    try {
      listener.onConnection = (socket) => accepted.push(socket);
      const client = bench.host.sockets.connect(listener.address);
      await event(client, 'connected');
      await until(() => refusals === 1);
      await turns(100);
      // It rests instead of asking again and again.
      expect(refusals).toBe(1);
      expect(logged).toEqual(['accepting a connection failed: Too many open files']);
      await until(() => refusals === 2);
    } finally {
      calls.accept4 = real;
    }
    await until(() => accepted.length === 1);
    expect(bench.host.counters.acceptErrors).toBeGreaterThanOrEqual(2);
    accepted[0]?.write(numbered(3), 0, 3);
  });

  it('a handler that throws loses its connection only', async () => {
    const listener = await bench.host.sockets.listen(LOOPBACK);
    let calls = 0;
    listener.onConnection = () => {
      if (++calls === 1) throw new RangeError('first');
    };
    const first = bench.host.sockets.connect(listener.address);
    first.interest(true, false);
    await event(first, 'error');
    const second = bench.host.sockets.connect(listener.address);
    await event(second, 'connected');
    await until(() => calls === 2);
    expect(bench.host.counters.callbackErrors).toBe(1);
  });
});
