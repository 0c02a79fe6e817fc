import { describe, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { STRANGERS } from '../net/index.ts';
import { ipv4Address, ipv4Of } from './address.ts';
import {
  type AddressOwner,
  type AddressOwners,
  AGE_MS,
  CLAIM_MS,
  CLAIM_REST_MS,
  IN_USE_MS,
  MAX_NEIGHBOURS,
  MAX_WAITING,
  NeighbourTable,
  WAIT_MS,
  type WaitingFrame,
} from './neighbours.ts';

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
  const probed: number[] = [];
  const claims: number[][] = [];
  /** Ports that cause too many questions. */
  const mute = new Set<number>();
  const owned = new Map<number, AddressOwner>();
  const owners: AddressOwners = { ownerOf: (address) => owned.get(ipv4Of(address)), learnt: () => {} };
  const table = new NeighbourTable(test.clock, test.host.timers, 1, owners, {
    ask: (neighbour, ingress) => !mute.has(ingress) && asked.push(ipv4Of(neighbour.guest)) > 0,
    askAt: (_, mac, ingress) => !mute.has(ingress) && probed.push(mac) > 0,
    claimed: (_, holder, mac) => claims.push([holder, mac]),
    send: (neighbour) => sent.push(neighbour.mac),
    drop: (reason) => drops.push(reason),
  });
  return { test, asked, probed, claims, owned, mute, sent, drops, table };
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
    // Three quarters of what all may hold, for what belongs to no port; the guest of a port finds the rest.
    expect(drops.filter((reason) => reason === 'neighbour-queue-full').length).toBe(52);
    table.wait(table.get(GUEST, 7), frame(65_536));
    expect(drops.filter((reason) => reason === 'neighbour-queue-full').length).toBe(52);
    table.close();
  });

  it('keeps what is in use when a port invents guests, and learns nothing more when all of its are', () => {
    const { drops, table, test } = setUp();
    const cap = (MAX_NEIGHBOURS * 3) / 4;
    table.learn(GUEST, MAC, 1);
    const used = table.get(GUEST);
    table.macToSend(used);
    for (let i = 0; i < 2 * cap; i++) table.learn(ipv4Address(0x0b000000 + i), MAC, 1);
    expect([used.live, table.size]).toEqual([true, cap]);
    for (let i = 0; i < 2 * cap; i++) {
      const neighbour = table.find(ipv4Address(0x0b000000 + i));
      if (neighbour !== undefined) table.macToSend(neighbour);
    }
    const before = drops.length;
    table.learn(ipv4Address(0x0c000000), MAC, 1);
    expect(drops.slice(before)).toEqual(['neighbour-share']);
    test.advance(IN_USE_MS + 1);
    table.learn(ipv4Address(0x0c000000), MAC, 1);
    expect(table.find(ipv4Address(0x0c000000))?.mac).toBe(MAC);
    table.close();
  });

  it('forgets an address nothing confirmed for long, unless packets keep coming from the pair', () => {
    const { test, table } = setUp();
    table.learn(GUEST, MAC, 1);
    const neighbour = table.get(GUEST);
    test.advance(AGE_MS - 1);
    table.confirm(GUEST, MAC + 1, 1);
    table.confirm(GUEST, MAC, 1);
    test.advance(AGE_MS - 1);
    expect(table.macOf(neighbour)).toBe(MAC);
    test.advance(2);
    expect(table.macOf(neighbour)).toBe(0);
    table.close();
  });

  it.each([
    ['another Ethernet address', 0x525400000001, 1],
    ['the same one at another port', MAC, 2],
  ])('believes a claim by %s only when the old place says nothing', (_, mac, ingress) => {
    const { asked, claims, drops, probed, table, test } = setUp();
    table.learn(GUEST, MAC, 1);
    const neighbour = table.get(GUEST);
    table.learn(GUEST, mac, ingress);
    table.learn(GUEST, mac, ingress);
    expect([probed, claims, drops]).toEqual([[MAC], [[MAC, mac]], ['neighbour-claim', 'neighbour-claim']]);
    test.advance(CLAIM_MS / 2);
    expect(asked).toEqual([0x0a00020f]);
    expect([neighbour.mac, neighbour.ingress]).toEqual([MAC, 1]);
    test.advance(CLAIM_MS / 2);
    expect([neighbour.mac, neighbour.ingress]).toEqual([mac, ingress]);
    expect(test.leaks()).toEqual([]);
  });

  it.each([
    ['answers', (table: NeighbourTable) => table.learn(GUEST, MAC, 1)],
    ['sends anything', (table: NeighbourTable) => table.confirm(GUEST, MAC, 1)],
  ])('refuses a claim when the old place %s, and looks at the next one a second later', (_, heard) => {
    const { claims, probed, table, test } = setUp();
    table.learn(GUEST, MAC, 1);
    table.confirm(GUEST, MAC, 1);
    table.learn(GUEST, MAC + 1, 2);
    heard(table);
    // The claimer's own voice counts for nothing.
    table.learn(GUEST, MAC + 1, 2);
    table.confirm(GUEST, MAC + 1, 2);
    test.advance(CLAIM_MS);
    expect(table.get(GUEST).mac).toBe(MAC);
    expect([probed.length, claims.length, test.leaks()]).toEqual([1, 1, []]);
    test.advance(CLAIM_REST_MS);
    table.learn(GUEST, MAC + 1, 2);
    expect([probed.length, claims.length]).toEqual([2, 1]);
    test.advance(CLAIM_MS);
    expect(table.get(GUEST).mac).toBe(MAC + 1);
    table.close();
  });

  it('believes at once who claims the address of a port that is gone', () => {
    const { drops, table, test } = setUp();
    table.learn(GUEST, MAC, 1);
    table.ingressGone(1);
    table.learn(GUEST, MAC + 1, 2);
    expect([table.get(GUEST).mac, drops]).toEqual([MAC + 1, []]);
    table.learn(GUEST, MAC, 3);
    table.ingressGone(2);
    expect([table.get(GUEST).mac, table.get(GUEST).ingress]).toEqual([MAC, 3]);
    table.close();
    expect(test.leaks()).toEqual([]);
  });

  it('forgets the claim of a port that is gone', () => {
    const { table, test } = setUp();
    table.learn(GUEST, MAC, 1);
    table.learn(GUEST, MAC + 1, 2);
    table.ingressGone(2);
    test.advance(CLAIM_MS);
    expect([table.get(GUEST).mac, table.get(GUEST).ingress]).toEqual([MAC, 1]);
    table.close();
  });

  it('goes by a lease where nothing was heard of the guest', () => {
    const { owned, probed, table, test } = setUp();
    owned.set(0x0a00020f, { mac: MAC, ingress: STRANGERS, gone: false });
    table.learn(GUEST, MAC + 1, 2);
    expect([table.get(GUEST).mac, probed]).toEqual([0, [MAC]]);
    table.learn(GUEST, MAC, 5);
    test.advance(CLAIM_MS);
    expect([table.get(GUEST).mac, table.get(GUEST).ingress]).toEqual([MAC, 5]);
    table.close();
  });

  it('sends nothing to a guest whose port is gone, and goes on when it is back', () => {
    const { asked, sent, table } = setUp();
    table.learn(GUEST, MAC, 1);
    const neighbour = table.get(GUEST);
    expect(table.macToSend(neighbour)).toBe(MAC);
    table.ingressGone(1);
    expect(table.macToSend(neighbour)).toBe(0);
    table.wait(neighbour, frame());
    expect([asked, sent]).toEqual([[0x0a00020f], []]);
    table.confirm(GUEST, MAC, 2);
    expect([table.macToSend(neighbour), sent]).toEqual([MAC, [MAC]]);
    table.close();
  });

  it('gives the owner of a lease its address back at once, and nobody else', () => {
    const { owned, table, test } = setUp();
    owned.set(0x0a00020f, { mac: MAC, ingress: 1, gone: false });
    table.learn(GUEST, MAC + 1, 2);
    test.advance(CLAIM_MS);
    expect(table.get(GUEST).mac).toBe(MAC + 1);
    table.learn(GUEST, MAC, 3);
    expect(table.get(GUEST).mac).toBe(MAC + 1);
    table.learn(GUEST, MAC, 1);
    expect([table.get(GUEST).mac, table.get(GUEST).ingress]).toEqual([MAC, 1]);
    table.close();
  });

  it('believes no claim that the old place was not asked about', () => {
    const { mute, probed, table, test } = setUp();
    table.learn(GUEST, MAC, 1);
    mute.add(2);
    table.learn(GUEST, MAC + 1, 2);
    test.advance(CLAIM_MS);
    mute.delete(2);
    table.learn(GUEST, MAC + 1, 2);
    mute.add(2);
    test.advance(CLAIM_MS);
    expect([table.get(GUEST).mac, probed]).toEqual([MAC, [MAC]]);
    expect(test.leaks()).toEqual([]);
  });

  it('what is sent to a new address drives out what is idle first, else what is unused for longest', () => {
    const { drops, table, test } = setUp();
    const cap = (MAX_NEIGHBOURS * 3) / 4;
    const at = (i: number) => ipv4Address(0x0b000000 + i);
    for (let i = 0; i < cap; i++) table.learn(at(i), MAC + i, 1);
    table.macToSend(table.get(at(0)));
    table.get(ipv4Address(0x0c000000), 1);
    expect([table.find(at(0))?.mac, table.find(at(1))]).toEqual([MAC, undefined]);
    // All are in use, and the first one again, later.
    for (let i = 2; i < cap; i++) table.macToSend(table.get(at(i)));
    table.macToSend(table.get(ipv4Address(0x0c000000)));
    test.advance(1000);
    table.macToSend(table.get(at(2)));
    table.macToSend(table.get(at(0)));
    table.get(ipv4Address(0x0c000001), 1);
    expect([table.find(at(0))?.mac, table.find(at(2))?.mac, table.find(at(3))]).toEqual([MAC, MAC + 2, undefined]);
    expect(drops).toEqual(['neighbour-evicted', 'neighbour-evicted']);
    table.close();
  });

  it('what belongs to nobody gives way even if something is still sent there, then what is idle', () => {
    const { drops, table } = setUp();
    for (let i = 0; i < (MAX_NEIGHBOURS * 3) / 4; i++) table.learn(ipv4Address(0x0b000000 + i), MAC + i, 1);
    for (let i = 0; i < 192; i++) table.learn(ipv4Address(0x0c000000 + i), MAC + i, 2);
    table.ingressGone(2);
    for (let i = 0; i < 192; i++) table.macToSend(table.get(ipv4Address(0x0c000000 + i)));
    table.learn(ipv4Address(0x0d000000), MAC, 1);
    expect(table.find(ipv4Address(0x0d000000))?.mac).toBe(MAC);
    expect(new Set(drops)).toEqual(new Set(['neighbour-evicted']));
    table.close();
  });

  it('the port of the last packet is not known any more when it is gone', () => {
    const { table } = setUp();
    table.confirm(GUEST, MAC, 1);
    expect(table.recentIngress(GUEST)).toBe(1);
    table.ingressGone(1);
    expect(table.recentIngress(GUEST)).toBe(STRANGERS);
  });

  it('refuses group addresses', () => {
    const { table, drops } = setUp();
    table.learn(GUEST, 0x01005e000001, 1);
    table.learn(GUEST, 0, 1);
    expect([table.size, drops.length]).toEqual([0, 2]);
  });
});
