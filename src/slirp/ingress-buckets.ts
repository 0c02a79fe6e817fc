/** A rate for each ingress: what one guest uses up, the others still have. */
import { TokenBucket } from './token-bucket.ts';

export class IngressBuckets {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #buckets = new Map<number, TokenBucket>();

  /** See TokenBucket. */
  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  take(ingress: number, nowMs: number): boolean {
    let bucket = this.#buckets.get(ingress);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#perSecond, this.#burst);
      this.#buckets.set(ingress, bucket);
    }
    return bucket.take(nowMs);
  }

  ingressGone(ingress: number): void {
    this.#buckets.delete(ingress);
  }
}
