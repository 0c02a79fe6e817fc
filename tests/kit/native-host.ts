/** A host on the addon for one test file, and what its tests look at. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatagramBatch, InetAddress, SocketAddress, StreamEvent, StreamSocket } from '../../src/net/host.ts';
import { createNodeHost, type NodeHost, type NodeHostOptions } from '../../src/node/host.ts';
import type { NativeBinding } from '../../src/node/native/binding.ts';
import { loadNative } from '../../src/node/native/load.ts';
import { until } from './until.ts';

export const LOOPBACK: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 0 };

export class NativeBench {
  readonly host: NodeHost;
  readonly directory = mkdtempSync(join(tmpdir(), 'ny-native-'));

  constructor(options: NodeHostOptions = {}) {
    this.host = createNodeHost({ ...options, native: true });
  }

  async close(): Promise<void> {
    await this.host.close();
    rmSync(this.directory, { recursive: true });
  }

  path(name: string): SocketAddress & { path: string } {
    return { family: 'unix', path: join(this.directory, name) };
  }

  /** Both ends of a connection. */
  async pair(at: SocketAddress = LOOPBACK): Promise<[StreamSocket, StreamSocket]> {
    const listener = await this.host.sockets.listen(at);
    let server: StreamSocket | undefined;
    listener.onConnection = (socket) => {
      server = socket;
    };
    const client = this.host.sockets.connect(listener.address);
    await until(() => server !== undefined && client.localAddress !== undefined);
    await listener.close();
    return [client, server as unknown as StreamSocket];
  }
}

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Resolves with the next such event; what else the owner does with events is gone. */
export async function event(socket: StreamSocket, wanted: StreamEvent): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  socket.onEvent = (got) => events.push(got);
  await until(() => events.includes(wanted));
  return events;
}

/** Everything up to the end of the stream, or up to `most` bytes; an error ends it as well. */
export async function readAll(socket: StreamSocket, most = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const buffer = new Uint8Array(65_536);
  let size = 0;
  let done = false;
  socket.onEvent = (got) => {
    if (got === 'error') done = true;
    for (;;) {
      const count = done ? 0 : socket.readInto(buffer, 0, Math.min(buffer.length, most - size));
      if (count === 0 || count === -2) done = true;
      if (count <= 0) return;
      pieces.push(buffer.slice(0, count));
      size += count;
      if (size >= most) done = true;
    }
  };
  socket.interest(true, false);
  await until(() => done);
  socket.interest(false, false);
  return Buffer.concat(pieces);
}

export const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

/** For what a test does behind the host's back. */
export function addon(): NativeBinding {
  const loaded = loadNative();
  if (!('binding' in loaded)) throw new RangeError(loaded.reason);
  return loaded.binding;
}

/** Two descriptors of socketpair(2), AF_UNIX. */
export function socketPair(type: number): [number, number] {
  const out = new Uint8Array(8);
  const result = addon().calls.socketpair(1, type | 0o2000000, 0, out, 0, 8);
  if (result < 0) throw new RangeError(`socketpair: ${result}`);
  const numbers = new Int32Array(out.buffer);
  return [numbers[0] as number, numbers[1] as number];
}

export function createBatch(capacity: number, bytes = 262_144): DatagramBatch {
  return {
    bytes: new Uint8Array(bytes),
    count: 0,
    offset: new Int32Array(capacity),
    length: new Int32Array(capacity),
    peer: [],
    ttl: new Uint8Array(capacity),
    tos: new Uint8Array(capacity),
  };
}

/** A batch of these datagrams to one peer. */
export function batchOf(to: SocketAddress | undefined, ...datagrams: Uint8Array[]): DatagramBatch {
  const batch = createBatch(
    datagrams.length,
    datagrams.reduce((sum, { length }) => sum + length, 1),
  );
  let used = 0;
  for (const [i, bytes] of datagrams.entries()) {
    batch.bytes.set(bytes, used);
    batch.offset[i] = used;
    batch.length[i] = bytes.length;
    batch.peer[i] = to;
    used += bytes.length;
  }
  batch.count = datagrams.length;
  return batch;
}

/** Copies of a received batch. */
export function contents(batch: DatagramBatch): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let i = 0; i < batch.count; i++) {
    const at = batch.offset[i] as number;
    all.push(batch.bytes.slice(at, at + (batch.length[i] as number)));
  }
  return all;
}

/** Bytes that differ by position. */
export function numbered(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 255;
  return bytes;
}
