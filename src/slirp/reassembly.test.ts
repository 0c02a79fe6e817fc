import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { ipv4Address } from './address.ts';
import {
  type Datagram,
  HEADROOM,
  MAX_BYTES,
  MAX_DATAGRAMS,
  MAX_RANGES,
  Reassembler,
  TIMEOUT_MS,
} from './reassembly.ts';

const A = ipv4Address(0x0a00020f);
const B = ipv4Address(0x0a000202);
const C = ipv4Address(0x0a000210);
const HEADER = 20;

interface Piece {
  offset: number;
  length: number;
  more: boolean;
  fill: number;
}

function setUp() {
  const test = createTestHost();
  const drops: string[] = [];
  const reassembler = new Reassembler(test.clock, test.host.timers, 1, (reason) => drops.push(reason));
  const add = (id: number, piece: Piece, source = A, ingress = 1): Datagram | undefined => {
    const bytes = new Uint8Array(HEADER + piece.length).fill(piece.fill);
    bytes.fill(0x45, 0, HEADER);
    return reassembler.add(source, id, B, 17, ingress, bytes, 0, HEADER, piece.length, piece.offset, piece.more);
  };
  return { test, drops, reassembler, add };
}

describe('reassembly', () => {
  it('equals a bitmap model for any pieces in any order: what came first wins', () => {
    const piece = fc
      .record({ unit: fc.nat(20), units: fc.integer({ min: 1, max: 6 }), more: fc.boolean(), tail: fc.nat(7) })
      .map(({ unit, units, more, tail }) => ({ offset: unit * 8, length: units * 8 - (more ? 0 : tail), more }));
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 30 }), (pieces) => {
        const { add, reassembler } = setUp();
        let model = new Int16Array(400).fill(-1);
        let end = -1;
        let open = false;
        const reset = (): void => {
          model = new Int16Array(400).fill(-1);
          end = -1;
          open = false;
        };
        for (const [i, p] of pieces.entries()) {
          const got = add(1, { ...p, fill: i });
          const last = p.offset + p.length;
          const filled = model.findLastIndex((b) => b >= 0) + 1;
          const contradicts = p.more ? end >= 0 && last > end : (end >= 0 && end !== last) || filled > last;
          if (contradicts) {
            expect(got).toBeUndefined();
            reset();
            expect(reassembler.size).toBe(0);
            continue;
          }
          open = true;
          if (!p.more) end = last;
          for (let at = p.offset; at < last; at++) if ((model[at] ?? 0) < 0) model[at] = i;
          const whole = end >= 0 && model.subarray(0, end).every((b) => b >= 0);
          expect(got !== undefined).toBe(whole);
          if (got !== undefined) {
            expect(Array.from(got.bytes.subarray(HEADROOM, HEADROOM + end))).toEqual(
              Array.from(model.subarray(0, end)),
            );
            expect(got.headerLength).toBe(HEADER);
            reset();
          }
          expect(reassembler.size).toBe(open ? 1 : 0);
        }
        reassembler.close();
        expect(reassembler.bytes).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it('ends datagrams after the timeout, and leaves no timer', async () => {
    const { test, drops, add, reassembler } = setUp();
    add(1, { offset: 0, length: 8, more: true, fill: 1 });
    test.advance(TIMEOUT_MS - 1);
    add(2, { offset: 0, length: 8, more: true, fill: 1 });
    test.advance(1);
    expect(reassembler.size).toBe(1);
    test.advance(TIMEOUT_MS);
    expect(drops).toEqual(['fragment-timeout', 'fragment-timeout']);
    expect([reassembler.size, reassembler.bytes, test.leaks()]).toEqual([0, 0, []]);
  });

  it('caps datagrams, ranges and bytes', () => {
    const { drops, add, reassembler } = setUp();
    for (let id = 0; id < MAX_DATAGRAMS + 10; id++) add(id, { offset: 0, length: 8, more: true, fill: 1 });
    expect(reassembler.size).toBe((MAX_DATAGRAMS * 3) / 4);
    expect(drops.filter((reason) => reason === 'fragment-evicted').length).toBe(10 + MAX_DATAGRAMS / 4);
    for (let i = 0; i <= MAX_RANGES; i++) add(9999, { offset: 16 * i, length: 8, more: true, fill: 1 });
    expect(drops).toContain('fragment-pieces');
    for (let id = 0; id < 200; id++) add(id, { offset: 60_000, length: 8, more: true, fill: 1 });
    expect(reassembler.bytes).toBeLessThanOrEqual(MAX_BYTES);
    reassembler.close();
    expect(reassembler.bytes).toBe(0);
  });

  it.each([
    ['datagrams', 8],
    ['bytes', 65_500],
  ])('a port that sends too many %s, under any addresses, loses its own', (_, length) => {
    const { drops, add, reassembler } = setUp();
    const second = { offset: 8, length, more: false, fill: 1 };
    for (let id = 0; id < 3; id++) add(id, second, C, 2);
    for (let id = 0; id < 2 * MAX_DATAGRAMS; id++) add(id, second, ipv4Address(0x0a000300 + id), 1);
    add(3, second, C, 2);
    expect(reassembler.bytes).toBeLessThanOrEqual(MAX_BYTES);
    const first = { offset: 0, length: 8, more: true, fill: 1 };
    for (let id = 0; id < 4; id++) expect(add(id, first, C, 2)?.end).toBe(8 + length);
    expect(drops.every((reason) => reason === 'fragment-evicted')).toBe(true);
    reassembler.close();
    expect([reassembler.size, reassembler.bytes]).toEqual([0, 0]);
  });

  it('what still gets fragments stays, what has had none for longest goes', () => {
    const { add, drops, reassembler } = setUp();
    const more = (offset: number) => ({ offset, length: 8, more: true, fill: 1 });
    const share = (MAX_DATAGRAMS * 3) / 4;
    for (let id = 0; id < share; id++) add(id, more(0));
    add(0, more(8));
    for (let id = share; id < share + 5; id++) add(id, more(0));
    expect(drops).toEqual(new Array(5).fill('fragment-evicted'));
    expect(add(0, { offset: 16, length: 8, more: false, fill: 1 })?.end).toBe(24);
    expect(add(1, { offset: 8, length: 8, more: false, fill: 1 })).toBeUndefined();
    reassembler.close();
  });

  it('nobody at another port adds to a datagram, or ends it', () => {
    const { add, reassembler } = setUp();
    add(1, { offset: 0, length: 8, more: true, fill: 1 }, A, 1);
    expect(add(1, { offset: 8, length: 8, more: false, fill: 2 }, A, 2)).toBeUndefined();
    reassembler.cancel(A, 1, B, 17, 2);
    expect(add(1, { offset: 8, length: 8, more: false, fill: 1 }, A, 1)?.end).toBe(16);
    reassembler.close();
  });

  it('a port that is gone leaves its room to others', () => {
    const { add, reassembler } = setUp();
    const second = { offset: 8, length: 8, more: false, fill: 1 };
    for (let id = 0; id < MAX_DATAGRAMS; id++) add(id, second, A, 1);
    reassembler.ingressGone(1);
    for (let id = 0; id < MAX_DATAGRAMS; id++) add(id, second, C, 2);
    expect(add(MAX_DATAGRAMS - 1, { offset: 0, length: 8, more: true, fill: 1 }, C, 2)?.end).toBe(16);
    expect(reassembler.size).toBe((MAX_DATAGRAMS * 3) / 4 - 1);
  });

  it('refuses ends beyond 65535, empty pieces and odd lengths in the middle', () => {
    const { drops, add, reassembler } = setUp();
    add(1, { offset: 65_528, length: 16, more: false, fill: 1 });
    add(1, { offset: 0, length: 0, more: true, fill: 1 });
    add(1, { offset: 0, length: 12, more: true, fill: 1 });
    expect(drops).toEqual(['fragment-length', 'fragment-length', 'fragment-length']);
    expect(reassembler.size).toBe(0);
  });

  it('a whole packet of the same key voids what is under construction', () => {
    const { drops, add, reassembler } = setUp();
    add(5, { offset: 0, length: 8, more: true, fill: 1 });
    reassembler.cancel(A, 6, B, 17, 1);
    expect(reassembler.size).toBe(1);
    reassembler.cancel(A, 5, B, 17, 1);
    expect([reassembler.size, drops]).toEqual([0, ['fragment-replaced']]);
  });
});
