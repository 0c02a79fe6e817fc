/**
 * The world around a test: machines with addresses, the links between them, and faults on demand. Loopback reaches the
 * own machine, other machines only after addHost(); every other address is unreachable.
 */
import type { Family, InetAddress, Sockets, UnixAddress } from '../../../src/net/host.ts';

import {
  formatIpv4,
  ipv4Destination,
  ipv4Source,
  parseIcmp,
  parseIpv4,
  udpDestinationPort,
  udpSourcePort,
} from '../../../src/wire/index.ts';

/** What this network knows. */
export type MemoryAddress = InetAddress | UnixAddress;

import type { Prng } from '../prng.ts';
import type { VirtualLoop } from '../virtual-loop.ts';
import type { MemoryDatagram } from './datagram.ts';
import type { MemoryListener } from './listener.ts';
import { MemorySockets } from './sockets.ts';
import type { MemoryStream } from './stream.ts';

export interface LinkOptions {
  /** One way, milliseconds. */
  latencyMs?: number;
  /** Further random delay of datagrams, which reorders them. */
  jitterMs?: number;
  /** Share of datagrams lost, 0..1. */
  loss?: number;
  /** Share of datagrams delivered twice, 0..1. */
  duplicate?: number;
}

export interface Fault {
  readonly on: 'connect' | 'listen' | 'datagram' | 'send' | 'ping';
  /** errno's name. 'none' never answers. */
  readonly code: string;
  readonly host?: string;
  readonly port?: number;
  /** How often; without it always. */
  count?: number;
  /** Delay of the answer to a connect, milliseconds. */
  afterMs?: number;
  /** Of a connect with `hopLimit`: the router that answers with "time exceeded". */
  hop?: string;
}

/** A machine: addresses, and what is bound to them. */
export class MemoryHost {
  /** Change as its network changes. */
  addresses: readonly string[];
  readonly link: Required<LinkOptions> = { latencyMs: 0, jitterMs: 0, loss: 0, duplicate: 0 };
  readonly listeners = new Set<MemoryListener>();
  readonly datagrams = new Set<MemoryDatagram>();
  /** Its echo sockets; the identifier is the port. */
  readonly pings = new Set<MemoryDatagram>();
  readonly raws = new Set<MemoryDatagram>();
  /** What programs on this machine use. */
  readonly sockets: Sockets;
  /** Room of new streams, each direction, bytes. */
  streamCapacity = 262_144;
  nextPort = 40_000;
  /** Has echo sockets, and queues ICMP errors: as the native sockets do, and others do not. */
  icmp = false;
  /** Links on the way to it: a machine with `icmp` is told by `router` when its hops are used up. */
  hops = 1;
  router = ROUTER;

  constructor(network: MemoryNetwork, addresses: readonly string[]) {
    this.addresses = addresses;
    this.sockets = new MemorySockets(network, this);
  }

  owns(address: string): boolean {
    return this.addresses.includes(address);
  }

  primary(family: Family): string | undefined {
    return this.addresses.find((address) => familyOf(address) === family);
  }

  setLink(options: LinkOptions): this {
    Object.assign(this.link, options);
    return this;
  }
}

export class MemoryNetwork {
  readonly loop: VirtualLoop;
  readonly random: Prng;
  /** The machine under test. Its `sockets` belong to other programs there, so tests may leave them open. */
  readonly local: MemoryHost;
  readonly hosts = new Set<MemoryHost>();
  readonly faults: Fault[] = [];
  /** Every stream that is open, of any machine. */
  readonly streams = new Set<MemoryStream>();

  constructor(loop: VirtualLoop, random: Prng) {
    this.loop = loop;
    this.random = random;
    this.local = new MemoryHost(this, ['198.51.100.2', '2001:db8:51::2']);
    this.hosts.add(this.local);
  }

  /** A further machine that the one under test can reach. */
  addHost(address: string | readonly string[], link: LinkOptions = {}): MemoryHost {
    const host = new MemoryHost(this, typeof address === 'string' ? [address] : address);
    this.hosts.add(host.setLink(link));
    return host;
  }

