/** Echo requests of guests to addresses outside. */
import { describe, expect, it } from 'vitest';
import * as w from '../../../src/wire/index.ts';
import type { MemoryDatagram } from '../../kit/memory/datagram.ts';
import { ROUTER } from '../../kit/memory/network.ts';
import { announce, GUEST, HOST, icmpOf, ipv4Frame, type World } from './world.ts';
import { worldPerTest } from './world-per-test.ts';

const FAR = 0xcb007107;
const FAR_HOST = '203.0.113.7';
const DISTANT = 0xcb007108;
const ROUTER_ADDRESS = 0xcb0071fe;

const open = worldPerTest(({ test, give }) => {
  Object.assign(test.network.local, { icmp: true });
  test.network.addHost(FAR_HOST, { latencyMs: 10 });
  Object.assign(test.network.addHost('203.0.113.8'), { hops: 3 });
  give(announce());
});

function request(
  identifier: number,
  sequence: number,
  options: Parameters<typeof ipv4Frame>[2] & { size?: number } = {},
): Uint8Array {
  const { size = 56 } = options;
  const message = new Uint8Array(w.ICMP_HEADER_LENGTH + size);
  for (let i = 0; i < size; i++) message[w.ICMP_HEADER_LENGTH + i] = i;
  w.emitIcmp(message, 0, w.ICMP_ECHO_REQUEST, 0, ((identifier << 16) | sequence) >>> 0, size);
  return ipv4Frame(w.PROTOCOL_ICMP, message, { destination: FAR, ...options });
}

const statistics = (on: World) => on.client.usernet?.statistics() ?? {};
const pings = (on: World): MemoryDatagram[] => [...on.test.network.local.pings];

