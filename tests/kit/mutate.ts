/**
 * The shared part of the fuzz tests: a byte mutator, a seeded generator and the time budget.
 * The environment sets FUZZ_MS (milliseconds per target, 1000 unless said otherwise) and FUZZ_SEED (to repeat a run).
 */

import { Prng } from './prng.ts';

/** Values at which length and range checks tend to be off by one. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff];
const MAX_GROWTH = 4096;

/**
 * A copy of the bytes with one to eight faults: flipped bits, edge values, inserted, removed, repeated, moved or swapped
 * stretches, truncation.
 * @param random uniform in [0, 1), as seededRandom() gives
 */
export function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  let out: Uint8Array = bytes.slice();
  for (let faults = 1 + pick(8, random); faults > 0; faults--) out = mutateOnce(out, random);
  return out;
}

function mutateOnce(bytes: Uint8Array, random: () => number): Uint8Array {
  const at = pick(bytes.length + 1, random);
  const length = Math.min(bytes.length - at, 1 + pick(random() < 0.8 ? 8 : 256, random));
  const stretch = bytes.subarray(at, at + length);
  switch (pick(8, random)) {
    case 0:
      if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << pick(8, random));
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = EDGES[pick(EDGES.length, random)] ?? 0;
      return bytes;
    case 2:
      if (at < bytes.length) bytes[at] = pick(256, random);
      return bytes;
    case 3:
      return join(
        bytes.subarray(0, at),
        Uint8Array.from({ length: 1 + pick(8, random) }, () => pick(256, random)),
        bytes.subarray(at),
      );
    case 4:
      return join(bytes.subarray(0, at), bytes.subarray(at + length));
    case 5: {
      const times = Math.min(1 + pick(16, random), Math.ceil(MAX_GROWTH / Math.max(1, length)));
      return join(bytes.subarray(0, at), ...Array.from({ length: times }, () => stretch), bytes.subarray(at));
    }
    case 6: {
      const rest = join(bytes.subarray(0, at), bytes.subarray(at + length));
      const to = pick(rest.length + 1, random);
      return join(rest.subarray(0, to), stretch, rest.subarray(to));
    }
    default:
      return random() < 0.2 ? bytes.slice(0, at) : bytes.fill(pick(256, random), at, at + length);
  }
}

/** The time a fuzz target may take and the seed it starts from. */
export function fuzzBudget(): { ms: number; seed: number } {
  const ms = Number(process.env['FUZZ_MS'] ?? 1000);
  const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 0x7fffffff));
  return { ms: Number.isFinite(ms) && ms > 0 ? ms : 1000, seed: Number.isInteger(seed) ? seed : 0 };
}

/** A generator of numbers in [0, 1) that repeats for the same seed. */
export function seededRandom(seed: number): () => number {
  const prng = new Prng(seed);
  return () => prng.fraction();
}

/** An integer from 0 to below `limit`. */
export const pick = (limit: number, random: () => number): number => Math.floor(random() * limit);

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
