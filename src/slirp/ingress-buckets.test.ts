import { describe, expect, it } from 'vitest';
import { IngressBuckets } from './ingress-buckets.ts';

describe('rates of ingresses', () => {
  it('one that uses up its own leaves the others theirs', () => {
    const buckets = new IngressBuckets(10, 2);
    expect([1, 2, 3].map(() => buckets.take(1, 0))).toEqual([true, true, false]);
    expect(buckets.take(2, 0)).toBe(true);
    expect(buckets.take(1, 100)).toBe(true);
  });

  it('those that are full again are not kept, whoever is gone', () => {
    const buckets = new IngressBuckets(10, 2);
    let most = 0;
    for (let ingress = 1; ingress <= 10_000; ingress++) {
      buckets.take(ingress, ingress * 10);
      most = Math.max(most, buckets.size);
    }
    expect(most).toBeLessThanOrEqual(40);
  });

  it('one that is used up stays so, however many others come', () => {
    const buckets = new IngressBuckets(10, 2);
    for (let i = 0; i < 3; i++) buckets.take(1, 0);
    for (let ingress = 2; ingress < 1000; ingress++) buckets.take(ingress, 0);
    expect(buckets.take(1, 0)).toBe(false);
  });
});
