/** What a guest may not reach on the host's side: monitors of its yard, and what the user closes. */
import { expect, it } from 'vitest';
import type { InetAddress } from '../../../src/net/host.ts';
import type { NetdevUserOptions } from '../../../src/schema/net.ts';
import * as w from '../../../src/wire/index.ts';
import {
  announce,
  DNS,
  echoServer,
  HOST,
  icmpOf,
  ipv4Frame,
  listenOn,
  tcpSegment,
  udpFrame,
  udpOf,
  type World,
} from './world.ts';
import { worldPerTest } from './world-per-test.ts';

const OWN = 0xc6336401;
const OTHER = 0xc6336402;
const LOCALHOST = 0x7f000001;
const PORT = 4444;

const create = worldPerTest((world) => world.give(announce()));

/** A server on every address of the host, and one on another machine. */
async function open(options: NetdevUserOptions = {}): Promise<World> {
  const on = await create(options);
  const other = on.test.network.addHost('198.51.100.2');
  await other.sockets.listen({ family: 'ipv4', host: '198.51.100.2', port: PORT });
  await listenOn(on.test, '0.0.0.0', PORT);
  for (const host of ['127.0.0.1', '198.51.100.1', '198.51.100.2']) await echoServer(on.test, host, PORT);
  return on;
}

let source = 5000;

async function connect(on: World, destination: number): Promise<string> {
  const [answer] = await on.exchange(tcpSegment([source++, PORT], w.TCP_SYN, {}, { destination }), 50);
  if (answer === undefined) return 'silence';
  if (answer[23] === w.PROTOCOL_ICMP) return `icmp ${icmpOf(answer).code}`;
  return (w.tcpFlags(answer, 34) & w.TCP_RST) !== 0 ? 'reset' : 'connected';
}

async function write(on: World, destination: number): Promise<string> {
  const [answer] = await on.exchange(udpFrame(source++, PORT, 'hello', { destination }), 50);
  if (answer === undefined) return 'silence';
  return answer[23] === w.PROTOCOL_ICMP ? `icmp ${icmpOf(answer).code}` : udpOf(answer).text;
}

const drops = (on: World, reason: string): number => on.client.usernet?.statistics()[`drop.${reason}`] ?? 0;
const at = (host: string): InetAddress => ({ family: 'ipv4', host, port: PORT });

it.each<[string, NetdevUserOptions, number, string, string]>([
  ['the gateway', {}, HOST, 'connected', 'R:hello'],
  ['an address of the host', {}, OWN, 'connected', 'R:hello'],
  ['the gateway', { 'host-loopback': false }, HOST, 'reset', 'icmp 3'],
  ['127.0.0.1', { 'host-loopback': false }, LOCALHOST, 'reset', 'icmp 3'],
  ['127.200.0.9', { 'host-loopback': false }, 0x7fc80009, 'reset', 'icmp 3'],
  ['an address of the host', { 'host-loopback': false }, OWN, 'connected', 'R:hello'],
  ['another machine', { 'host-loopback': false }, OTHER, 'connected', 'R:hello'],
  ['the gateway', { 'host-addresses': false }, HOST, 'connected', 'R:hello'],
  ['an address of the host', { 'host-addresses': false }, OWN, 'reset', 'icmp 3'],
  ['another machine', { 'host-addresses': false }, OTHER, 'connected', 'R:hello'],
  ['nobody at all', {}, 0, 'silence', 'silence'],
])('%s, %j', async (_, options, destination, tcp, udp) => {
  const on = await open(options);
  expect([await connect(on, destination), await write(on, destination)]).toEqual([tcp, udp]);
  const denied = tcp === 'reset' ? 2 : 0;
  expect(drops(on, 'denied-loopback') + drops(on, 'denied-host')).toBe(denied);
});

it('an address that the host gets later is closed from then on', async () => {
  const on = await open({ 'host-addresses': false });
  Object.assign(on.test.network.local, { addresses: ['198.51.100.1', '198.51.100.2'] });
  expect(await connect(on, OTHER)).toBe('reset');
});

it('a broadcast does not reach closed loopback, and is not answered', async () => {
  const on = await open({ 'host-loopback': false });
  expect(await write(on, 0xffff_ffff)).not.toBe('R:hello');
});

it('closed addresses are not pinged either', async () => {
  const on = await open({ 'host-addresses': false, 'host-loopback': false });
  for (const destination of [OWN, LOCALHOST]) {
    const echo = new Uint8Array(8);
    w.emitIcmp(echo, 0, w.ICMP_ECHO_REQUEST, 0, 1, 0);
    const [answer] = await on.exchange(ipv4Frame(w.PROTOCOL_ICMP, echo, { destination }), 50);
    expect(icmpOf(answer)).toMatchObject({ type: 3, code: 13 });
  }
});

it('the name server asks the resolver on closed loopback', async () => {
  const on = await open({ 'host-loopback': false, 'host-addresses': false });
  on.test.resolver.setServers([{ family: 'ipv4', host: '127.0.0.1', port: PORT }]);
  const query = new Uint8Array(100);
  const length = w.emitDns(query, 0, 7, w.DNS_RECURSION_DESIRED, ['example'], 1, 1);
  await on.exchange(udpFrame(source++, 53, query.subarray(0, length), { destination: DNS }), 50);
  // An echo is no answer, but it came.
  expect(drops(on, 'dns-mismatch')).toBe(1);
});

it.each<[string, string, number]>([
  ['127.0.0.1', 'the gateway', HOST],
  ['127.0.0.1', 'its address', LOCALHOST],
  ['0.0.0.0', 'the gateway', HOST],
  ['0.0.0.0', 'an address of the host', OWN],
  ['::', 'an address of the host', OWN],
  ['198.51.100.1', 'its address', OWN],
])('a monitor on %s cannot be reached at %s, and can when it has ended', async (host, _, destination) => {
  const on = await open();
  const remove = on.protectedAddresses.add(at(host));
  expect(await connect(on, destination)).toBe('reset');
  expect(await connect(on, destination)).toBe('reset');
  expect(await connect(on, OTHER)).toBe('connected');
  expect(await write(on, destination)).toBe('R:hello');
  expect(drops(on, 'denied-monitor')).toBe(2);
  expect(on.test.logs.filter(({ message }) => message.includes('monitor')).length).toBe(1);
  remove();
  expect(await connect(on, destination)).toBe('connected');
});

it('a monitor is no name server', async () => {
  const on = await open();
  on.protectedAddresses.add({ family: 'ipv4', host: '127.0.0.1', port: 53 });
  on.test.resolver.setServers([{ family: 'ipv4', host: '127.0.0.1', port: 53 }]);
  const [answer] = await on.exchange(tcpSegment([source++, 53], w.TCP_SYN, {}, { destination: DNS }), 50);
  expect(w.tcpFlags(answer ?? new Uint8Array(60), 34) & w.TCP_RST).not.toBe(0);
});
