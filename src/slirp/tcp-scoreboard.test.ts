import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_SACK_RANGES, Scoreboard } from './tcp-scoreboard.ts';

const BASE = 0xffff_ff80;
const SPACE = 600;
const at = (offset: number) => (BASE + offset) >>> 0;

const step = fc.oneof(
  fc.record({
    kind: fc.constant('add' as const),
    from: fc.integer({ min: -50, max: 700 }),
    length: fc.integer({ min: -10, max: 120 }),
  }),
  fc.record({ kind: fc.constant('trim' as const), by: fc.nat(50) }),
);

describe('Scoreboard', () => {
  it('does what a map of bytes does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const board = new Scoreboard();
        const held = new Uint8Array(SPACE + 1);
        let una = 0;
        for (const action of steps) {
          if (action.kind === 'add') {
            const to = action.from + action.length;
            const sane = action.length > 0 && action.from > una && to <= SPACE;
            const fresh = sane && held.subarray(action.from, to).includes(0);
            expect(board.add(at(action.from), at(to), at(una), at(SPACE))).toBe(fresh);
            if (sane) held.fill(1, action.from, to);
          } else {
            una = Math.min(SPACE, una + action.by);
            held.fill(0, 0, una);
            board.trim(at(una));
            if (board.begins(at(una))) {
              board.clear();
              held.fill(0);
            }
          }
          const count = held.reduce((sum, byte) => sum + byte, 0);
          expect(board.isEmpty).toBe(count === 0);
          expect(board.sackedBytes(at(una), at(SPACE))).toBe(count);
          expect(board.highest(at(una))).toBe(at(count === 0 ? una : held.lastIndexOf(1) + 1));
          for (let from = una; from < SPACE; from += 37) {
            const hole = Math.max(from, held.indexOf(0, from));
            expect(board.holeStart(at(from))).toBe(at(hole));
            const end = held.indexOf(1, hole);
            expect(board.holeEnd(at(hole), at(SPACE))).toBe(at(end < 0 ? SPACE : end));
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('is capped', () => {
    const board = new Scoreboard();
    for (let i = 1; i <= 2 * MAX_SACK_RANGES; i++) board.add(at(10 * i), at(10 * i + 5), at(0), at(100_000));
    expect(board.sackedBytes(at(0), at(100_000))).toBe(5 * MAX_SACK_RANGES);
    expect(board.add(at(10), at(100_000), at(0), at(100_000))).toBe(true);
    expect(board.sackedBytes(at(0), at(100_000))).toBe(100_000 - 10);
  });
});
