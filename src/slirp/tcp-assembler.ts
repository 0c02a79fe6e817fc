/**
 * What a guest sent out of order, or what its host socket had no room for: pieces by sequence number, until the gap in
 * front is filled. Pieces are disjoint and sorted; a piece that touches its successor stays apart (the bytes need not
 * move), but both are one block of a SACK option.
 *
 * Limits: pieces and bytes; bytes are reserved from the pool, within the share of the guest's port. What does not fit is not
 * stored, which TCP allows: the guest sends it again (RFC 2018 §8).
 */
import { type StreamSocket, WOULD_BLOCK } from '../net/host.ts';
import { MAX_SACK_BLOCKS, seqDiff, seqGe, seqGt, seqLe, seqLt, seqMax, seqMin } from '../wire/index.ts';

import type { ChunkPool, PoolUser } from './chunk-pool.ts';
import { PIECES_OF_FREE } from './tcp-limits.ts';

/** Enough for a 4 MiB window with every other segment of a burst lost at MTU 65520, and cheap to walk. */
export const MAX_PIECES = 256;
/** Per flow, allocated bytes. */
export const MAX_PIECE_BYTES = 4 * 1024 * 1024;
const SMALLEST_PIECE = 2048;
const LARGEST_PIECE = 65536;

type Writable = Pick<StreamSocket, 'write'>;

class Piece {
  start: number;
  end: number;
  bytes: Uint8Array;
  /** Where `start` is in bytes. */
  offset = 0;

  constructor(start: number, bytes: Uint8Array) {
    this.start = start;
    this.end = start;
    this.bytes = bytes;
  }
}

export class Assembler {
  readonly #pool: ChunkPool;
  readonly #user: PoolUser;
  readonly #pieces: Piece[] = [];
  /** Made with the first piece: most flows never hold one. */
  #recent: Uint32Array | undefined;
  #recentCount = 0;
  #reserved = 0;
  /** Bytes that were refused for want of room. */
  refusedBytes = 0;

