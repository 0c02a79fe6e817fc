/**
 * The memory of the user stack: chunks in which bytes from host sockets stay until the guest acknowledges them, headers
 * being written in front of them. One pool per yard, capped. Last freed, first used: the warm chunk goes out again. Memory
 * kept elsewhere (out-of-order data) is reserved here, so that one cap bounds both.
 *
 * Large chunks are for sockets that have more than a small one takes: every read of a socket sends its peer an ACK, and in
 * one read of 512 KiB instead of eight the byte costs a third less of the processor.
 */

export const CHUNK_BYTES = 65_536;
export const LARGE_CHUNK_BYTES = 524_288;
/** Room in front of the payload: Ethernet with two tags, IPv6, a TCP header of any length. */
export const CHUNK_HEADROOM = 128;
/** Unless said otherwise: 1024 chunks. */
export const POOL_BYTES = 64 * 1024 * 1024;
/** Free chunks of either size kept for the next burst; more are left to the collector. */
const KEPT_BYTES = 4 * 1024 * 1024;

/** A run of sent or unsent bytes of one flow: bytes[start..end), the first of which has sequence number `seq`. */
export class Chunk {
  readonly bytes: Uint8Array;
  start = CHUNK_HEADROOM;
  end = CHUNK_HEADROOM;
  seq = 0;
  next: Chunk | undefined;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  get size(): number {
    return this.bytes.length;
  }
}

/** Someone whom the pool had to refuse. */
export interface PoolWaiter {
  relieve(): void;
}

/** Whoever has a share of the pool. */
export interface PoolUser {
  /** Bytes, of chunks and reserved ones. */
  held: number;
}

export class ChunkPool {
  readonly limitBytes: number;
  readonly #small: Chunk[] = [];
  readonly #large: Chunk[] = [];
  #usedBytes = 0;
  #peakBytes = 0;
  #refused = 0;
  readonly #waiting = new Set<PoolWaiter>();

  constructor(limitBytes = POOL_BYTES) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Requests that found the pool exhausted. */
  get refused(): number {
    return this.#refused;
  }

  get freeBytes(): number {
    return this.limitBytes - this.#usedBytes;
  }

  /** An empty chunk of one of the two sizes, or undefined when the pool is exhausted. */
  take(size: number): Chunk | undefined {
    if (!this.reserve(size)) return undefined;
    const chunk = this.#freeOf(size).pop() ?? new Chunk(size);
    chunk.start = CHUNK_HEADROOM;
    chunk.end = CHUNK_HEADROOM;
    chunk.next = undefined;
    return chunk;
  }

  give(chunk: Chunk): void {
    chunk.next = undefined;
    const { size } = chunk;
    const free = this.#freeOf(size);
    if (free.length * size < KEPT_BYTES) free.push(chunk);
    this.release(size);
  }

  #freeOf(size: number): Chunk[] {
    return size === CHUNK_BYTES ? this.#small : this.#large;
  }

  /** Accounts for memory kept outside of chunks. */
  reserve(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.limitBytes) {
      this.#refused++;
      return false;
    }
    this.#usedBytes += bytes;
    if (this.#usedBytes > this.#peakBytes) this.#peakBytes = this.#usedBytes;
    return true;
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
    if (this.#waiting.size === 0 || this.freeBytes < CHUNK_BYTES) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const waiter of waiting) waiter.relieve();
  }

  /** `waiter` is called once, when bytes have become free. */
  wait(waiter: PoolWaiter): void {
    this.#waiting.add(waiter);
  }
}
