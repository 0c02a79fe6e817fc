import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seqAdd, seqDiff, seqGe, seqGt, seqLe, seqLt, seqMax, seqMin, seqWithin } from './seq.ts';

const seq = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
);
const near = fc.integer({ min: 0, max: 0x7fff_ffff });

describe('sequence arithmetic', () => {
  it('holds across the wrap', () => {
    expect(seqLt(0xffff_fff0, 5)).toBe(true);
    expect(seqGt(5, 0xffff_fff0)).toBe(true);
    expect(seqDiff(5, 0xffff_fff0)).toBe(21);
    expect(seqDiff(0xffff_fff0, 5)).toBe(-21);
    expect(seqMax(0xffff_fff0, 5)).toBe(5);
    expect(seqMin(0xffff_fff0, 5)).toBe(0xffff_fff0);
  });

  it('orders what is less than half the space apart', () => {
    fc.assert(
      fc.property(seq, near, (a, n) => {
        const b = seqAdd(a, n);
        expect(seqDiff(b, a)).toBe(n);
        expect(seqLe(a, b)).toBe(true);
        expect(seqGe(b, a)).toBe(true);
        expect(seqLt(a, b)).toBe(n > 0);
        expect(seqGt(b, a)).toBe(n > 0);
        expect(seqMax(a, b)).toBe(b);
        expect(seqMin(a, b)).toBe(a);
      }),
    );
  });

  it('knows what lies within', () => {
    fc.assert(
      fc.property(seq, fc.nat(1_000_000), fc.integer({ min: -2_000_000, max: 2_000_000 }), (low, size, at) => {
        expect(seqWithin(seqAdd(low, at), low, seqAdd(low, size))).toBe(at >= 0 && at <= size);
      }),
    );
  });
});