  constructor(pool: ChunkPool, user: PoolUser) {
    this.#pool = pool;
    this.#user = user;
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  get pieces(): number {
    return this.#pieces.length;
  }

  /** Whether the byte at `seq` is held, as the first one. */
  begins(seq: number): boolean {
    const first = this.#pieces[0];
    return first !== undefined && seqLe(first.start, seq) && seqGt(first.end, seq);
  }

  /** Bytes of the pool. */
  get reservedBytes(): number {
    return this.#reserved;
  }

  /** Bytes held, gaps not counted. */
  get heldBytes(): number {
    let sum = 0;
    for (const piece of this.#pieces) sum += seqDiff(piece.end, piece.start);
    return sum;
  }

  /** Stores what is new of `length` bytes that begin at `seq`. Bytes are copied. */
  insert(seq: number, bytes: Uint8Array, offset: number, length: number): void {
    const end = (seq + length) >>> 0;
    const pieces = this.#pieces;
    // The first piece that ends behind seq: newcomers mostly belong at the back.
    let index = pieces.length;
    while (index > 0 && seqGt(pieces[index - 1]!.end, seq)) index--;
    let at = seq;
    let stored = false;
    while (seqLt(at, end)) {
      const next = pieces[index];
      if (next !== undefined && seqLe(next.start, at)) {
        at = seqMax(at, next.end);
        index++;
        stored = true;
        continue;
      }
      const until = next === undefined ? end : seqMin(end, next.start);
      const added = this.#store(index, at, bytes, offset + seqDiff(at, seq), seqDiff(until, at));
      if (added < 0) break;
      stored = true;
      index += added;
      at = until;
    }
    if (stored) this.#remember(seq);
  }

  /** Drops what lies in front of `seq`. */
  trim(seq: number): void {
    const pieces = this.#pieces;
    let gone = 0;
    while (gone < pieces.length && seqLe(pieces[gone]!.end, seq)) this.#unreserve(pieces[gone++]!);
    if (gone > 0) pieces.splice(0, gone);
    const first = pieces[0];
    if (first !== undefined && seqLt(first.start, seq)) {
      first.offset += seqDiff(seq, first.start);
      first.start = seq;
    }
  }

  /** Writes the bytes at `seq` on until less is taken than offered; returns how many were taken, or SOCKET_FAILED. */
  drain(seq: number, socket: Writable): number {
    let taken = 0;
    for (;;) {
      const at = (seq + taken) >>> 0;
      this.trim(at);
      const first = this.#pieces[0];
      if (first === undefined || first.start !== at) return taken;
      const length = seqDiff(first.end, first.start);
      const n = socket.write(first.bytes, first.offset, length);
      if (n < 0) return n === WOULD_BLOCK ? taken : n;
      taken += n;
      if (n < length) {
        this.trim((seq + taken) >>> 0);
        return taken;
      }
    }
  }

  /** The blocks to report, most recent first (RFC 2018 §4). Returns their count, at most `limit`. */
  blocks(out: Uint32Array, limit: number): number {
    let count = 0;
    for (let i = 0; i < this.#recentCount && count < limit; i++) {
      const index = this.#indexOf(this.#recent![i]!);
      if (index >= 0) count = this.#addBlock(out, count, index);
    }
    for (let i = 0; i < this.#pieces.length && count < limit; i++) {
      if (i > 0 && this.#pieces[i - 1]!.end === this.#pieces[i]!.start) continue;
      count = this.#addBlock(out, count, i);
    }
    return count;
  }

  /** Everything held, as an assembler of its own; this one is empty afterwards. */
  handOver(): Assembler {
    const other = new Assembler(this.#pool, this.#user);
    other.#pieces.push(...this.#pieces);
    other.#reserved = this.#reserved;
    this.#pieces.length = 0;
    this.#reserved = 0;
    this.clear();
    return other;
  }

  /** The sequence number behind what is held without a gap from `seq` on. */
  endFrom(seq: number): number {
    let end = seq;
    for (const piece of this.#pieces) {
      if (seqGt(piece.start, end)) break;
      end = seqMax(end, piece.end);
    }
    return end;
  }

  clear(): void {
    for (const piece of this.#pieces) this.#unreserve(piece);
    this.#pieces.length = 0;
    this.#recent = undefined;
    this.#recentCount = 0;
  }

  /** @returns pieces added, or -1 when there is no room. */
  #store(index: number, seq: number, bytes: Uint8Array, offset: number, length: number): number {
    const previous = this.#pieces[index - 1];
    if (previous !== undefined && previous.end === seq) {
      const used = previous.offset + seqDiff(previous.end, previous.start);
      if (used + length <= LARGEST_PIECE && this.#ensure(previous, used + length)) {
        previous.bytes.set(bytes.subarray(offset, offset + length), used);
        previous.end = (seq + length) >>> 0;
        return 0;
      }
    }
    if (this.#pieces.length >= MAX_PIECES) {
      this.refusedBytes += length;
      return -1;
    }
    const size = Math.max(length, SMALLEST_PIECE);
    if (!this.#reserve(size)) {
      this.refusedBytes += length;
      return -1;
    }
    const piece = new Piece(seq, new Uint8Array(size));
    piece.bytes.set(bytes.subarray(offset, offset + length));
    piece.end = (seq + length) >>> 0;
    this.#pieces.splice(index, 0, piece);
    return 1;
  }

  #ensure(piece: Piece, size: number): boolean {
    const had = piece.bytes.length;
    if (size <= had) return true;
    let wanted = had;
    while (wanted < size) wanted *= 2;
    if (wanted > LARGEST_PIECE) wanted = LARGEST_PIECE;
    if (!this.#reserve(wanted - had)) return false;
    const bytes = new Uint8Array(wanted);
    bytes.set(piece.bytes);
    piece.bytes = bytes;
    return true;
  }

  #reserve(size: number): boolean {
    const pool = this.#pool;
    const { ingress } = this.#user;
    const left = pool.freeBytes - size;
    if (this.#reserved + size > MAX_PIECE_BYTES || pool.heldBy(ingress) + size > PIECES_OF_FREE * left) return false;
    if (!pool.reserve(size, ingress)) return false;
    this.#reserved += size;
    return true;
  }

  #unreserve(piece: Piece): void {
    const size = piece.bytes.length;
    this.#reserved -= size;
    this.#pool.release(size, this.#user.ingress);
  }

  #remember(seq: number): void {
    this.#recent ??= new Uint32Array(MAX_SACK_BLOCKS);
    const recent = this.#recent;
    let at = 0;
    while (at < this.#recentCount && recent[at] !== seq) at++;
    if (at === MAX_SACK_BLOCKS) at--;
    if (at === this.#recentCount) this.#recentCount++;
    for (; at > 0; at--) recent[at] = recent[at - 1]!;
    recent[0] = seq;
  }

  #indexOf(seq: number): number {
    const pieces = this.#pieces;
    for (let i = 0; i < pieces.length; i++) {
      if (seqGe(seq, pieces[i]!.start) && seqLt(seq, pieces[i]!.end)) return i;
    }
    return -1;
  }

  /** Adds the block around piece `index` unless it is listed. */
  #addBlock(out: Uint32Array, count: number, index: number): number {
    const pieces = this.#pieces;
    let low = index;
    while (low > 0 && pieces[low - 1]!.end === pieces[low]!.start) low--;
    const start = pieces[low]!.start;
    for (let i = 0; i < count; i++) if (out[2 * i] === start) return count;
    let high = index;
    while (high + 1 < pieces.length && pieces[high]!.end === pieces[high + 1]!.start) high++;
    out[2 * count] = start;
    out[2 * count + 1] = pieces[high]!.end;
    return count + 1;
  }
}
