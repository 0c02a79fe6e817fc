/** What one port takes of the user network the others still have, whatever addresses it invents. */
import { describe, expect, it } from 'vitest';
import { type DatagramOptions, HostError } from '../../../src/net/host.ts';
import { STRAY_RESETS_PER_SECOND } from '../../../src/slirp/tcp-limits.ts';
import * as w from '../../../src/wire/index.ts';
import { limitSockets } from '../../kit/limited-sockets.ts';
import type { MemoryDatagram } from '../../kit/memory/datagram.ts';
import { GUEST, HOST, icmpOf, ipv4Frame, tcpSegment, udpFrame, udpOf, type World } from './world.ts';
import { worldPerTest } from './world-per-test.ts';

const QUIET = 1;
const HOSTILE = 2;
const open = worldPerTest();

/** Another address of the guests' network each time. */
const invented = (i: number): number => 0x0a000210 + (i % 200);

describe('ICMP errors', () => {
  it('one port uses up its own', async () => {
    const on = await open();
    for (let i = 0; i < 2000; i++) on.give(udpFrame(5000, 9, 'x', { ttl: 1, source: invented(i) }), HOSTILE);
    const dropped = (): number => on.client.usernet?.statistics()['drop.icmp-error-rate'] ?? 0;
    expect(dropped()).toBe(1900);
    on.take();
    const [told] = await on.exchange(udpFrame(5000, 9, 'x', { ttl: 1 }));
    expect(icmpOf(told)).toMatchObject({ source: HOST, type: w.ICMP_TIME_EXCEEDED });
  });

  it('so it is with those about datagrams sent earlier', async () => {
    const on = await open();
    on.test.network.local.icmp = true;
    on.give(udpFrame(5000, 9, 'x', { source: GUEST }), QUIET);
    for (let i = 0; i < 300; i++) on.give(udpFrame(6000 + i, 9, 'x', { source: GUEST + 1 }), HOSTILE);
    await on.test.elapse(1);
    on.take();
    for (let i = 0; i < 300; i++) on.give(udpFrame(6000 + i, 9, 'x', { source: GUEST + 1 }), HOSTILE);
    const told = (await on.exchange(udpFrame(5000, 9, 'y', { source: GUEST }), 1)).map((frame) =>
      w.ipv4Destination(frame, 14),
    );
    expect(told.filter((destination) => destination === GUEST)).toHaveLength(1);
    expect(on.client.usernet?.statistics()['drop.icmp-error-rate']).toBeGreaterThan(300);
  });
});

describe('stray TCP segments', () => {
  it('of one port, from invented sources, cost the others no answer and no question for their addresses', async () => {
    const on = await open();
    for (let i = 0; i < 5000; i++) on.give(tcpSegment([4000, 80], w.TCP_ACK, {}, { source: 0x0a000310 + i }), HOSTILE);
    const sent = on.take();
    expect(sent).toHaveLength(STRAY_RESETS_PER_SECOND);
    expect(sent.every((frame) => w.ethernetType(frame, 0) === w.ETHERTYPE_ARP)).toBe(true);
    expect(statistics(on)['drop.tcp-stray-limit']).toBe(5000 - STRAY_RESETS_PER_SECOND);
    // One that is known, and one that has to be asked for.
    on.give(tcpSegment([4000, 80], w.TCP_ACK), QUIET);
    on.give(tcpSegment([4000, 80], w.TCP_ACK, {}, { source: GUEST + 1 }), QUIET);
    expect(on.take().map((frame) => w.ethernetType(frame, 0))).toEqual([w.ETHERTYPE_IPV4, w.ETHERTYPE_ARP]);
  });

  it('of one port, from a single guest, are answered at a limited rate', async () => {
    const on = await open();
    for (let i = 0; i < 5000; i++) on.give(tcpSegment([4000, 80], w.TCP_ACK), QUIET);
    expect(on.take()).toHaveLength(STRAY_RESETS_PER_SECOND);
    await on.test.elapse(1000);
    on.give(tcpSegment([4000, 80], w.TCP_ACK), QUIET);
    expect(on.take()).toHaveLength(1);
  });
});

const statistics = (on: World): Record<string, number> => on.client.usernet?.statistics() ?? {};
const NEIGHBOUR = 0xc6336402;
const FAR = 0xcb007132;

/** The only one that the stack has. */
function ownSocket(on: World): MemoryDatagram {
  const [socket] = [...on.test.network.local.datagrams].filter(({ localAddress }) => localAddress.port >= 32_768);
  if (socket === undefined) throw new TypeError('no socket');
  return socket;
}

