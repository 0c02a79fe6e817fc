import { mkdtempSync, rmSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SOCKET_FAILED, type StreamEvent, type StreamSocket, WOULD_BLOCK } from '../net/host.ts';
import { createNodeHost, type NodeHost } from './host.ts';

let host: NodeHost;
let directory: string;

beforeEach(() => {
  host = createNodeHost({ native: false });
  directory = mkdtempSync(join(tmpdir(), 'ny-node-'));
});

afterEach(async () => {
  await host.close();
  expect(host.openSockets).toBe(0);
  expect(host.counters.callbackErrors).toBe(0);
  rmSync(directory, { recursive: true });
});

const event = (socket: StreamSocket, wanted: StreamEvent): Promise<void> =>
  new Promise((resolve) => {
    const before = socket.onEvent;
    socket.onEvent = (got) => {
      before(got);
      if (got === wanted) resolve();
    };
  });

async function pair(family: 'unix' | 'ipv4'): Promise<[StreamSocket, StreamSocket]> {
  const at = family === 'unix' ? { family, path: join(directory, 's') } : { family, host: '127.0.0.1', port: 0 };
  const listener = await host.sockets.listen(at);
  const accepted = new Promise<StreamSocket>((resolve) => {
    listener.onConnection = resolve;
  });
  const client = host.sockets.connect(listener.address);
  await event(client, 'connected');
  const server = await accepted;
  await listener.close();
  return [client, server];
}

/** Reads everything, `step` bytes a call, until the end; every byte is checked against the pattern. */
function drain(socket: StreamSocket, step: number): Promise<{ bytes: number; wrong: number }> {
  const buffer = new Uint8Array(step);
  let bytes = 0;
  let wrong = 0;
  return new Promise((resolve, reject) => {
    socket.onEvent = (got) => {
      if (got === 'error') reject(socket.error);
      if (got !== 'readable') return;
      const count = socket.readInto(buffer, 0, step);
      if (count === 0) resolve({ bytes, wrong });
      for (let i = 0; i < count; i++) if (buffer[i] !== pattern(bytes + i)) wrong++;
      if (count > 0) bytes += count;
    };
    socket.interest(true, false);
  });
}

const pattern = (position: number): number => (position * 31 + (position >>> 8) * 7) & 255;

/** Writes `total` bytes of the pattern from one buffer that is overwritten after each call, then shuts down. */
function pump(socket: StreamSocket, total: number, step: number): Promise<void> {
  const buffer = new Uint8Array(step);
  let sent = 0;
  return new Promise((resolve) => {
    const go = (): void => {
      while (sent < total) {
        const wanted = Math.min(step, total - sent);
        for (let i = 0; i < wanted; i++) buffer[i] = pattern(sent + i);
        const taken = socket.write(buffer, 0, wanted);
        buffer.fill(0xee);
        if (taken === WOULD_BLOCK) return;
        sent += taken;
      }
      socket.interest(false, false);
      socket.shutdown();
      resolve();
    };
    socket.onEvent = (got) => {
      if (got === 'writable') go();
    };
    socket.interest(false, true);
    go();
  });
}

