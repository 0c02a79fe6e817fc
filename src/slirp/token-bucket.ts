/** A rate limit: `perSecond` events on average, `burst` at once. Time is an argument. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: number | undefined;

  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
  }

  take(nowMs: number): boolean {
    this.#tokens = this.#tokensAt(nowMs);
    this.#at = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** As if nothing had ever been taken. */
  isFull(nowMs: number): boolean {
    return this.#tokensAt(nowMs) >= this.#burst;
  }

  #tokensAt(nowMs: number): number {
    if (this.#at === undefined) return this.#tokens;
    return Math.min(this.#burst, this.#tokens + Math.max(0, nowMs - this.#at) * this.#perMs);
  }
}
