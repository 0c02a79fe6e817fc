/**
 * TCP sequence arithmetic modulo 2^32 (RFC 9293 §3.4). Sequence numbers are unsigned 32-bit numbers; differences are
 * signed. The only place that compares sequence numbers: `<` on them is wrong near the wrap.
 */

/** a - b as a signed 32-bit distance. */
export const seqDiff = (a: number, b: number): number => (a - b) | 0;
export const seqAdd = (a: number, n: number): number => (a + n) >>> 0;
export const seqLt = (a: number, b: number): boolean => ((a - b) | 0) < 0;
export const seqLe = (a: number, b: number): boolean => ((a - b) | 0) <= 0;
export const seqGt = (a: number, b: number): boolean => ((a - b) | 0) > 0;
export const seqGe = (a: number, b: number): boolean => ((a - b) | 0) >= 0;
export const seqMax = (a: number, b: number): number => (((a - b) | 0) >= 0 ? a : b);
export const seqMin = (a: number, b: number): number => (((a - b) | 0) <= 0 ? a : b);
/** low <= x <= high. */
export const seqWithin = (x: number, low: number, high: number): boolean => (x - low) >>> 0 <= (high - low) >>> 0;
