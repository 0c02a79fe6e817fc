/** What opens something on the host is charged to the port it came in by, once. */
import { expect, it } from 'vitest';
import { COST_CONNECTION_MS, COST_DATAGRAM_SOCKET_MS, COST_LEASE_MS, COST_QUERY_MS } from '../../../src/slirp/costs.ts';
import * as w from '../../../src/wire/index.ts';
import { arpFrame, DNS, dhcpFrame, GUEST, HOST, ipv4Frame, tcpSegment, udpFrame, type World } from './world.ts';
import { worldPerTest } from './world-per-test.ts';

const open = worldPerTest(({ test }) => {
  Object.assign(test.network.local, { icmp: true });
  test.resolver.setServers([{ family: 'ipv4', host: '127.0.0.1', port: 53 }]);
});
const FAR = 0xc6336402;

function ping(id: number): Uint8Array {
  const bytes = new Uint8Array(w.ICMP_HEADER_LENGTH);
  w.emitIcmp(bytes, 0, w.ICMP_ECHO_REQUEST, 0, id << 16, 0);
  return ipv4Frame(w.PROTOCOL_ICMP, bytes, { destination: FAR });
}

function query(id: number): Uint8Array {
  const bytes = new Uint8Array(100);
  const length = w.emitDns(bytes, 0, id, 0x0100, [`n${id}`, 'test'], 1, 1);
  return udpFrame(5300, 53, bytes.subarray(0, length), { destination: DNS });
}

const cases: [string, number, (i: number) => Uint8Array][] = [
  ['a connect', COST_CONNECTION_MS, (i) => tcpSegment([3000 + i, 9], w.TCP_SYN)],
  ['a new source port', COST_DATAGRAM_SOCKET_MS, (i) => udpFrame(3000 + i, 9, 'x')],
  ['a new ping', COST_DATAGRAM_SOCKET_MS, ping],
  ['a query', COST_QUERY_MS, query],
];

it.each(cases)('%s', async (_, cost, frame) => {
  const on: World = await open();
  for (let i = 1; i <= 3; i++) on.give(frame(i), 1);
  on.give(frame(4), 2);
  on.give(frame(4), 2);
  await on.test.settle();
  expect(on.port.charged.get(1)).toBeCloseTo(3 * cost);
  expect(on.port.charged.get(2)).toBeCloseTo(cost);
});

it('a DISCOVER, and each further address that is tried', async () => {
  const on: World = await open();
  on.give(dhcpFrame(0x525400000001, w.DHCP_DISCOVER), 1);
  on.give(arpFrame(w.ARP_REPLY, 0x525400000002, GUEST, HOST), 2);
  await on.test.elapse(200);
  expect(on.port.charged.get(1)).toBeCloseTo(2 * COST_LEASE_MS);
  expect(on.port.charged.get(2)).toBe(undefined);
});
