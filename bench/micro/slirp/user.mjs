/** What a packet costs in the user network, sockets aside: a ping, a datagram each way, the headers of a segment. */
import { bench, run } from 'mitata';
import { TAKEN } from '../../../src/net/client.ts';
import { Frame } from '../../../src/net/frame.ts';
import { UserStack } from '../../../src/slirp/index.ts';
import * as w from '../../../src/wire/index.ts';

const GUEST = 0x0a00020f;
const HOST = 0x0a000202;
const GUEST_MAC = 0x525400123456;
const HOST_MAC = 0x52550a000202;

const tasks = new Set();
let socket;
const host = {
  clock: { now: () => performance.now(), wallMicros: () => 0 },
  timers: { create: () => ({ set() {}, cancel() {}, deadlineMs: 1 }) },
  loop: { atBatchEnd: (_phase, task) => tasks.add(task), nextTurn: (task) => tasks.add(task) },
  random: { u32: () => 12_345, fill() {} },
  resolver: { servers: () => [] },
  sockets: {
    datagram: async ({ bind }) => {
      socket = {
        localAddress: bind,
        connect() {},
        disconnect() {},
        sendBatch: (batch) => batch.count,
        receiveBatch(batch) {
          batch.offset[0] = 0;
          batch.length[0] = 1400;
          batch.peer[0] = { family: 'ipv4', host: '203.0.113.7', port: 7000 };
          return 1;
        },
        interest() {},
        takeError() {},
        close: async () => {},
      };
      return socket;
    },
  },
};
const port = { send: () => TAKEN, drop() {}, onReady() {} };
const tcp = { input() {}, resumeGuest() {}, flows: () => [], statistics: () => ({}), close: async () => {} };
const config = { network: 0x0a000200, mask: 0xffffff00, host: HOST, dns: HOST + 1, dhcpStart: GUEST, restrict: false };
const stack = new UserStack(config, port, host, console, () => tcp);

function packet(protocol, destination, transport) {
  const bytes = new Uint8Array(34 + transport.length);
  w.emitEthernet(bytes, 0, HOST_MAC, GUEST_MAC, w.ETHERTYPE_IPV4);
  w.emitIpv4(bytes, 14, transport.length, 0, 1, 0, 64, protocol, GUEST, destination);
  bytes.set(transport, 34);
  return new Frame().setPlain(bytes, 0, bytes.length);
}

const arp = new Uint8Array(42);
w.emitEthernet(arp, 0, w.MAC_BROADCAST, GUEST_MAC, w.ETHERTYPE_ARP);
w.emitArp(arp, 14, { operation: 1, senderMac: GUEST_MAC, senderAddress: GUEST, targetMac: 0, targetAddress: GUEST });
stack.receive(new Frame().setPlain(arp, 0, 42));

const icmp = new Uint8Array(64);
w.emitIcmp(icmp, 0, w.ICMP_ECHO_REQUEST, 0, 1, 56);
const ping = packet(w.PROTOCOL_ICMP, HOST, icmp);
const udp = new Uint8Array(1408);
w.emitUdp(udp, 0, 5000, 7000, 1400, w.ipv4PseudoSum(GUEST, 0xcb007107));
const datagram = packet(w.PROTOCOL_UDP, 0xcb007107, udp);
stack.receive(datagram);
await new Promise((resolve) => setImmediate(resolve));

const path = stack.openPath(Uint32Array.of(0, 0, 0xffff, GUEST), Uint32Array.of(0, 0, 0xffff, HOST));
const segment = new Uint8Array(1514);

bench('ping answered', () => stack.receive(ping));
bench('datagram of 1400 bytes, guest to host', () => stack.receive(datagram));
bench('datagram of 1400 bytes, host to guest', () => socket.onEvent('readable'));
bench('headers of a segment', () => path.writeHeaders(segment, 34, 1480, 6, 0));

await run();
