import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WOULD_BLOCK } from '../net/host.ts';
import { ChunkPool } from './chunk-pool.ts';
import { Assembler, MAX_PIECE_BYTES, MAX_PIECES } from './tcp-assembler.ts';

const BASE = 0xffff_ff00;
const SPACE = 1000;
const at = (offset: number) => (BASE + offset) >>> 0;
const value = (offset: number) => (offset * 13 + (offset >> 8)) & 255;

const step = fc.oneof(
  fc.record({
    kind: fc.constant('insert' as const),
    from: fc.nat(SPACE - 1),
    length: fc.integer({ min: 1, max: 200 }),
  }),
  fc.record({ kind: fc.constant('drain' as const), limit: fc.nat(300) }),
);

describe('Assembler', () => {
  it('does what a map of bytes does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const pool = new ChunkPool();
        const user = { ingress: 1 };
        const assembler = new Assembler(pool, user);
        const held = new Uint8Array(SPACE + 200);
        let next = 0;
        for (const action of steps) {
          if (action.kind === 'insert') {
            const from = Math.max(action.from, next);
            const bytes = new Uint8Array(action.length + 3);
            for (let i = 0; i < action.length; i++) bytes[i + 3] = value(from + i);
            assembler.insert(at(from), bytes, 3, action.length);
            bytes.fill(0xee);
            held.fill(1, from, from + action.length);
          } else {
            let room = action.limit;
            const taken = assembler.drain(at(next), {
              write: (bytes, offset, length) => {
                const n = Math.min(room, length);
                for (let i = 0; i < n; i++) expect(bytes[offset + i]).toBe(value(next + action.limit - room + i));
                room -= n;
                return n === 0 ? WOULD_BLOCK : n;
              },
            });
            let run = 0;
            while (held[next + run] === 1) run++;
            expect(taken).toBe(Math.min(run, action.limit));
            held.fill(0, 0, next + taken);
            next += taken;
          }
          checkBlocks(assembler, held);
          expect(assembler.reservedBytes).toBe(pool.usedBytes);
        }
        assembler.clear();
        expect([pool.usedBytes, assembler.reservedBytes]).toEqual([0, 0]);
      }),
      { numRuns: 100 },
    );
  });

  it('reports the latest block first, and each once', () => {
    const assembler = new Assembler(new ChunkPool(), { ingress: 1 });
    const bytes = new Uint8Array(10);
    for (const from of [100, 200, 300, 400, 500]) assembler.insert(at(from), bytes, 0, 10);
    const blocks = new Uint32Array(8);
    expect(assembler.blocks(blocks, 3)).toBe(3);
    expect([...blocks.subarray(0, 6)]).toEqual([500, 510, 400, 410, 300, 310].map(at));
    assembler.insert(at(110), bytes, 0, 10);
    assembler.insert(at(100), bytes, 0, 10);
    expect(assembler.blocks(blocks, 4)).toBe(4);
    expect([...blocks.subarray(0, 4)]).toEqual([100, 120, 500, 510].map(at));
  });

  it('is capped in pieces and bytes, and in what the pool has', () => {
    const pool = new ChunkPool();
    const many = new Assembler(pool, { ingress: 1 });
    const bytes = new Uint8Array(65536);
    for (let i = 0; i < 2 * MAX_PIECES; i++) many.insert(at(10 + 2 * i), bytes, 0, 1);
    expect(many.pieces).toBe(MAX_PIECES);
    expect(many.refusedBytes).toBe(MAX_PIECES);
    many.clear();
    const large = new Assembler(pool, { ingress: 1 });
    for (let i = 0; i < 100; i++) large.insert(at(1 + 65537 * i), bytes, 0, 65536);
    expect(pool.usedBytes).toBeLessThanOrEqual(MAX_PIECE_BYTES);
    expect(large.refusedBytes).toBe(100 * 65536 - MAX_PIECE_BYTES);
    large.clear();
    const poor = new Assembler(new ChunkPool(4096), { ingress: 1 });
    poor.insert(at(1), bytes, 0, 2048);
    poor.insert(at(5000), bytes, 0, 10);
    expect(poor.heldBytes).toBe(2048);
  });

  it('is capped in what its port may hold, with that of the other flows; what ends leaves room', () => {
    const pool = new ChunkPool(8 * 2048);
    pool.reserve(2048, 1);
    const user = { ingress: 1 };
    const [one, two] = [new Assembler(pool, user), new Assembler(pool, user)];
    const bytes = new Uint8Array(2049);
    one.insert(at(10), bytes, 0, 1);
    one.insert(at(20), bytes, 0, 1);
    two.insert(at(10), bytes, 0, 1);
    two.insert(at(20), bytes, 0, 1);
    // Longer than what the piece in front of it has room for.
    two.insert(at(11), bytes, 0, 2049);
    expect([pool.usedBytes, two.pieces, two.refusedBytes]).toEqual([4 * 2048, 1, 1 + 2049]);
    one.clear();
    one.clear();
    two.insert(at(11), bytes, 0, 2049);
    expect([pool.usedBytes, two.heldBytes]).toEqual([3 * 2048, 2050]);
    two.trim(at(5000));
    expect(pool.heldBy(1)).toBe(2048);
  });
});

function checkBlocks(assembler: Assembler, held: Uint8Array): void {
  const blocks = new Uint32Array(2 * 300);
  const count = assembler.blocks(blocks, 300);
  const found = new Uint8Array(held.length);
  for (let i = 0; i < count; i++) {
    const from = (blocks[2 * i]! - BASE) | 0;
    const to = (blocks[2 * i + 1]! - BASE) | 0;
    expect(held[to]).toBe(0);
    for (let j = from; j < to; j++) {
      expect(found[j]).toBe(0);
      found[j] = 1;
    }
  }
  expect(Buffer.from(found).equals(Buffer.from(held))).toBe(true);
}