describe('ping to the outside', () => {
  it("is answered with the guest's identifier, sequence number and data", async () => {
    const on = await open();
    const sent = request(0x4321, 7, { tos: 0x10, ttl: 33 });
    on.give(sent);
    await on.test.elapse(15);
    expect(on.take()).toEqual([]);
    await on.test.elapse(10);
    const [reply] = on.take();
    const ip = w.parseIpv4(reply!, 14, reply!.length);
    expect(ip).toMatchObject({ source: FAR, destination: GUEST, ttl: 255, tos: 0x10 });
    expect(icmpOf(reply)).toMatchObject({ type: 0, code: 0 });
    expect(w.icmpRest(reply!, 34)).toBe(0x4321_0007);
    expect(reply!.subarray(42)).toEqual(sent.subarray(42));
  });

  it('one identifier is one socket, whatever the destination; those that are open are listed', async () => {
    const on = await open();
    for (let i = 1; i <= 3; i++) expect((await on.exchange(request(1, i))).length).toBe(1);
    expect((await on.exchange(request(1, 4, { destination: DISTANT }))).length).toBe(1);
    expect((await on.exchange(request(2, 1))).length).toBe(1);
    expect(pings(on).length).toBe(2);
    expect(statistics(on)).toMatchObject({ 'icmp.flows': 2, 'icmp.requestsToHost': 5, 'icmp.repliesToGuest': 5 });
    expect(on.client.usernet?.flows()).toMatchObject([
      { protocol: 'icmp', sourceAddress: '10.0.2.15', sourcePort: 2, destinationAddress: FAR_HOST },
      { protocol: 'icmp', sourceAddress: '10.0.2.15', sourcePort: 1, destinationAddress: '203.0.113.8' },
    ]);
  });

  it('requests while the socket opens wait, four of them', async () => {
    const on = await open();
    for (let i = 0; i < 6; i++) on.give(request(1, i));
    await on.test.elapse(100);
    expect(on.take().map((frame) => w.icmpEchoSequence(frame, 34))).toEqual([0, 1, 2, 3]);
    expect(statistics(on)['drop.icmp-opening']).toBe(2);
  });

  it('a trace: the first hop is the gateway, the next a router, the last the destination', async () => {
    const on = await open();
    const hops = [];
    for (let ttl = 1; ttl <= 4; ttl++) {
      const sent = request(9, ttl, { ttl, destination: DISTANT });
      const [reply] = await on.exchange(sent);
      const { source, type, code, quote } = icmpOf(reply);
      hops.push([source, type, code]);
      if (type === w.ICMP_TIME_EXCEEDED) expect(quote).toEqual(sent.subarray(14));
    }
    expect(hops).toEqual([
      [HOST, 11, 0],
      [ROUTER_ADDRESS, 11, 0],
      [ROUTER_ADDRESS, 11, 0],
      [DISTANT, 0, 0],
    ]);
    expect(ROUTER).toBe('203.0.113.254');
  });

  it('errors of requests that are under way at once find their own', async () => {
    const on = await open();
    await on.exchange(request(9, 0));
    for (let ttl = 2; ttl <= 4; ttl++) on.give(request(9, ttl, { ttl, destination: DISTANT, size: 20 + ttl }));
    await on.test.elapse(100);
    const told = on.take().map((frame) => [icmpOf(frame).type, icmpOf(frame).quote.length, icmpOf(frame).quote[27]]);
    expect(told).toContainEqual([11, 28 + 22, 2]);
    expect(told).toContainEqual([11, 28 + 23, 3]);
    expect(told.length).toBe(3);
  });

  it('an unreachable network is told; errors about forgotten requests and strange replies are not', async () => {
    const on = await open();
    const sent = request(3, 1, { destination: 0x08080808 });
    const [reply] = await on.exchange(sent);
    expect(icmpOf(reply)).toMatchObject({ source: HOST, type: 3, code: 0 });
    expect(icmpOf(reply).quote).toEqual(sent.subarray(14));
    const [socket] = pings(on);
    socket?.queueError({ type: 3, code: 1, quoted: Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 2) });
    const from = { family: 'ipv4' as const, host: FAR_HOST, port: 0 };
    for (const bytes of [
      Uint8Array.of(0, 0, 0),
      Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 1),
      Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 5),
    ]) {
      socket?.deliver({ bytes, from, to: from, ttl: 64, tos: 0 });
    }
    await on.test.elapse(1);
    expect(on.take()).toEqual([]);
    expect(statistics(on)).toMatchObject({ 'drop.icmp-error-ignored': 1, 'drop.icmp-reply-invalid': 3 });
  });

  it('at most 192 flows of a port are open, its longest unused goes; idle ones end after 240 s', async () => {
    const on = await open();
    for (let i = 0; i < 300; i++) on.give(request(i, 1));
    await on.test.elapse(100);
    expect(pings(on).length).toBe(192);
    expect(statistics(on)).toMatchObject({ 'icmp.flows': 192, 'icmp.flowsEvicted': 108 });
    await on.test.elapse(200_000);
    await on.exchange(request(299, 2));
    await on.test.elapse(50_000);
    expect(pings(on).length).toBe(1);
    await on.test.elapse(240_000);
    expect(pings(on)).toEqual([]);
    expect(statistics(on)['icmp.flows']).toBe(0);
  });

  it('who may not have an echo socket is told; the host is asked again after ten seconds', async () => {
    const on = await open();
    on.test.network.fail({ on: 'ping', code: 'EACCES', count: 1 });
    const [first] = await on.exchange(request(1, 1), 1);
    expect(icmpOf(first)).toMatchObject({ source: HOST, type: 3, code: w.ICMP_PROHIBITED });
    const [second] = await on.exchange(request(1, 2));
    expect(icmpOf(second)).toMatchObject({ source: HOST, type: 3, code: w.ICMP_PROHIBITED });
    await on.test.elapse(10_000);
    const [third] = await on.exchange(request(1, 3));
    expect(icmpOf(third)).toMatchObject({ source: FAR, type: 0 });
  });

  it('a host that is out of sockets drops the request, and the next one finds room', async () => {
    const on = await open();
    await on.exchange(request(1, 1));
    on.test.network.fail({ on: 'ping', code: 'EMFILE', count: 1 });
    expect(await on.exchange(request(2, 1))).toEqual([]);
    expect(pings(on)).toEqual([]);
    expect((await on.exchange(request(2, 2))).length).toBe(1);
  });

  it('broadcast and addresses of the network are no outside; under restrict nothing is', async () => {
    const on = await open();
    for (const destination of [0xffff_ffff, 0xe000_0001, 0x0a0002ff]) await on.exchange(request(1, 1, { destination }));
    expect(pings(on)).toEqual([]);
  });

  it('under restrict nothing is answered', async () => {
    const on = await open({ restrict: true });
    expect(await on.exchange(request(1, 1))).toEqual([]);
    expect(statistics(on)['drop.restricted']).toBe(1);
    expect(pings(on)).toEqual([]);
  });

  it('large requests come back in fragments', async () => {
    const on = await open();
    const replies = await on.exchange(request(1, 1, { size: 3000 }));
    expect(replies.length).toBe(3);
    expect(Math.max(...replies.map((frame) => frame.length))).toBeLessThanOrEqual(1514);
  });
});
