/**
 * The memory of the user stack: chunks in which bytes from host sockets stay until the guest acknowledges them, headers
 * being written in front of them. One pool per user network, capped. Last freed, first used: the warm chunk goes out again. Memory
 * kept elsewhere (out-of-order data) is reserved here, so that one cap bounds both, and each ingress has its share of it.
 *
 * Large chunks are for sockets that have more than a usual one takes: every read of a socket sends its peer an ACK, and in
 * one read of 512 KiB instead of eight the byte costs a third less of the processor. Small ones are for what a read brought
 * that was short: many flows with a few bytes each must not hold 64 KiB each.
 */
import { Shares } from '../net/index.ts';

export const CHUNK_BYTES = 65_536;
export const LARGE_CHUNK_BYTES = 524_288;
/** Smallest first. */
export const SMALL_CHUNKS = [1024, 4096, 16_384] as const;
/** Room in front of the payload: Ethernet with two tags, IPv6, a TCP header of any length. */
export const CHUNK_HEADROOM = 128;
/** Unless said otherwise: 1024 chunks. */
export const POOL_BYTES = 64 * 1024 * 1024;
/** Free chunks of each size kept for the next burst; more are left to the collector. */
const KEPT_BYTES = 4 * 1024 * 1024;
const SIZES = [...SMALL_CHUNKS, CHUNK_BYTES, LARGE_CHUNK_BYTES];

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

/** Whoever takes of the pool: the port its guest came in by says of which share. */
export interface PoolUser {
  readonly ingress: number;
}

export class ChunkPool {
  readonly #shares: Shares;
  readonly #free: readonly Chunk[][] = SIZES.map(() => []);
  #peakBytes = 0;
  #refused = 0;
  readonly #waiting = new Set<PoolWaiter>();

  constructor(limitBytes = POOL_BYTES) {
    this.#shares = new Shares(limitBytes);
  }

  get limitBytes(): number {
    return this.#shares.cap;
  }

  get usedBytes(): number {
    return this.#shares.used;
  }

  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Requests that found the pool, or the share, exhausted. */
  get refused(): number {
    return this.#refused;
  }

  get freeBytes(): number {
    return this.#shares.free;
  }

  heldBy(ingress: number): number {
    return this.#shares.heldBy(ingress);
  }

  /** Who holds nothing yet may have one chunk of usual size, should the pool be ever so small. */
  allows(ingress: number, bytes: number): boolean {
    const shares = this.#shares;
    if (shares.allows(ingress, bytes)) return true;
    return bytes <= CHUNK_BYTES && bytes <= shares.free && shares.heldBy(ingress) === 0;
  }

  /** Who holds much already leaves as much to others. @param bytes wanted, of which a chunk is not counted */
  leavesRoom(held: number, bytes: number): boolean {
    return held === 0 || held + bytes - CHUNK_BYTES <= this.freeBytes;
  }

  /** An empty chunk of one of the sizes, or undefined when there is none left for this ingress. */
  take(size: number, ingress: number): Chunk | undefined {
    if (!this.reserve(size, ingress)) return undefined;
    const chunk = this.#freeOf(size).pop() ?? new Chunk(size);
    chunk.start = CHUNK_HEADROOM;
    chunk.end = CHUNK_HEADROOM;
    chunk.next = undefined;
    return chunk;
  }

  /** @param ingress who took it, or whom it was moved to. */
  give(chunk: Chunk, ingress: number): void {
    chunk.next = undefined;
    const { size } = chunk;
    const free = this.#freeOf(size);
    if (free.length * size < KEPT_BYTES) free.push(chunk);
    this.release(size, ingress);
  }

  #freeOf(size: number): Chunk[] {
    return this.#free[SIZES.indexOf(size)]!;
  }

  /** Accounts for memory kept outside of chunks. */
  reserve(bytes: number, ingress: number): boolean {
    if (!this.allows(ingress, bytes)) {
      this.#refused++;
      return false;
    }
    this.#shares.take(ingress, bytes);
    if (this.usedBytes > this.#peakBytes) this.#peakBytes = this.usedBytes;
    return true;
  }

  release(bytes: number, ingress: number): void {
    this.#shares.give(ingress, bytes);
    if (this.#waiting.size === 0 || this.freeBytes < CHUNK_BYTES) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const waiter of waiting) waiter.relieve();
  }

  /** What a guest holds comes in by another port now, or by none. */
  move(bytes: number, from: number, to: number): void {
    if (bytes === 0 || from === to) return;
    this.#shares.give(from, bytes);
    this.#shares.take(to, bytes);
  }

  /** `waiter` is called once, when bytes have become free. */
  wait(waiter: PoolWaiter): void {
    this.#waiting.add(waiter);
  }
}
