/**
 * A rate for each ingress: what one guest uses up, the others still have.
 *
 * A bucket that is full again is as good as none, and is dropped: a packet of a port that is gone may be the reason of an
 * event much later, and nobody would ever say that the port of such a bucket is gone.
 */
import { TokenBucket } from './token-bucket.ts';

/** So many buckets are not worth a look. */
const FEW = 16;

export class IngressBuckets {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #buckets = new Map<number, TokenBucket>();
  #sweepAt = FEW;

  /** See TokenBucket. */
  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  /** Buckets that are kept. */
  get size(): number {
    return this.#buckets.size;
  }

  take(ingress: number, nowMs: number): boolean {
    let bucket = this.#buckets.get(ingress);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#sweepAt) this.#sweep(nowMs);
      bucket = new TokenBucket(this.#perSecond, this.#burst);
      this.#buckets.set(ingress, bucket);
    }
    return bucket.take(nowMs);
  }

  ingressGone(ingress: number): void {
    this.#buckets.delete(ingress);
  }

  /** As seldom as the number of those that stay doubles. */
  #sweep(nowMs: number): void {
    for (const [ingress, bucket] of this.#buckets) if (bucket.isFull(nowMs)) this.#buckets.delete(ingress);
    this.#sweepAt = Math.max(FEW, 2 * this.#buckets.size);
  }
}
