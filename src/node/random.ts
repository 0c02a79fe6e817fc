import { randomFillSync } from 'node:crypto';
import type { Random } from '../net/index.ts';

const POOL_WORDS = 256;

/** Strong randomness; u32 draws from a pool so that a port or an ISN does not cost a call into OpenSSL each. */
export class NodeRandom implements Random {
  readonly #pool = new Uint32Array(POOL_WORDS);
  #left = 0;

  fill(bytes: Uint8Array): void {
    randomFillSync(bytes);
  }

  u32(): number {
    if (this.#left === 0) {
      randomFillSync(this.#pool);
      this.#left = POOL_WORDS;
    }
    this.#left--;
    const value = this.#pool[this.#left] as number;
    // A value is used once: what was handed out does not stay in memory.
    this.#pool[this.#left] = 0;
    return value;
  }
}
