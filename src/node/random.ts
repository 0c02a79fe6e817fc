import { closeSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Random } from '../net/index.ts';

const POOL_WORDS = 256;
const KERNEL_SOURCE = '/dev/urandom';

/**
 * Strong randomness of the kernel; u32 draws from a pool so that a port or an ISN does not cost a system call each. Loading
 * node:crypto would take a fifth of the whole start, so it only stands in where the device is missing.
 */
export class NodeRandom implements Random {
  readonly #pool = new Uint32Array(POOL_WORDS);
  readonly #poolBytes = new Uint8Array(this.#pool.buffer);
  #left = 0;

  fill(bytes: Uint8Array): void {
    fillStrong(bytes);
  }

  u32(): number {
    if (this.#left === 0) {
      fillStrong(this.#poolBytes);
      this.#left = POOL_WORDS;
    }
    this.#left--;
    const value = this.#pool[this.#left] as number;
    // A value is used once: what was handed out does not stay in memory.
    this.#pool[this.#left] = 0;
    return value;
  }
}

function fillStrong(bytes: Uint8Array): void {
  let at = 0;
  try {
    const device = openSync(KERNEL_SOURCE, 'r');
    try {
      for (let count = 1; at < bytes.length && count > 0; at += count) {
        count = readSync(device, bytes, at, bytes.length - at, null);
      }
    } finally {
      closeSync(device);
    }
  } catch {
    // No such device here, as in a bare chroot.
  }
  if (at < bytes.length) {
    const crypto = createRequire(import.meta.url)('node:crypto') as typeof import('node:crypto');
    crypto.randomFillSync(bytes, at);
  }
}