describe('UDP flows', () => {
  it.each([
    ['from invented addresses', (i: number) => ({ source: invented(i), destination: NEIGHBOUR })],
    ["from the other guest's own address and port", () => ({ destination: NEIGHBOUR })],
  ])('a flood %s takes none of another port', { timeout: 60_000 }, async (_what, from) => {
    const on = await open();
    on.give(udpFrame(5000, 9000, 'first'), QUIET);
    await on.test.elapse(10);
    on.take();
    for (let i = 0; i < 10_000; i++) {
      on.give(udpFrame(i % 3 === 0 ? 5000 : 6000 + (i % 7), 10_000 + (i >> 2), 'x', from(i)), HOSTILE);
      if (i % 1000 === 0) await on.test.elapse(1);
    }
    await on.test.elapse(1);
    expect(statistics(on)['udp.flows']).toBeGreaterThan(2500);
    expect(statistics(on)['udp.flows']).toBeLessThanOrEqual(6145);
    const kept = on.client.usernet?.flows().filter(({ destinationPort }) => destinationPort === 9000);
    expect(kept).toHaveLength(1);
    on.take();
    on.give(udpFrame(5000, 9000, 'second'), QUIET);
    await on.test.elapse(10);
    expect(on.take().map((frame) => udpOf(frame).text)).toEqual(['R:second']);
  });

  it('a host without sockets takes them from the port that has most, and gives it no more than its share', async () => {
    const on = await open();
    for (let i = 0; i < 4; i++) on.give(udpFrame(5000 + i, 9000, 'x'), QUIET);
    for (let i = 0; i < 36; i++) on.give(udpFrame(6000, 9000, 'x', { source: GUEST + 1 + i }), HOSTILE);
    await on.test.elapse(10);
    expect(statistics(on)['udp.sockets']).toBe(40);
    on.test.network.fail({ on: 'datagram', code: 'EMFILE', count: 1 });
    on.give(udpFrame(5004, 9000, 'x'), QUIET);
    await on.test.elapse(10);
    const held = () => {
      const flows = on.client.usernet?.flows() ?? [];
      const quiet = flows.filter(({ sourceAddress }) => sourceAddress === '10.0.2.15').length;
      return [quiet, flows.length - quiet];
    };
    expect(held()).toEqual([4, 31]);
    for (let i = 0; i < 100; i++) on.give(udpFrame(7000, 9000, 'x', { source: GUEST + 1 + i }), HOSTILE);
    await on.test.elapse(10);
    expect(held()).toEqual([4, 27]);
    for (let i = 0; i < 6; i++) on.give(udpFrame(5004 + i, 9000, 'x'), QUIET);
    await on.test.elapse(10);
    expect(held()).toEqual([10, 27]);
    await on.test.elapse(60_000);
    for (let i = 0; i < 100; i++) on.give(udpFrame(8000, 9000, 'x', { source: GUEST + 1 + i }), HOSTILE);
    await on.test.elapse(10);
    expect(held()).toEqual([10, 127]);
  });

  it('beyond its share of the descriptors a port loses its own longest unused socket, and no other port any', async () => {
    const on = await open();
    limitSockets(on.test.host.sockets, 40);
    for (let i = 0; i < 5; i++) on.give(udpFrame(5000 + i, 9000, 'x'), QUIET);
    const from = (port: number, to = 9000) => udpFrame(port, to, 'x', { source: GUEST + 1 });
    for (let port = 6000; port < 6100; port++) {
      on.give(from(port), HOSTILE);
      await on.test.elapse(1);
      // In use all the time, with two flows.
      on.give(from(6000, 9000 + (port % 2)), HOSTILE);
    }
    await on.test.elapse(10);
    const ports = new Map<string, number[]>();
    for (const { sourceAddress, sourcePort } of on.client.usernet?.flows() ?? []) {
      ports.set(sourceAddress, [...(ports.get(sourceAddress) ?? []), sourcePort]);
    }
    expect(ports.get('10.0.2.15')).toHaveLength(5);
    const held = new Set(ports.get('10.0.2.16'));
    expect(held.size).toBeGreaterThan(20);
    expect(held).toContain(6000);
    expect(held).toContain(6099);
    expect(held).not.toContain(6001);
    expect(statistics(on)['drop.udp-socket-failed']).toBeUndefined();
  });

  it('a port without a descriptor left takes none of another one', async () => {
    const on = await open();
    for (let i = 0; i < 20; i++) on.give(udpFrame(5000 + i, 9000, 'x'), QUIET);
    await on.test.elapse(10);
    const { sockets } = on.test.host;
    const datagram = sockets.datagram.bind(sockets);
    Object.assign(sockets, {
      mayConnect: (share: number) => share !== HOSTILE,
      datagram: async (options: DatagramOptions) => {
        if (options.share === HOSTILE) throw new HostError('EMFILE', 'Too many open files');
        return datagram(options);
      },
    });
    on.give(udpFrame(6000, 9000, 'x', { source: GUEST + 1 }), HOSTILE);
    await on.test.elapse(10);
    expect(statistics(on)).toMatchObject({ 'udp.flows': 20, 'drop.udp-socket-failed': 1 });
  });

  it('senders outside take no place of a guest, nor of those that it has answered', { timeout: 60_000 }, async () => {
    const on = await open();
    on.give(udpFrame(5000, 9000, 'first'), QUIET);
    await on.test.elapse(10);
    const socket = ownSocket(on);
    const to = socket.localAddress;
    const send = (port: number): void => {
      const from = { family: 'ipv4' as const, host: '203.0.113.50', port };
      socket.deliver({ from, to, bytes: Uint8Array.of(1), ttl: 64, tos: 0 });
    };
    for (const port of [7000, 7001]) send(port);
    await on.test.elapse(1);
    on.give(udpFrame(5000, 7000, 'welcome', { destination: FAR }), QUIET);
    // In the guest's name, by another port: that may not take it into its own share.
    on.give(udpFrame(5000, 7001, 'spoofed', { destination: FAR }), HOSTILE);
    for (let port = 10_000; port < 18_000; port++) {
      send(port);
      if (port % 50 === 0) await on.test.elapse(1);
    }
    await on.test.elapse(1);
    expect(statistics(on)['udp.flowsEvicted']).toBeGreaterThan(1500);
    const ports = on.client.usernet?.flows().map(({ destinationPort }) => destinationPort);
    expect(ports?.filter((port) => port < 10_000)).toEqual(expect.arrayContaining([7000, 9000]));
    expect(ports).not.toContain(7001);
  });

  it('datagrams that wait for their sockets leave room for those of another port', async () => {
    const on = await open();
    const large = new Uint8Array(1400);
    for (let i = 0; i < 1600; i++)
      on.give(udpFrame(6000 + (i >> 4), 9000, large, { source: invented(i >> 4) }), HOSTILE);
    const dropped = statistics(on)['drop.udp-opening'] ?? 0;
    expect(dropped).toBeGreaterThan(1000);
    on.give(udpFrame(5000, 9000, 'x'), QUIET);
    expect(statistics(on)['drop.udp-opening']).toBe(dropped);
    await on.test.elapse(10);
    expect(on.take().filter((frame) => w.ipv4Destination(frame, 14) === GUEST)).toHaveLength(1);
  });

  it('what belonged to a port that is gone is its again when the guest writes by another one', {
    timeout: 60_000,
  }, async () => {
    const on = await open();
    on.give(udpFrame(5000, 9000, 'x'), QUIET);
    on.give(udpFrame(5001, 9000, 'x'), QUIET);
    await on.test.elapse(10);
    on.client.ingressGone?.(QUIET);
    on.give(udpFrame(5000, 9000, 'x'), 7);
    for (let i = 0; i < 7000; i++) on.give(udpFrame(6000, 10_000 + i, 'x', { destination: NEIGHBOUR }), HOSTILE);
    const kept = on.client.usernet?.flows().filter(({ destinationPort }) => destinationPort === 9000);
    expect(kept?.map(({ sourcePort }) => sourcePort)).toEqual([5000]);
  });

  it('and its sockets are, so that a host without sockets takes them from the port that has most', async () => {
    const on = await open();
    for (let i = 0; i < 8; i++) on.give(udpFrame(5000 + i, 9000, 'x'), QUIET);
    for (let i = 0; i < 3; i++) on.give(udpFrame(6000 + i, 9000, 'x', { source: GUEST + 1 }), HOSTILE);
    await on.test.elapse(10);
    on.client.ingressGone?.(QUIET);
    // One by its old flow, one by a new one.
    for (let i = 0; i < 8; i++) on.give(udpFrame(5000 + i, 9000 + (i % 2), 'x'), 7);
    on.test.network.fail({ on: 'datagram', code: 'EMFILE', count: 1 });
    on.give(udpFrame(6003, 9000, 'x', { source: GUEST + 1 }), HOSTILE);
    await on.test.elapse(10);
    expect(statistics(on)['udp.sockets']).toBe(10);
  });
});

describe('echo flows', () => {
  it('a flood of identifiers takes none of another port', async () => {
    const on = await open();
    on.test.network.local.icmp = true;
    const ask = (id: number, sequence: number, source = GUEST): Uint8Array => {
      const message = new Uint8Array(16);
      w.emitIcmp(message, 0, w.ICMP_ECHO_REQUEST, 0, ((id << 16) | sequence) >>> 0, 8);
      return ipv4Frame(w.PROTOCOL_ICMP, message, { source, destination: NEIGHBOUR });
    };
    on.give(ask(1, 1), QUIET);
    await on.test.elapse(10);
    for (let i = 0; i < 1000; i++) on.give(ask(i, 1, i % 2 === 0 ? GUEST + 1 : invented(i)), HOSTILE);
    await on.test.elapse(10);
    on.take();
    expect(statistics(on)).toMatchObject({ 'icmp.flows': 193 });
    on.give(ask(1, 2), QUIET);
    await on.test.elapse(10);
    expect(on.take().map((frame) => icmpOf(frame).type)).toEqual([w.ICMP_ECHO_REPLY]);
    expect(statistics(on)['icmp.flowsEvicted']).toBe(1000 - 192);
  });
});
