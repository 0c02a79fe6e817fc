import { describe, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { ipv4Address, ipv4Of } from './address.ts';
import { AGE_MS, MAX_NEIGHBOURS, MAX_WAITING, NeighbourTable, WAIT_MS, type WaitingFrame } from './neighbours.ts';

const GUEST = ipv4Address(0x0a00020f);
const MAC = 0x525400123456;

const frame = (length = 60): WaitingFrame => ({
  bytes: new Uint8Array(length),
  flags: 0,
  gsoType: 0,
  gsoSize: 0,
  headerLength: 0,
  checksumStart: 0,
  checksumOffset: 0,
});

function setUp() {
  const test = createTestHost();
  const asked: number[] = [];
  const sent: number[] = [];
  const drops: string[] = [];
  const table = new NeighbourTable(test.clock, test.host.timers, 1, {
    ask: (neighbour) => asked.push(ipv4Of(neighbour.guest)),
    send: (neighbour) => sent.push(neighbour.mac),
    drop: (reason) => drops.push(reason),
  });
  return { test, asked, sent, drops, table };
}

describe('neighbours', () => {
  it('asks once for several frames, again half-way, and sends all when answered', () => {
    const { test, asked, sent, table } = setUp();
    const neighbour = table.get(GUEST);
    table.wait(neighbour, frame());
    table.wait(neighbour, frame());
    expect(asked).toEqual([0x0a00020f]);
    test.advance(WAIT_MS / 2);
    expect(asked.length).toBe(2);
    table.learn(GUEST, MAC, 1);
    expect(sent).toEqual([MAC, MAC]);
    test.advance(WAIT_MS * 2);
    expect([asked.length, test.leaks()]).toEqual([2, []]);
  });

  it('drops what waited for a second, and may ask again', () => {
    const { test, asked, drops, table } = setUp();
    const neighbour = table.get(GUEST);
    table.wait(neighbour, frame());
    test.advance(WAIT_MS);
    expect(drops).toEqual(['neighbour-unresolved']);
    expect(test.leaks()).toEqual([]);
    table.wait(neighbour, frame());
    expect(asked.length).toBe(3);
    table.close();
  });

  it('caps frames of one entry, and entries', () => {
    const { drops, table } = setUp();
    const neighbour = table.get(GUEST);
    for (let i = 0; i < MAX_WAITING + 3; i++) table.wait(neighbour, frame());
    expect(drops).toEqual(Array(3).fill('neighbour-queue-full'));
    for (let i = 0; i < MAX_NEIGHBOURS + 5; i++) table.learn(ipv4Address(0x0b000000 + i), MAC + i, 1);
    // A port has three quarters at most; who waits for an answer loses nothing by it, and another port finds room.
    expect(table.size).toBe((MAX_NEIGHBOURS * 3) / 4 + 1);
    expect(neighbour.live).toBe(true);
    table.learn(ipv4Address(0x0c000000), MAC, 2);
    expect(table.size).toBe((MAX_NEIGHBOURS * 3) / 4 + 2);
    table.close();
    expect(table.size).toBe(0);
  });

  it('caps the bytes of all that waits', () => {
    const { drops, table } = setUp();
    for (let i = 0; i < 100; i++) table.wait(table.get(ipv4Address(i + 1)), frame(65_536));
    expect(drops.filter((reason) => reason === 'neighbour-queue-full').length).toBe(36);
    table.close();
  });

  it('forgets an address nothing confirmed for long, unless packets keep coming from the pair', () => {
    const { test, table } = setUp();
    table.learn(GUEST, MAC, 1);
    const neighbour = table.get(GUEST);
    test.advance(AGE_MS - 1);
    table.confirm(GUEST, MAC + 1);
    table.confirm(GUEST, MAC);
    test.advance(AGE_MS - 1);
    expect(table.macOf(neighbour)).toBe(MAC);
    test.advance(2);
    expect(table.macOf(neighbour)).toBe(0);
    table.close();
  });

  it('refuses group addresses', () => {
    const { table, drops } = setUp();
    table.learn(GUEST, 0x01005e000001, 1);
    table.learn(GUEST, 0, 1);
    expect([table.size, drops.length]).toEqual([0, 2]);
  });
});
