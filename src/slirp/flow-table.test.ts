import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ORPHANS } from '../net/index.ts';
import { type FlowNode, FlowTable } from './flow-table.ts';

class Entry implements FlowNode<Entry> {
  ingress = 1;
  hash = 0;
  chain: Entry | undefined;
  older: Entry | undefined;
  newer: Entry | undefined;
  readonly guest: Uint32Array;
  readonly guestPort: number;
  readonly remote: Uint32Array;
  readonly remotePort: number;
  constructor(key: number) {
    this.guest = Uint32Array.of(0, 0, 0xffff, 0x0a000200 + (key & 3));
    this.guestPort = 1000 + ((key >> 2) & 7);
    this.remote = Uint32Array.of(key & 1, 0, 0xffff, key >> 5);
    this.remotePort = 80 + (key & 7);
  }
}

const find = (table: FlowTable<Entry>, e: Entry) =>
  table.find(e.guest.slice(), e.guestPort, e.remote.slice(), e.remotePort);
const step = fc.record({ what: fc.constantFrom('add', 'remove', 'touch'), key: fc.nat(511) });

describe('FlowTable', () => {
  it('does what a map does, in order of use', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(step, { maxLength: 400 }), (secret, steps) => {
        const table = new FlowTable<Entry>(secret, 512);
        const model = new Map<number, Entry>();
        for (const { what, key } of steps) {
          const entry = model.get(key);
          if (what === 'add' && entry === undefined) {
            const fresh = new Entry(key);
            expect(find(table, fresh)).toBeUndefined();
            table.add(fresh);
            model.set(key, fresh);
          } else if (what === 'remove' && entry !== undefined) {
            table.remove(entry);
            model.delete(key);
            expect(find(table, entry)).toBeUndefined();
          } else if (what === 'touch' && entry !== undefined) {
            table.touch(entry);
            model.delete(key);
            model.set(key, entry);
          }
        }
        expect(table.size).toBe(model.size);
        for (const entry of model.values()) expect(find(table, entry)).toBe(entry);
        const order: Entry[] = [];
        table.forEach((entry) => {
          order.push(entry);
        });
        expect(order).toEqual([...model.values()]);
        expect(table.oldestOf(1)).toBe(order[0]);
        table.forEach((entry) => {
          table.remove(entry);
        });
        expect(table.size).toBe(0);
        expect(table.oldestOf(1)).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });

  it('gives every port a share, and the places of one that is gone to whoever needs them', () => {
    const table = new FlowTable<Entry>(1, 64);
    const add = (key: number, ingress: number): Entry | undefined => {
      const loser = table.loser(ingress);
      if (loser !== undefined) table.remove(loser);
      const entry = new Entry(key);
      entry.ingress = ingress;
      table.add(entry);
      return loser;
    };
    for (let key = 0; key < 100; key++) add(key, 1);
    expect(table.sizeOf(1)).toBe(48);
    for (let key = 100; key < 110; key++) expect(add(key, 2)).toBeUndefined();
    for (let key = 200; key < 300; key++) expect(add(key, 1)?.ingress).toBe(1);
    expect([table.sizeOf(1), table.sizeOf(2)]).toEqual([48, 10]);
    const kept = table.oldestOf(1) as Entry;
    table.move(kept, 2);
    table.orphan(1);
    expect([table.sizeOf(1), table.sizeOf(2), table.sizeOf(ORPHANS)]).toEqual([0, 11, 47]);
    for (let key = 300; key < 350; key++) add(key, 3);
    expect([table.sizeOf(2), table.sizeOf(3), table.size]).toEqual([11, 50, 63]);
    expect(find(table, kept)).toBe(kept);
  });
});