  removeHost(host: MemoryHost): void {
    this.hosts.delete(host);
  }

  /** Answers matching calls with an error until it has been used `count` times. */
  fail(fault: Fault): void {
    this.faults.push(fault);
  }

  fault(on: Fault['on'], address: MemoryAddress): Fault | undefined {
    const index = this.faults.findIndex((fault) => {
      if (fault.on !== on) return false;
      if (address.family === 'unix') return fault.host === undefined || fault.host === address.path;
      return (
        (fault.host === undefined || fault.host === address.host) &&
        (fault.port === undefined || fault.port === address.port)
      );
    });
    const fault = this.faults[index];
    if (fault?.count !== undefined && --fault.count <= 0) this.faults.splice(index, 1);
    return fault;
  }

  /** The machine behind an address as seen from `from`. */
  find(from: MemoryHost, address: string): MemoryHost | undefined {
    if (isLoopback(address) || isWildcard(address)) return from;
    for (const host of this.hosts) if (host.owns(address)) return host;
    return undefined;
  }

  latency(from: MemoryHost, to: MemoryHost): number {
    return from === to ? 0 : from.link.latencyMs + to.link.latencyMs;
  }

  /** @param local of the sender's, as it asked to send from. */
  sendDatagram(
    from: MemoryHost,
    socket: MemoryDatagram,
    to: InetAddress,
    bytes: Uint8Array,
    ttl: number,
    tos: number,
    local?: InetAddress,
  ): void {
    let source = isMulticast(to.host)
      ? multicastSource(from, socket, to)
      : sourceAddress(from, socket.localAddress, to);
    if (local !== undefined) source = { ...local, port: source.port };
    const datagram = { bytes, from: source, to, ttl, tos };
    if (isMulticast(to.host)) {
      for (const host of this.hosts) {
        if (host === from && !(socket.multicast?.loopback ?? true)) continue;
        for (const receiver of host.datagrams) {
          if (receiver.multicast?.group !== to.host || receiver.localAddress.port !== to.port) continue;
          this.#carry(from, host, () => receiver.deliver(datagram));
        }
      }
      return;
    }
    const host = this.find(from, to.host);
    if (host === undefined) {
      socket.raise('ENETUNREACH');
      return;
    }
    if (from.icmp && ttl < host.hops) {
      const offender = { ...to, host: host.router, port: 0 };
      socket.queueError({ type: to.family === 'ipv6' ? 3 : 11, code: 0, offender, destination: to });
      return;
    }
    this.#carry(from, host, () => {
      const receiver = findDatagram(host, to);
      if (receiver !== undefined) receiver.deliver(datagram);
      else if (from.icmp) {
        const offender = { ...to, port: 0 };
        this.loop.after(this.latency(host, from), () =>
          socket.queueError({ ...portUnreachable(to.family), offender, destination: to }),
        );
      } else if (socket.peer !== undefined)
        this.loop.after(this.latency(host, from), () => socket.raise('ECONNREFUSED'));
    });
  }

  /** An echo request, answered by every machine that there is. `ttl` is how far it may go: machines are `hops` away. */
  sendEcho(from: MemoryHost, socket: MemoryDatagram, to: InetAddress, bytes: Uint8Array, ttl: number): void {
    const host = this.find(from, to.host);
    if (host === undefined) {
      socket.raise('ENETUNREACH');
      return;
    }
    const id = socket.localAddress.port;
    const message = Uint8Array.of(...bytes.subarray(0, 4), id >> 8, id & 0xff, ...bytes.subarray(6));
    if (ttl < host.hops) {
      const type = to.family === 'ipv6' ? 3 : 11;
      const quoted = message.slice(0, 8);
      this.loop.after(0, () =>
        socket.queueError({ type, code: 0, offender: { ...to, host: host.router }, destination: to, quoted }),
      );
      return;
    }
    this.#carry(from, host, () => {
      message[0] = to.family === 'ipv6' ? 129 : 0;
      const reply = { bytes: message, from: { ...to, port: 0 }, to: socket.localAddress, ttl: 64, tos: 0 };
      this.loop.after(this.latency(host, from), () => socket.deliver(reply));
    });
  }

  /** An IPv4 packet as it is: an ICMP error finds the socket whose datagram it quotes, if that machine queues errors. */
  sendRaw(from: MemoryHost, to: InetAddress, packet: Uint8Array): void {
    const host = this.find(from, to.host);
    const ip = parseIpv4(packet, 0, packet.length);
    if (host === undefined || typeof ip === 'string') throw new TypeError(`no IPv4 packet to a machine: ${ip}`);
    const icmp = parseIcmp(packet, 20, 20 + ip.payloadLength);
    if (typeof icmp === 'string') throw new TypeError(icmp);
    const quoted = packet.subarray(icmp.payloadOffset);
    const inet = (address: number, port: number): InetAddress => ({ family: 'ipv4', host: formatIpv4(address), port });
    const source = inet(ipv4Source(quoted, 0), udpSourcePort(quoted, 20));
    const destination = inet(ipv4Destination(quoted, 0), udpDestinationPort(quoted, 20));
    const error = { type: icmp.type, code: icmp.code, offender: inet(ip.source, 0), destination };
    this.#carry(from, host, () => findDatagram(host, source)?.queueError(error));
  }

  #carry(from: MemoryHost, to: MemoryHost, arrive: () => void): void {
    const link = to === this.local ? from.link : to.link;
    if (from === to) {
      this.loop.after(0, arrive);
      return;
    }
    if (this.random.fraction() < link.loss) return;
    const copies = this.random.fraction() < link.duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      this.loop.after(this.latency(from, to) + this.random.fraction() * link.jitterMs, arrive);
    }
  }
}

