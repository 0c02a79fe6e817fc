import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDatagramBatch } from '../../tests/kit/datagram-peer.ts';
import { until } from '../../tests/kit/until.ts';
import type { DatagramSocket, InetAddress, SocketAddress, StreamSocket } from '../net/index.ts';
import { createNodeHost, type NodeHost } from './host.ts';

let host: NodeHost;
let directory: string;

beforeEach(() => {
  host = createNodeHost({ native: false });
  directory = mkdtempSync(join(tmpdir(), 'ny-listen-'));
});

afterEach(async () => {
  await host.close();
  expect(host.openSockets).toBe(0);
  expect(host.counters.callbackErrors).toBe(0);
  rmSync(directory, { recursive: true });
});

const LOOPBACK: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 0 };

describe('listener', () => {
  it('holds 16 connections while paused, refuses and counts the rest, serves the held in order', async () => {
    const listener = await host.sockets.listen(LOOPBACK);
    const accepted: StreamSocket[] = [];
    listener.onConnection = (socket) => accepted.push(socket);
    listener.pause();
    const { port } = listener.address as InetAddress;
    const clients = [];
    for (let i = 0; i < 20; i++) {
      const client = net.connect(port, '127.0.0.1');
      client.on('error', () => {});
      clients.push(client);
      await new Promise((resolve) => client.once('connect', resolve));
    }
    await until(() => host.counters.refusedConnections === 4);
    expect(accepted.length).toBe(0);
    const ports = clients.map((client) => client.localPort);
    listener.resume();
    expect(accepted.map((s) => (s.remoteAddress as InetAddress).port)).toEqual(ports.slice(0, 16));
    for (const client of clients) client.destroy();
    await listener.close();
  });

  it('mode, unlinking, and the path free again at once', async () => {
    const path = join(directory, 's');
    for (let i = 0; i < 3; i++) {
      const listener = await host.sockets.listen({ family: 'unix', path }, { mode: 0o600 });
      expect(statSync(path).mode & 0o777).toBe(0o600);
      await listener.close();
      expect(existsSync(path)).toBe(false);
    }
  });

  it('does not disturb a live listener by looking whether it is alive', async () => {
    const path = join(directory, 's');
    let connections = 0;
    const other = net.createServer(() => connections++).listen(path);
    await new Promise((resolve) => other.once('listening', resolve));
    await expect(host.sockets.listen({ family: 'unix', path })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (process.platform === 'linux') expect(connections).toBe(0);
    other.close();
  });

  it('replaces a socket that nobody listens on, keeps any other file', async () => {
    const path = join(directory, 'dead');
    // A socket file is left behind when its process is killed.
    const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`;
    spawnSync(process.execPath, ['-e', program]);
    expect(statSync(path).isSocket()).toBe(true);
    const listener = await host.sockets.listen({ family: 'unix', path });
    await listener.close();
    writeFileSync(path, 'precious');
    await expect(host.sockets.listen({ family: 'unix', path })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  it('backlog, IPv6 only, and an address of another machine', async () => {
    const six = await host.sockets.listen({ family: 'ipv6', host: '::1', port: 0 }, { v6Only: true, backlog: 1 });
    expect(six.address).toMatchObject({ family: 'ipv6', host: '::1' });
    await six.close();
    await expect(host.sockets.listen({ ...LOOPBACK, host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'EADDRNOTAVAIL',
      message: 'Cannot assign requested address',
    });
    await expect(host.sockets.listen({ ...LOOPBACK, port: 70_000 })).rejects.toMatchObject({ code: 'EINVAL' });
  });

  it.runIf(process.platform === 'linux')('abstract names padded to their full size work on every Node', async () => {
    const name = `\0ny-${process.pid}`;
    const at: SocketAddress = { family: 'unix', path: name.padEnd(108, '\0') };
    const listener = await host.sockets.listen(at);
    expect(readFileSync('/proc/net/unix', 'latin1')).toContain(`@ny-${process.pid}@@`);
    const accepted: StreamSocket[] = [];
    listener.onConnection = (socket) => accepted.push(socket);
    const client = host.sockets.connect(at);
    await until(() => accepted.length === 1);
    client.close();
    await listener.close();
    // The exact name: served, or refused with the way out.
    const exact = await host.sockets.listen({ family: 'unix', path: name }).catch((error: unknown) => error);
    if (exact instanceof Error) expect(exact.message).toContain('use tight=off');
    else {
      expect(readFileSync('/proc/net/unix', 'latin1')).toMatch(new RegExp(`@ny-${process.pid}\\n`));
      await (exact as Awaited<ReturnType<NodeHost['sockets']['listen']>>).close();
    }
  });
});

describe('datagrams', () => {
  const open = (options: Partial<Parameters<NodeHost['sockets']['datagram']>[0]> = {}): Promise<DatagramSocket> =>
    host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK, ...options });

  function send(socket: DatagramSocket, to: SocketAddress | undefined, ...datagrams: Uint8Array[]): number {
    const batch = createDatagramBatch(Math.max(1, datagrams.length), 1 << 20);
    let used = 0;
    for (const [i, bytes] of datagrams.entries()) {
      batch.bytes.set(bytes, used);
      batch.offset[i] = used;
      batch.length[i] = bytes.length;
      batch.peer[i] = to;
      used += bytes.length;
    }
    batch.count = datagrams.length;
    const sent = socket.sendBatch(batch);
    batch.bytes.fill(0xee);
    return sent;
  }

  function receive(socket: DatagramSocket): Uint8Array[] {
    const batch = createDatagramBatch(16, 1 << 17);
    const found: Uint8Array[] = [];
    while (socket.receiveBatch(batch) > 0) {
      for (let i = 0; i < batch.count; i++) {
        const o = batch.offset[i] as number;
        found.push(batch.bytes.slice(o, o + (batch.length[i] as number)));
      }
    }
    return found;
  }

  it('is silent without interest, level-triggered with it', async () => {
    const [a, b] = [await open(), await open()];
    let events = 0;
    b.onEvent = (event) => {
      if (event === 'readable') events++;
    };
    expect(send(a, b.localAddress, new Uint8Array(10).fill(1), new Uint8Array(20).fill(2))).toBe(2);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(events).toBe(0);
    b.interest(true, false);
    await until(() => events >= 3);
    expect(receive(b)).toEqual([new Uint8Array(10).fill(1), new Uint8Array(20).fill(2)]);
    const before = events;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(events).toBe(before);
  });

  it('what is not pulled is capped and counted', async () => {
    const [a, b] = [await open(), await open()];
    const big = new Uint8Array(60_000);
    for (let i = 0; i < 60; i++) {
      expect(send(a, b.localAddress, big)).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => host.counters.droppedDatagrams > 0);
    const got = receive(b);
    expect(got.length).toBeLessThanOrEqual(Math.floor((2 << 20) / 60_000));
    expect(got.length).toBeGreaterThan(10);
  });

  it('one longer than the arena is dropped and counted, the next arrives', async () => {
    const [a, b] = [await open(), await open()];
    send(a, b.localAddress, new Uint8Array(5000), new Uint8Array(50));
    const batch = createDatagramBatch(4, 1000);
    await until(() => b.receiveBatch(batch) > 0);
    expect([batch.count, batch.length[0]]).toEqual([1, 50]);
    expect(host.counters.droppedDatagrams).toBe(1);
  });

  it('errors of sending are told and counted, and do not stop it', async () => {
    const [a, b] = [await open(), await open()];
    const codes: (string | undefined)[] = [];
    a.onEvent = (event) => {
      if (event === 'error') codes.push(a.takeError()?.code);
    };
    expect(send(a, b.localAddress, new Uint8Array(65_508), new Uint8Array(7))).toBe(2);
    await until(() => codes.length === 1);
    expect(codes).toEqual(['EMSGSIZE']);
    expect(a.takeError()).toBe(undefined);
    expect(host.counters.sendErrors).toBe(1);
    await until(() => receive(b).length === 1);
  });

  it('a peer that the kernel refuses leaves the socket as it was', async () => {
    const [a, b] = [await open({ bind: { ...LOOPBACK, host: '0.0.0.0' } }), await open()];
    const errors: (string | undefined)[] = [];
    a.onEvent = (event) => {
      if (event === 'error') errors.push(a.takeError()?.code);
    };
    // Broadcast without SO_BROADCAST: the kernel refuses at once.
    a.connect({ family: 'ipv4', host: '255.255.255.255', port: 9 });
    await until(() => errors.length === 1);
    expect(send(a, b.localAddress, Uint8Array.of(7))).toBe(1);
    let found: Uint8Array[] = [];
    await until(() => {
      found = [...found, ...receive(b)];
      return found.length === 1;
    });
    expect(errors).toEqual(['EACCES']);
    await Promise.all([a.close(), b.close()]);
  });

  it('multicast over loopback: bound to the group, shared, heard by all members', async () => {
    const bind: InetAddress = { family: 'ipv4', host: '230.7.7.7', port: 0 };
    const multicast = { group: bind.host, interfaceAddress: '127.0.0.1', loopback: true };
    const a = await open({ bind, multicast });
    const group = a.localAddress as InetAddress;
    expect(group.host).toBe('230.7.7.7');
    const b = await open({ bind: group, multicast, reuseAddress: true });
    send(a, group, new Uint8Array([1, 2, 3]));
    const got: Uint8Array[] = [];
    await until(() => got.push(...receive(a)) > 0 && receive(b).length > 0);
    expect(got).toEqual([new Uint8Array([1, 2, 3])]);
    await expect(open({ bind, multicast: { ...multicast, interfaceAddress: '192.0.2.9' } })).rejects.toMatchObject({
      code: 'ENODEV',
      message: 'No such device',
    });
  });

  it('ttl is kept by the datagram', async () => {
    const [a, b] = [await open(), await open()];
    const batch = createDatagramBatch(2, 100);
    batch.count = 2;
    batch.length.fill(4);
    batch.peer.fill(b.localAddress);
    batch.ttl[0] = 3;
    expect(a.sendBatch(batch)).toBe(2);
    const got: Uint8Array[] = [];
    await until(() => {
      got.push(...receive(b));
      return got.length === 2;
    });
  });

  it('a unix datagram socket is refused, naming what is missing', async () => {
    await expect(open({ bind: { family: 'unix', path: join(directory, 'd') } })).rejects.toMatchObject({
      code: 'ENOTSUP',
      message: 'unix datagram sockets need the native layer: see `netyard doctor`',
    });
  });
});

it('a closed host lets Node go and frees every name', async () => {
  const path = join(directory, 's');
  const other = createNodeHost({ native: false });
  const listener = await other.sockets.listen({ family: 'unix', path });
  const socket = other.sockets.connect({ family: 'unix', path });
  const datagram = await other.sockets.datagram({ family: 'ipv4' });
  const timer = other.timers.create(() => expect.unreachable('fired'));
  timer.set(other.clock.now() + 1);
  expect(other.openSockets).toBe(3);
  await other.close();
  expect(other.openSockets).toBe(0);
  expect(existsSync(path)).toBe(false);
  await new Promise((resolve) => setTimeout(resolve, 5));
  socket.close();
  await Promise.all([listener.close(), datagram.close()]);
});

it('what is being opened while the host closes is not left behind', async () => {
  const other = createNodeHost({ native: false });
  const path = join(directory, 's');
  const opening = Promise.allSettled([
    other.sockets.listen({ family: 'unix', path }),
    other.sockets.datagram({ family: 'ipv4' }),
  ]);
  await other.close();
  for (const result of await opening) expect(result.status).toBe('rejected');
  expect(existsSync(path)).toBe(false);
  expect(other.openSockets).toBe(0);
});
