/**
 * What a stream took and the kernel has not yet. Bytes given to write are borrowed, and Node keeps a reference to what it
 * could not send at once, so they are copied into chunks of ours; that copy also gathers all the small writes of a batch
 * into one system call. Chunks come from a pool per host, last freed first used; an idle stream holds none.
 */
import type { Socket } from 'node:net';
import { type Chunk, type ChunkPool, LARGE_BYTES, SMALL_BYTES } from './chunk-pool.ts';

/** One stream takes at most this part of what the pool has left: those that nobody reads from leave room for the others. */
const SHARE_SHIFT = 6;
/** What a stream may queue even if the pool is used up, bytes. */
const RESERVED_BYTES = SMALL_BYTES;
/** Below this a loop beats making a view. */
const COPY_BY_HAND = 24;

/** The chunks of one stream. */
export class WriteQueue {
  readonly #pool: ChunkPool;
  readonly #capBytes: number;
  #gathered: Chunk[] = [];
  #inFlight: Chunk[] = [];
  #gatheredBytes = 0;
  #inFlightBytes = 0;

  constructor(pool: ChunkPool, capBytes: number) {
    this.#pool = pool;
    this.#capBytes = capBytes;
  }

  get queued(): number {
    return this.#gatheredBytes + this.#inFlightBytes;
  }

  get room(): number {
    return Math.max(0, this.#limit - this.queued);
  }

  /** At least half empty: worth waking who waits. */
  get isLow(): boolean {
    return this.queued * 2 <= this.#limit;
  }

  get #limit(): number {
    return Math.min(this.#capBytes, Math.max(RESERVED_BYTES, this.#pool.room >> SHARE_SHIFT));
  }

  /** Copies up to room bytes. Returns the count. */
  append(bytes: Uint8Array, offset: number, length: number): number {
    const taken = Math.min(length, this.room);
    let at = offset;
    for (let left = taken; left > 0; ) {
      const chunk = this.#tail(left);
      const count = Math.min(left, chunk.buffer.length - chunk.used);
      copy(bytes, at, chunk.buffer, chunk.used, count);
      chunk.used += count;
      at += count;
      left -= count;
    }
    this.#gatheredBytes += taken;
    this.#pool.queued += taken;
    return taken;
  }

  /** Hands what was gathered to the socket, unless the kernel is still busy with what it has. */
  flush(socket: Socket, onTaken: () => void): void {
    this.settle(socket);
    const chunks = this.#gathered;
    if (chunks.length === 0 || this.#inFlight.length > 0) return;
    this.#gathered = this.#inFlight;
    this.#inFlight = chunks;
    this.#inFlightBytes = this.#gatheredBytes;
    this.#gatheredBytes = 0;
    const last = chunks.length - 1;
    if (last > 0) socket.cork();
    for (let i = 0; i < last; i++) {
      const chunk = chunks[i] as Chunk;
      socket.write(chunk.buffer.subarray(0, chunk.used));
    }
    const chunk = chunks[last] as Chunk;
    socket.write(chunk.used === chunk.buffer.length ? chunk.buffer : chunk.buffer.subarray(0, chunk.used), onTaken);
    if (last > 0) socket.uncork();
    this.settle(socket);
  }

  /** Hands over everything, also behind what the kernel is busy with: the stream is about to end. */
  flushAll(socket: Socket, onTaken: () => void): void {
    this.flush(socket, onTaken);
    if (this.#gathered.length === 0) return;
    for (const chunk of this.#gathered) {
      this.#inFlight.push(chunk);
      socket.write(chunk.buffer.subarray(0, chunk.used), onTaken);
    }
    this.#gathered = [];
    this.#inFlightBytes += this.#gatheredBytes;
    this.#gatheredBytes = 0;
  }

  /** Frees the chunks in flight once Node holds no more references to them: writableLength says so synchronously. */
  settle(socket: Socket): void {
    if (this.#inFlight.length === 0 || socket.writableLength > 0) return;
    this.#release(this.#inFlight);
    this.#pool.queued -= this.#inFlightBytes;
    this.#inFlightBytes = 0;
  }

  /** The socket is gone. */
  clear(): void {
    this.#release(this.#inFlight);
    this.#release(this.#gathered);
    this.#pool.queued -= this.queued;
    this.#gatheredBytes = 0;
    this.#inFlightBytes = 0;
  }

  #release(chunks: Chunk[]): void {
    for (const chunk of chunks) this.#pool.give(chunk);
    chunks.length = 0;
  }

  #tail(wanted: number): Chunk {
    const last = this.#gathered[this.#gathered.length - 1];
    if (last !== undefined && last.used < last.buffer.length) {
      const fits = last.buffer.length - last.used >= wanted || last.buffer.length === LARGE_BYTES;
      if (fits || this.#gathered.length > 1) return last;
      // A batch that outgrows its small chunk moves on to a large one: one write instead of two.
      const large = this.#pool.take(LARGE_BYTES);
      large.buffer.set(last.buffer.subarray(0, last.used));
      large.used = last.used;
      this.#gathered[0] = large;
      this.#pool.give(last);
      return large;
    }
    const chunk = this.#pool.take(last !== undefined || wanted > SMALL_BYTES ? LARGE_BYTES : SMALL_BYTES);
    this.#gathered.push(chunk);
    return chunk;
  }
}

function copy(from: Uint8Array, fromOffset: number, to: Buffer, toOffset: number, count: number): void {
  if (count > COPY_BY_HAND) {
    to.set(count === from.length ? from : from.subarray(fromOffset, fromOffset + count), toOffset);
    return;
  }
  for (let i = 0; i < count; i++) to[toOffset + i] = from[fromOffset + i] as number;
}
