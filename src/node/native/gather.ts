/**
 * Where small writes wait for the end of their batch: chunks that all streams of a host share, last used first. A stream
 * begins with a small one and moves on to a large one when its batch outgrows it; an idle stream holds none. A small rest that
 * the kernel did not take is copied to memory of its own size, so that streams which nobody reads from hold few chunks.
 */

const SMALL_BYTES = 8 * 1024;
const LARGE_BYTES = 64 * 1024;
const MAX_FREE_SMALL = 256;
const MAX_FREE_LARGE = 32;
/** Given out at once over all streams of a host; beyond it writes go to the kernel one by one. */
const MAX_GIVEN_BYTES = 32 * 1024 * 1024;

export class GatherPool {
  readonly #small: Uint8Array[] = [];
  readonly #large: Uint8Array[] = [];
  #givenBytes = 0;

  /** The next chunk for a stream that holds `held`; undefined = there is none, flush first. */
  take(held: Uint8Array | undefined): Uint8Array | undefined {
    if (this.#givenBytes >= MAX_GIVEN_BYTES || held?.length === LARGE_BYTES) return undefined;
    const large = held !== undefined;
    const chunk = (large ? this.#large : this.#small).pop() ?? new Uint8Array(large ? LARGE_BYTES : SMALL_BYTES);
    this.#givenBytes += chunk.length;
    return chunk;
  }

  /** Memory outside the pool for what the kernel refused: counts as given out. */
  hold(bytes: number): void {
    this.#givenBytes += bytes;
  }

  release(bytes: number): void {
    this.#givenBytes -= bytes;
  }

  give(chunk: Uint8Array): void {
    this.#givenBytes -= chunk.length;
    const large = chunk.length === LARGE_BYTES;
    const free = large ? this.#large : this.#small;
    if (free.length < (large ? MAX_FREE_LARGE : MAX_FREE_SMALL)) free.push(chunk);
  }
}
