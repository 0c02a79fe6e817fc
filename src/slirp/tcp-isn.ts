/**
 * Initial sequence numbers (RFC 6528): a clock of 4 µs ticks plus a keyed hash of the 4-tuple, so that numbers of one
 * 4-tuple grow while others cannot be guessed from them. The hash is HalfSipHash-2-4 (32-bit words suit JavaScript).
 */
import type { Random } from '../net/host.ts';
import type { IpAddress } from './ip-layer.ts';

export class IsnGenerator {
  readonly #k0: number;
  readonly #k1: number;
  readonly #words = new Uint32Array(10);

  constructor(random: Random) {
    this.#k0 = random.u32();
    this.#k1 = random.u32();
  }

  next(guest: IpAddress, guestPort: number, remote: IpAddress, remotePort: number, nowMs: number): number {
    const words = this.#words;
    words.set(guest, 0);
    words.set(remote, 4);
    words[8] = (guestPort << 16) | remotePort;
    // The length in bytes, in the last word's top byte, as the hash's padding asks.
    words[9] = 36 << 24;
    const ticks = Math.floor(nowMs * 250) % 0x1_0000_0000;
    return (ticks + halfSipHash(this.#k0, this.#k1, words)) >>> 0;
  }
}

const rotate = (x: number, n: number): number => (x << n) | (x >>> (32 - n));

/** HalfSipHash-2-4 with 32-bit output over words that include the length word. */
export function halfSipHash(k0: number, k1: number, words: Uint32Array): number {
  let v0 = k0 | 0;
  let v1 = k1 | 0;
  let v2 = k0 ^ 0x6c796765;
  let v3 = k1 ^ 0x74656462;
  const last = words.length + 4;
  for (let i = 0, rounds = 0; i < last; i++) {
    const word = i < words.length ? words[i]! : 0;
    if (i === words.length) v2 ^= 0xff;
    v3 ^= word;
    for (rounds = i < words.length ? 2 : 1; rounds > 0; rounds--) {
      v0 = (v0 + v1) | 0;
      v1 = rotate(v1, 5) ^ v0;
      v0 = rotate(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotate(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotate(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotate(v1, 13) ^ v2;
      v2 = rotate(v2, 16);
    }
    v0 ^= word;
  }
  return (v1 ^ v3) >>> 0;
}
