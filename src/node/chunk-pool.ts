/**
 * Memory for bytes between a stream and its owner, in chunks that all streams of a host share, last freed first used. An
 * array made anew for each would wait for the next full collection, long after its stream was done with it.
 */
export const SMALL_BYTES = 16 * 1024;
const MEDIUM_BYTES = 64 * 1024;
export const LARGE_BYTES = 256 * 1024;
/** By size, and how many free ones are kept. */
const SIZES = [SMALL_BYTES, MEDIUM_BYTES, LARGE_BYTES] as const;
const MAX_FREE = [64, 16, 16] as const;

export interface Chunk {
  readonly buffer: Buffer;
  used: number;
}

/** The chunks of one host, with a cap over what all its streams queue for the kernel. */
export class ChunkPool {
  readonly #free: readonly Chunk[][] = SIZES.map(() => []);
  readonly #capBytes: number;
  /** Bytes queued over all streams. */
  queued = 0;

  constructor(capBytes: number) {
    this.#capBytes = capBytes;
  }

  get room(): number {
    return Math.max(0, this.#capBytes - this.queued);
  }

  /** The smallest that holds so many bytes, at most LARGE_BYTES. */
  take(bytes: number): Chunk {
    const size = sizeOf(bytes);
    return this.#free[size]?.pop() ?? { buffer: Buffer.allocUnsafeSlow(SIZES[size] as number), used: 0 };
  }

  give(chunk: Chunk): void {
    chunk.used = 0;
    const size = sizeOf(chunk.buffer.length);
    const free = this.#free[size] as Chunk[];
    if (free.length < (MAX_FREE[size] as number)) free.push(chunk);
  }
}

const sizeOf = (bytes: number): number => (bytes <= SMALL_BYTES ? 0 : bytes <= MEDIUM_BYTES ? 1 : 2);
