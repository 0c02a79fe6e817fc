/** ICMP errors that the host side queues, told to the guest about its own datagram. */
import { describe, expect, it } from 'vitest';
import { IPV4_HEADER_LENGTH, MAC_BROADCAST, TCP_ACK, TCP_SYN, UDP_HEADER_LENGTH } from '../../../src/wire/index.ts';
import type { QueuedError } from '../../kit/memory/datagram.ts';
import {
  announce,
  echoServer,
  GUEST,
  HOST,
  icmpOf,
  listenOn,
  tcpSegment,
  udpFrame,
  udpOf,
  type World,
} from './world.ts';
import { worldPerTest } from './world-per-test.ts';

const FAR = 0xcb007107;
const FAR_HOST = '203.0.113.7';
const ROUTER = 0xcb007101;

const open = worldPerTest(({ test, give }) => {
  Object.assign(test.network.local, { icmp: true });
  test.network.addHost(FAR_HOST);
  give(announce());
});

const address = (host: string, port = 0) => ({ family: 'ipv4' as const, host, port });
const toFar = (text: string, port = 7000, sourcePort = 5000) => udpFrame(sourcePort, port, text, { destination: FAR });

/** An error for the only socket of the stack. */
async function queue(on: World, ...errors: QueuedError[]): Promise<Uint8Array[]> {
  const [socket] = [...on.test.network.local.datagrams].filter(
    (s) => s.localAddress.port >= 32_768 && s.localAddress.port < 60_768,
  );
  for (const error of errors) socket?.queueError(error);
  await on.test.elapse(1);
  return on.take();
}

