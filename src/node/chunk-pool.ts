/**
 * Memory for bytes between a stream and its owner, in chunks of two sizes that all streams of a host share, last freed
 * first used. An array made anew for each would wait for the next full collection, long after its stream was done with it.
 */
export const SMALL_BYTES = 16 * 1024;
export const LARGE_BYTES = 256 * 1024;
/** Free chunks kept for the next batch. */
const MAX_FREE_SMALL = 64;
const MAX_FREE_LARGE = 16;

export interface Chunk {
  readonly buffer: Buffer;
  used: number;
}

/** The chunks of one host, with a cap over what all its streams queue for the kernel. */
export class ChunkPool {
  readonly #small: Chunk[] = [];
  readonly #large: Chunk[] = [];
  readonly #capBytes: number;
  /** Bytes queued over all streams. */
  queued = 0;

  constructor(capBytes: number) {
    this.#capBytes = capBytes;
  }

  get room(): number {
    return Math.max(0, this.#capBytes - this.queued);
  }

  take(large: boolean): Chunk {
    const chunk = large ? this.#large.pop() : this.#small.pop();
    return chunk ?? { buffer: Buffer.allocUnsafeSlow(large ? LARGE_BYTES : SMALL_BYTES), used: 0 };
  }

  give(chunk: Chunk): void {
    chunk.used = 0;
    const large = chunk.buffer.length === LARGE_BYTES;
    const free = large ? this.#large : this.#small;
    if (free.length < (large ? MAX_FREE_LARGE : MAX_FREE_SMALL)) free.push(chunk);
  }
}
