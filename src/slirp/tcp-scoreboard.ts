/**
 * What a guest reported by SACK (RFC 2018, RFC 6675): disjoint, sorted ranges above SND.UNA. Capped; a report that
 * would need one more range is ignored, which costs at most a needless retransmission.
 */
import { seqDiff, seqGe, seqGt, seqLe, seqLt, seqMax, seqMin } from '../wire/index.ts';

export const MAX_SACK_RANGES = 128;

export class Scoreboard {
  readonly #start: number[] = [];
  readonly #end: number[] = [];

  get isEmpty(): boolean {
    return this.#start.length === 0;
  }

  /** The right edge of the highest range; `otherwise` if there is none. */
  highest(otherwise: number): number {
    return this.#end.length === 0 ? otherwise : this.#end[this.#end.length - 1]!;
  }

  /** Whether the lowest range begins at `seq`: then the guest forgot what it had reported (RFC 2018 §8). */
  begins(seq: number): boolean {
    return this.#start.length > 0 && this.#start[0] === seq;
  }

  clear(): void {
    this.#start.length = 0;
    this.#end.length = 0;
  }

  /** Adds a reported range inside una..nxt; anything else is ignored. @returns whether it told something new. */
  add(left: number, right: number, una: number, nxt: number): boolean {
    if (seqGe(left, right) || seqLe(left, una) || seqGt(right, nxt) || seqGe(left, nxt)) return false;
    const { length } = this.#start;
    let low = 0;
    while (low < length && seqLt(this.#end[low]!, left)) low++;
    let high = low;
    let start = left;
    let end = right;
    while (high < length && seqLe(this.#start[high]!, right)) {
      if (seqLe(this.#start[high]!, left) && seqGe(this.#end[high]!, right)) return false;
      start = seqMin(start, this.#start[high]!);
      end = seqMax(end, this.#end[high]!);
      high++;
    }
    if (high === low && length >= MAX_SACK_RANGES) return false;
    this.#start.splice(low, high - low, start);
    this.#end.splice(low, high - low, end);
    return true;
  }

  /** Forgets what lies below the acknowledged edge. */
  trim(una: number): void {
    let gone = 0;
    while (gone < this.#end.length && seqLe(this.#end[gone]!, una)) gone++;
    if (gone > 0) {
      this.#start.splice(0, gone);
      this.#end.splice(0, gone);
    }
    if (this.#start.length > 0 && seqLt(this.#start[0]!, una)) this.#start[0] = una;
  }

  /** Reported bytes in from..to. */
  sackedBytes(from: number, to: number): number {
    let sum = 0;
    for (let i = 0; i < this.#start.length; i++) {
      const low = seqMax(this.#start[i]!, from);
      const high = seqMin(this.#end[i]!, to);
      if (seqLt(low, high)) sum += seqDiff(high, low);
    }
    return sum;
  }

  /** The first unreported sequence number at or behind `from`. */
  holeStart(from: number): number {
    let at = from;
    for (let i = 0; i < this.#start.length; i++) {
      if (seqLt(at, this.#start[i]!)) return at;
      if (seqLt(at, this.#end[i]!)) at = this.#end[i]!;
    }
    return at;
  }

  /** Where the hole that begins at `from` ends, at most `limit`. */
  holeEnd(from: number, limit: number): number {
    for (let i = 0; i < this.#start.length; i++) {
      if (seqLe(from, this.#start[i]!)) return seqMin(this.#start[i]!, limit);
    }
    return limit;
  }
}