/** Who tells that the hops are used up. */
export const ROUTER = '203.0.113.254';

const portUnreachable = (family: Family) =>
  family === 'ipv6' ? ({ type: 1, code: 4 } as const) : ({ type: 3, code: 3 } as const);

export function familyOf(address: string): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

function isMulticast(address: string): boolean {
  if (address.includes(':')) return address.toLowerCase().startsWith('ff');
  const first = Number.parseInt(address, 10);
  return first >= 224 && first < 240;
}

/** The address a packet to `to` comes from. */
export function sourceAddress(from: MemoryHost, bound: InetAddress, to: InetAddress): InetAddress {
  if (!isWildcard(bound.host)) return bound;
  const { family } = to;
  let host = from.primary(family) ?? bound.host;
  if (isLoopback(to.host) || isWildcard(to.host)) host = family === 'ipv6' ? '::1' : '127.0.0.1';
  else if (from.owns(to.host)) host = to.host;
  return { family, host, port: bound.port };
}

/** A socket that is bound to a group sends from the interface's address all the same. */
function multicastSource(from: MemoryHost, socket: MemoryDatagram, to: InetAddress): InetAddress {
  const { host, port } = socket.localAddress;
  const own =
    socket.multicast?.interfaceAddress ?? (isWildcard(host) || isMulticast(host) ? from.primary(to.family) : host);
  return { family: to.family, host: own ?? host, port };
}

/** Whether something bound to `bound` receives what is sent to `to`. */
export function accepts(bound: InetAddress, to: InetAddress, v6Only: boolean): boolean {
  if (bound.port !== to.port) return false;
  if (isWildcard(to.host)) return isWildcard(bound.host) || isLoopback(bound.host);
  if (bound.host === to.host) return true;
  if (bound.host === '::') return !v6Only || to.family === 'ipv6';
  return bound.host === '0.0.0.0' && to.family === 'ipv4';
}

function findDatagram(host: MemoryHost, to: InetAddress): MemoryDatagram | undefined {
  let found: MemoryDatagram | undefined;
  for (const socket of host.datagrams) {
    if (!accepts(socket.localAddress, to, true)) continue;
    if (found === undefined || !isWildcard(socket.localAddress.host)) found = socket;
  }
  return found;
}