describe('ICMP errors of UDP flows', () => {
  it('a closed port is told from the address that the guest wrote to, quoting its datagram', async () => {
    const on = await open();
    const sent = toFar('hello');
    const [reply] = await on.exchange(sent);
    const error = icmpOf(reply);
    expect(error).toMatchObject({ source: FAR, type: 3, code: 3 });
    expect(error.quote).toEqual(sent.subarray(14));
    const [loopback, ...more] = await on.exchange(udpFrame(5000, 9, 'x'));
    expect(icmpOf(loopback)).toMatchObject({ source: HOST, type: 3, code: 3 });
    expect(more).toEqual([]);
  });

  it('each error is about the flow it names, also where one socket serves several', async () => {
    const on = await open();
    await echoServer(on.test, '127.0.0.1', 9000);
    await on.exchange(toFar('a', 7001));
    await on.exchange(toFar('b', 7002));
    expect(udpOf((await on.exchange(udpFrame(5000, 9000, 'c')))[0]).text).toBe('R:c');
    const replies = await queue(
      on,
      { type: 11, code: 0, destination: address(FAR_HOST, 7002), offender: address('203.0.113.1') },
      { type: 3, code: 1, destination: address(FAR_HOST, 7001), offender: address('203.0.113.1') },
      { type: 3, code: 13, destination: address(FAR_HOST, 7009), offender: address('203.0.113.1') },
    );
    const destinationPort = IPV4_HEADER_LENGTH + 2;
    const told = replies
      .map(icmpOf)
      .map(({ source, type, code, quote }) => [source, type, code, quote[destinationPort + 1]]);
    expect(told).toEqual([
      [ROUTER, 11, 0, 7002 & 0xff],
      [ROUTER, 3, 1, 7001 & 0xff],
    ]);
    expect(on.client.usernet?.statistics()).toMatchObject({ 'drop.udp-icmp-ignored': 1, 'icmp.relayed': 4 });
  });

  it("fragmentation needed carries the next hop's MTU, the router's or this host's own", async () => {
    const on = await open();
    await echoServer(on.test, FAR_HOST, 7000);
    await on.exchange(toFar('x'.repeat(1400)));
    const destination = address(FAR_HOST, 7000);
    const replies = await queue(
      on,
      { type: 3, code: 4, mtu: 1300, destination, offender: address('203.0.113.1') },
      { type: -1, code: 0, mtu: 1280, destination },
    );
    expect(replies.map((frame) => [icmpOf(frame).source, icmpOf(frame).type, icmpOf(frame).code])).toEqual([
      [ROUTER, 3, 4],
      [HOST, 3, 4],
    ]);
    expect(replies.map((frame) => ((frame[40] ?? 0) << 8) | (frame[41] ?? 0))).toEqual([1300, 1280]);
    expect(icmpOf(replies[0]).quote.length).toBe(548);
  });

  it('an offender on loopback is the host alias; other kinds and errors of this host are not passed on', async () => {
    const on = await open();
    await echoServer(on.test, FAR_HOST, 7000);
    await on.exchange(toFar('x'));
    const destination = address(FAR_HOST, 7000);
    const replies = await queue(
      on,
      { type: 3, code: 9, destination, offender: address('127.0.0.1') },
      { type: 12, code: 0, destination, offender: address('203.0.113.1') },
      { type: 3, code: 16, destination, offender: address('203.0.113.1') },
      { type: 5, code: 0, destination, offender: address('203.0.113.1') },
      { type: -1, code: 0, destination },
    );
    expect(replies.map((frame) => icmpOf(frame))).toMatchObject([{ source: HOST, type: 3, code: 9 }]);
  });

  it('the code that the socket repeats is not told again; a send that fails at once is', async () => {
    const on = await open();
    await echoServer(on.test, FAR_HOST, 7000);
    await on.exchange(toFar('x'), 3000);
    for (const socket of on.test.network.local.datagrams) {
      if (socket.localAddress.port < 32_768) continue;
      socket.raise('EHOSTUNREACH');
      socket.queueError({ type: 3, code: 1, destination: address(FAR_HOST, 7000) });
    }
    await on.test.elapse(1);
    expect(on.take().length).toBe(1);
    const [reply] = await on.exchange(udpFrame(5001, 9, 'x', { destination: 0x08080808 }));
    expect(icmpOf(reply)).toMatchObject({ source: HOST, type: 3, code: 0 });
    await on.test.elapse(1000);
    for (const socket of on.test.network.local.datagrams) socket.raise('EHOSTUNREACH');
    await on.test.elapse(1);
    expect(on.take()).toEqual([]);
  });

  it('a flood of errors is rate limited', async () => {
    const on = await open();
    await echoServer(on.test, FAR_HOST, 7000);
    await on.exchange(toFar('x'));
    const error = { type: 3, code: 1, destination: address(FAR_HOST, 7000) };
    let told = 0;
    for (let i = 0; i < 10; i++) told += (await queue(on, ...new Array<QueuedError>(60).fill(error))).length;
    expect(told).toBeGreaterThanOrEqual(100);
    expect(told).toBeLessThan(120);
  });

  it('the quotation is what the guest sent last on that flow', async () => {
    const on = await open();
    await echoServer(on.test, FAR_HOST, 7000);
    await on.exchange(toFar('first'));
    const last = toFar('second, longer');
    await on.exchange(last);
    const [reply] = await queue(on, { type: 11, code: 0, destination: address(FAR_HOST, 7000) });
    const { quote } = icmpOf(reply);
    expect(quote).toEqual(last.subarray(14));
    expect(quote.length).toBe(IPV4_HEADER_LENGTH + UDP_HEADER_LENGTH + 14);
    expect(GUEST).toBe(((quote[12]! << 24) | (quote[13]! << 16) | (quote[14]! << 8) | quote[15]!) >>> 0);
  });
});

describe('TCP segments to everybody', () => {
  it.each([
    ['by Ethernet', { destinationMac: MAC_BROADCAST }],
    ['by Ethernet, to a group', { destinationMac: 0x01005e000001 }],
    ['by IP, all', { destination: 0xffff_ffff }],
    ['by IP, all of the network', { destination: 0x0a0002ff }],
    ['by IP, a group', { destination: 0xe0000001 }],
  ])('%s: no connection, no reset and no ICMP error', async (_how, to) => {
    const on = await open();
    await listenOn(on.test, '127.0.0.1', 80);
    on.test.network.fail({ on: 'connect', host: FAR_HOST, code: 'EHOSTUNREACH' });
    const far = { destination: FAR, ...to };
    on.give(tcpSegment([5000, 80], TCP_SYN, {}, to));
    on.give(tcpSegment([5001, 81], TCP_SYN, {}, to));
    on.give(tcpSegment([5002, 80], TCP_ACK, {}, to));
    on.give(tcpSegment([5003, 80], TCP_SYN, {}, far));
    on.give(tcpSegment([5004, 80], TCP_SYN, {}, { ...far, ttl: 1 }));
    await on.test.elapse(10);
    expect(on.take()).toEqual([]);
    expect(on.client.usernet?.statistics()).toMatchObject({ 'tcp.flows': 0, 'drop.tcp-to-many': 5 });
  });
});