describe.each(['unix', 'ipv4'] as const)('stream over %s', (family) => {
  it.each([
    [1000, 7_000_000, 300_000],
    [65_536, 7_000_000, 1000],
    [300_000, 9_000_000, 65_536],
  ])('carries bytes written %i at a time intact though the buffer is overwritten', async (step, total, readStep) => {
    const [client, server] = await pair(family);
    const received = drain(server, readStep);
    await pump(client, total, step);
    expect(await received).toEqual({ bytes: total, wrong: 0 });
  });

  it('sends the other way too', async () => {
    const [client, server] = await pair(family);
    const received = drain(client, 65_536);
    await pump(server, 3_000_000, 4096);
    expect(await received).toEqual({ bytes: 3_000_000, wrong: 0 });
  });

  it('stops taking bytes while the peer does not read, and sends what it took after close', async () => {
    const [client, server] = await pair(family);
    const chunk = new Uint8Array(100_000);
    let taken = 0;
    for (let stuck = 0; stuck < 20; ) {
      const count = client.write(chunk, 0, chunk.length);
      if (count > 0) {
        taken += count;
        stuck = 0;
      } else {
        expect(count).toBe(WOULD_BLOCK);
        expect(client.room()).toBe(0);
        stuck++;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.close();
    let read = 0;
    await new Promise<void>((resolve) => {
      server.onEvent = () => {
        const count = server.readInto(chunk, 0, chunk.length);
        if (count === 0) resolve();
        else if (count > 0) read += count;
      };
      server.interest(true, false);
    });
    expect(read).toBe(taken);
    expect(taken).toBeGreaterThan(1_000_000);
  });

  it('half-closes: the other direction stays open', async () => {
    const [client, server] = await pair(family);
    const request = drain(server, 10);
    await pump(client, 25, 5);
    expect(await request).toEqual({ bytes: 25, wrong: 0 });
    const reply = drain(client, 100);
    await pump(server, 1000, 100);
    expect(await reply).toEqual({ bytes: 1000, wrong: 0 });
  });

  it('is silent without interest, level-triggered with it', async () => {
    const [client, server] = await pair(family);
    let events = 0;
    server.onEvent = (got) => {
      if (got === 'readable') events++;
    };
    client.write(new Uint8Array([1, 2, 3, 4]), 0, 4);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(events).toBe(0);
    expect(server.readInto(new Uint8Array(4), 0, 4)).toBe(WOULD_BLOCK);
    server.interest(true, false);
    while (events < 5) await new Promise((resolve) => setImmediate(resolve));
    expect(server.readInto(new Uint8Array(4), 0, 3)).toBe(3);
    const before = events;
    while (events < before + 3) await new Promise((resolve) => setImmediate(resolve));
    expect(server.readInto(new Uint8Array(4), 0, 3)).toBe(1);
    expect(server.readInto(new Uint8Array(4), 0, 3)).toBe(WOULD_BLOCK);
    server.interest(false, false);
  });

  it('tells the addresses', async () => {
    const [client, server] = await pair(family);
    if (family === 'unix') {
      expect(server.localAddress).toEqual({ family: 'unix', path: join(directory, 's') });
      expect(client.remoteAddress).toEqual({ family: 'unix', path: join(directory, 's') });
    } else {
      expect(client.localAddress).toEqual(server.remoteAddress);
      expect(client.remoteAddress).toEqual(server.localAddress);
    }
  });

  it('tells closed once both sides have ended', async () => {
    const [client, server] = await pair(family);
    const events: StreamEvent[] = [];
    server.onEvent = (got) => {
      events.push(got);
      server.readInto(new Uint8Array(1), 0, 1);
    };
    server.interest(true, false);
    const closed = event(server, 'closed');
    client.shutdown();
    server.shutdown();
    await closed;
    expect(events).toEqual(['readable', 'closed']);
    client.close();
  });
});

describe('failures', () => {
  it('refused: error with the C library text, no connected', async () => {
    const listener = await host.sockets.listen({ family: 'ipv4', host: '127.0.0.1', port: 0 });
    const { address } = listener;
    await listener.close();
    const socket = host.sockets.connect(address);
    expect(socket.write(new Uint8Array(1), 0, 1)).toBe(WOULD_BLOCK);
    expect(socket.room()).toBe(0);
    const events: StreamEvent[] = [];
    socket.onEvent = (got) => events.push(got);
    await event(socket, 'error');
    expect(socket.error?.code).toBe('ECONNREFUSED');
    expect(socket.error?.message).toBe('Connection refused');
    expect(socket.readInto(new Uint8Array(1), 0, 1)).toBe(SOCKET_FAILED);
    expect(socket.write(new Uint8Array(1), 0, 1)).toBe(SOCKET_FAILED);
    socket.close();
    expect(events).toEqual(['error']);
  });

  it('a unix path that nobody made', async () => {
    const socket = host.sockets.connect({ family: 'unix', path: join(directory, 'none') });
    await event(socket, 'error');
    expect(socket.error?.message).toBe('No such file or directory');
    socket.close();
  });

  it('reset puts RST on the wire', async () => {
    const [client, server] = await pair('ipv4');
    server.interest(true, false);
    const failed = event(server, 'error');
    client.reset();
    await failed;
    expect(server.error?.code).toBe('ECONNRESET');
  });

  it('close while connecting: no event, nothing open', async () => {
    const socket = host.sockets.connect({ family: 'ipv4', host: '127.0.0.1', port: 9 });
    socket.onEvent = () => expect.unreachable('an event after close');
    socket.close();
    socket.reset();
    while (host.openSockets > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it.each([
    [`/${'x'.repeat(107)}`, 'is too long'],
    ['', 'is empty'],
    ['/a\0b', 'contains a NUL byte'],
  ])('unix path %j is refused with the reason', async (path, reason) => {
    const socket = host.sockets.connect({ family: 'unix', path });
    await event(socket, 'error');
    expect(socket.error?.message).toContain(reason);
    socket.close();
    await expect(host.sockets.listen({ family: 'unix', path })).rejects.toThrow(reason);
  });

  it('a path of 107 bytes works', async () => {
    const path = `${directory}/`.padEnd(107, 'x');
    const listener = await host.sockets.listen({ family: 'unix', path });
    const client = net.connect({ path });
    await new Promise((resolve) => client.once('connect', resolve));
    client.destroy();
    await listener.close();
  });
});

describe('accepted sockets whose handle is not as expected', () => {
  it('are served by data events, with the same behaviour', async () => {
    const path = join(directory, 's');
    const listener = await host.sockets.listen({ family: 'unix', path });
    const first = net.connect({ path });
    await new Promise((resolve) => first.once('connect', resolve));
    // All pipes of the process share this prototype: put back as soon as the next one was accepted.
    const pipe = Object.getPrototypeOf((first as unknown as { _handle: object })._handle) as object;
    const stream = Object.getPrototypeOf(pipe) as { useUserBuffer: unknown };
    const original = Object.getOwnPropertyDescriptor(stream, 'useUserBuffer') as PropertyDescriptor;
    Object.defineProperty(stream, 'useUserBuffer', { ...original, value: undefined });
    const client = net.connect({ path });
    const server = await new Promise<StreamSocket>((resolve) => {
      let count = 0;
      listener.onConnection = (socket) => {
        if (++count === 2) resolve(socket);
      };
    }).finally(() => Object.defineProperty(stream, 'useUserBuffer', original));
    expect(server.readInto(new Uint8Array(1), 0, 1)).toBe(WOULD_BLOCK);
    const total = 3_000_000;
    const bytes = Buffer.alloc(total);
    for (let i = 0; i < total; i++) bytes[i] = pattern(i);
    client.end(bytes);
    expect(await drain(server, 50_000)).toEqual({ bytes: total, wrong: 0 });
    client.resume();
    first.destroy();
    server.close();
    await listener.close();
  });
});
