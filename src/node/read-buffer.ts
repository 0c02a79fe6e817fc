/**
 * Bytes read and not yet pulled, of one stream, and the stream's end behind them. libuv reads into a view of one buffer
 * that all streams of a host share; the owner pulls out of it inside the read callback, and what it leaves is copied to
 * memory of this stream. A view grows for an owner that takes all of a full read and shrinks for one that leaves some,
 * which bounds what stalled streams hold.
 */
import { WOULD_BLOCK } from '../net/index.ts';
import type { Chunk, ChunkPool } from './chunk-pool.ts';

const EMPTY = new Uint8Array(0);
const FIRST_VIEW = 0;

export class ReadBuffer {
  readonly #views: readonly Uint8Array[];
  readonly #pool: ChunkPool;
  /** What the data is in, once it is out of the shared buffer. */
  #chunk: Chunk | undefined;
  #data: Uint8Array = EMPTY;
  #start = 0;
  #end = 0;
  #view = FIRST_VIEW;
  #nextView = FIRST_VIEW;
  #given = false;
  #isShared = false;
  #ended = false;
  #endTold = false;

  /** @param views of one buffer, smallest first. */
  constructor(views: readonly Uint8Array[], pool: ChunkPool) {
    this.#views = views;
    this.#pool = pool;
  }

  /** Bytes that wait to be pulled. */
  get waiting(): number {
    return this.#end - this.#start;
  }

  /** Nothing comes behind what waits. */
  get isEnded(): boolean {
    return this.#ended;
  }

  /** Bytes wait, or the end that was not told yet. */
  get isReadable(): boolean {
    return this.waiting > 0 || (this.#ended && !this.#endTold);
  }

  /** Inside the read callback: the bytes are in the shared buffer. */
  get isReading(): boolean {
    return this.#isShared;
  }

  /** Where the next read goes; undefined = where the last one went. */
  nextView(): Uint8Array | undefined {
    if (this.#given && this.#nextView === this.#view) return undefined;
    this.#given = true;
    this.#view = this.#nextView;
    return this.#views[this.#view];
  }

  /**
   * One read.
   * @param pull lets the owner take what it wants.
   * @returns 'left' bytes over, `full` = all taken of a read that filled its view, or 'taken'.
   */
  ingest(bytes: Uint8Array, count: number, pull: () => void): 'left' | 'full' | 'taken' {
    this.#data = bytes;
    this.#start = 0;
    this.#end = count;
    this.#isShared = true;
    pull();
    this.#isShared = false;
    const left = this.waiting;
    if (left > 0) {
      this.#keep(bytes);
      if (this.#view > 0) this.#nextView = this.#view - 1;
      return 'left';
    }
    this.clear();
    if (count < (this.#views[this.#view] as Uint8Array).length) return 'taken';
    if (this.#view + 1 < this.#views.length) this.#nextView = this.#view + 1;
    return 'full';
  }

  /** Moves up to `length` bytes out. Returns the count. */
  pull(into: Uint8Array, offset: number, length: number): number {
    const count = Math.min(this.waiting, length);
    into.set(this.#data.subarray(this.#start, this.#start + count), offset);
    this.#start += count;
    if (this.#start === this.#end && !this.#isShared) this.clear();
    return count;
  }

  /** Bytes behind those that wait, outside the read callback. */
  append(bytes: Uint8Array): void {
    const waiting = this.waiting;
    const data = new Uint8Array(waiting + bytes.length);
    data.set(this.#data.subarray(this.#start, this.#end));
    data.set(bytes, waiting);
    this.clear();
    this.#data = data;
    this.#end = data.length;
  }

  end(): void {
    this.#ended = true;
  }

  /** In place of pull() when nothing waits: 0 = the end, or WOULD_BLOCK. */
  pullEnd(): number {
    if (!this.#ended) return WOULD_BLOCK;
    this.#endTold = true;
    return 0;
  }

  clear(): void {
    if (this.#chunk !== undefined) this.#pool.give(this.#chunk);
    this.#chunk = undefined;
    this.#data = EMPTY;
    this.#start = this.#end = 0;
  }

  /** Moves what waits out of the shared buffer. */
  #keep(bytes: Uint8Array): void {
    const left = this.waiting;
    const chunk = this.#pool.take(left);
    chunk.buffer.set(bytes.subarray(this.#start, this.#end));
    this.#chunk = chunk;
    this.#data = chunk.buffer;
    this.#start = 0;
    this.#end = left;
  }
}
