/**
 * A wire with one guest at its end, and an IpLayer of just enough IPv4 (or IPv6) for the TCP stack: frames are cut into
 * segments as the core would, their checksums are filled in and verified with arithmetic of its own, and both ways can
 * lose, duplicate and delay by seed. Injected packets are overwritten after the call, so a kept reference fails a test.
 */
import { BUSY, type SendResult, TAKEN } from '../../src/net/client.ts';
import { FRAME_NEEDS_CHECKSUM, type Frame, GSO_NONE, GSO_TCPV4, GSO_TCPV6 } from '../../src/net/frame.ts';
import type { Host, InetAddress, StreamSocket } from '../../src/net/host.ts';
import { addressText, ipv4Address, isLoopbackOrAny, parseAddress } from '../../src/slirp/address.ts';
import type { GuestPath, IpAddress, IpLayer, IpPacket, Quote, UnreachableReason } from '../../src/slirp/ip-layer.ts';
import type { TcpStack } from '../../src/slirp/tcp-stack.ts';
import { parseTcp, put16, put32, type TcpOptions, u16 } from '../../src/wire/index.ts';
import { Prng } from './prng.ts';
import type { VirtualLoop } from './virtual-loop.ts';

/** A segment that the guest receives. The payload is a copy. */
export interface Segment {
  readonly remote: IpAddress;
  readonly guest: IpAddress;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly urgent: number;
  readonly options: TcpOptions;
  readonly payload: Uint8Array;
  readonly ttl: number;
}

export interface LinkFaults {
  latencyMs?: number;
  /** Further random delay, milliseconds: reorders. */
  jitterMs?: number;
  /** Shares, 0..1. */
  loss?: number;
  duplicate?: number;
}

export interface SegmentFields {
  guest?: IpAddress;
  /** The port it comes in by: 1 unless given. */
  ingress?: number;
  remote: IpAddress;
  guestPort: number;
  remotePort: number;
  seq: number;
  ack?: number;
  flags: number;
  window?: number;
  urgent?: number;
  ttl?: number;
  /** Encoded, a multiple of 4 bytes. */
  options?: Uint8Array;
  payload?: Uint8Array;
  /** Correct unless given. */
  checksum?: number;
  /** In words; right unless given. */
  dataOffset?: number;
}

const GUEST = ipv4Address(0x0a00020f);
export const HOST_ALIAS = ipv4Address(0x0a000202);
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const ETHERNET = 14;
const SYN = 0x02;
const RST = 0x04;
const SYN_ACK = 0x12;

export class TcpLink implements IpLayer {
  readonly host: Host;
  readonly loop: VirtualLoop;
  readonly random: Prng;
  readonly guest: IpAddress;
  stack: TcpStack | undefined;
  mtu = 1500;
  toGuest: Required<LinkFaults> = { latencyMs: 0, jitterMs: 0, loss: 0, duplicate: 0 };
  fromGuest: Required<LinkFaults> = { latencyMs: 0, jitterMs: 0, loss: 0, duplicate: 0 };
  onSegment: (segment: Segment) => void = () => {};
  /** Segments since the last look, when nobody listens. */
  readonly unreachable: { reason: UnreachableReason | 'time-exceeded'; quoted: Uint8Array; from?: string }[] = [];
  readonly drops: Record<string, number> = {};
  /** Answers BUSY from now on. */
  busy = false;
  /** Frames as the stack gave them. */
  frames = 0;
  largestFrame = 0;
  readonly refused = new Set<string>();
  /** Off where the guest lies about its handshake, on which the scale of windows depends. */
  checksEdges = true;
  /** By remote address and ports: the right edge that the stack has offered, and the scale of its windows. */
  readonly #edges = new Map<string, { edge: number | undefined; shift: number; offered: number }>();
  readonly busyGuests = { has: (_guest: IpAddress) => this.busy };

  constructor(host: Host, loop: VirtualLoop, options: { seed?: number; guest?: IpAddress } = {}) {
    this.host = host;
    this.loop = loop;
    this.random = new Prng(options.seed ?? 1);
    this.guest = options.guest ?? GUEST;
  }

  openPath(guest: IpAddress, remote: IpAddress): GuestPath {
    return new LinkPath(this, guest.slice(), remote.slice());
  }

  sendUnreachable(packet: IpPacket, reason: UnreachableReason): void {
    const end = packet.transportOffset + packet.transportLength;
    this.unreachable.push({ reason, quoted: packet.bytes.slice(packet.ipOffset, end) });
  }

  sendTimeExceeded(packet: IpPacket): void {
    const end = packet.transportOffset + packet.transportLength;
    this.unreachable.push({ reason: 'time-exceeded', quoted: packet.bytes.slice(packet.ipOffset, end) });
  }

  relayError(quote: Quote, type: number, _code: number, _mtu: number, offender: IpAddress | undefined): void {
    const reason = type === 11 ? 'time-exceeded' : 'host';
    const from = offender === undefined ? '' : addressText(offender);
    this.unreachable.push({ reason, quoted: quote.bytes.slice(0, quote.length), from });
  }

  sendUnreachableAbout({ bytes: quote, length }: Quote, reason: UnreachableReason): void {
    this.unreachable.push({ reason, quoted: quote.slice(0, length) });
  }

  route(destination: IpAddress, _protocol: 'tcp' | 'udp', port: number): InetAddress | undefined {
    const host = addressText(destination);
    if (this.refused.has(host)) return undefined;
    if (destination[3] === HOST_ALIAS[3]) return { family: 'ipv4', host: '127.0.0.1', port };
    return { family: host.includes(':') ? 'ipv6' : 'ipv4', host, port };
  }

  connect(packet: IpPacket, to: InetAddress, hopLimit: number | undefined): StreamSocket {
    return this.host.sockets.connect(to, { noDelay: true, share: packet.ingress, hopLimit });
  }

  guestView(address: InetAddress): IpAddress {
    const parsed = parseAddress(address.host) ?? HOST_ALIAS;
    return isLoopbackOrAny(parsed) ? HOST_ALIAS : parsed;
  }

  charge(): void {}

  drop(reason: string): void {
    this.drops[reason] = (this.drops[reason] ?? 0) + 1;
  }

  /** A segment of the guest, over the faulty wire. */
  send(fields: SegmentFields): void {
    const { latencyMs, jitterMs, loss, duplicate } = this.fromGuest;
    if (loss > 0 && this.random.fraction() < loss) return;
    const copies = duplicate > 0 && this.random.fraction() < duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const delay = latencyMs + (jitterMs > 0 ? this.random.u32() % (jitterMs + 1) : 0);
      if (delay === 0 && i === 0 && latencyMs === 0 && jitterMs === 0) this.inject(fields);
      else this.loop.after(delay, () => this.inject(fields));
    }
  }

  /** A segment of the guest, at once. */
  inject(fields: SegmentFields): void {
    const { bytes, packet } = buildPacket(this.guest, fields);
    this.#learnScale(packet);
    this.stack?.input(packet);
    bytes.fill(0xee);
    packet.source.fill(0xeeeeeeee);
    packet.destination.fill(0xeeeeeeee);
  }

  /** Bytes in place of a segment. */
  injectRaw(packet: IpPacket): void {
    this.#learnScale(packet);
    this.stack?.input(packet);
  }

  /** A guest's answer to the stack's SYN decides whether windows are scaled. */
  #learnScale({ bytes, transportOffset: at, transportLength, destination }: IpPacket): void {
    const repr = parseTcp(bytes, at, at + transportLength);
    if (typeof repr === 'string' || (repr.flags & SYN) === 0) return;
    const known = this.#edges.get(`${addressText(destination)} ${repr.destinationPort} ${repr.sourcePort}`);
    if (known?.edge === undefined && known !== undefined) {
      known.shift = repr.options.windowShift < 0 ? 0 : known.offered;
    }
  }

  deliver(path: LinkPath, frame: Frame): SendResult {
    this.frames++;
    if (frame.length > this.largestFrame) this.largestFrame = frame.length;
    for (const segment of cut(path, frame)) {
      if (this.checksEdges) this.#checkEdge(segment);
      this.#carry(segment);
    }
    return this.busy ? BUSY : TAKEN;
  }

  /** The window's right edge never retreats (RFC 9293 §3.8.6). */
  #checkEdge(segment: Segment): void {
    const key = `${addressText(segment.remote)} ${segment.sourcePort} ${segment.destinationPort}`;
    if ((segment.flags & RST) !== 0) {
      this.#edges.delete(key);
      return;
    }
    if ((segment.flags & SYN) !== 0) {
      const offered = Math.max(0, segment.options.windowShift);
      const answers = (segment.flags & SYN_ACK) === SYN_ACK;
      const edge = answers ? (segment.ack + segment.window) >>> 0 : undefined;
      this.#edges.set(key, { edge, shift: answers ? offered : 0, offered });
      return;
    }
    const known = this.#edges.get(key);
    if (known === undefined || (segment.flags & 0x10) === 0) return;
    const edge = (segment.ack + (segment.window << known.shift)) >>> 0;
    if (known.edge !== undefined && ((edge - known.edge) | 0) < 0) {
      throw new RangeError(`the window retreated by ${(known.edge - edge) | 0}`);
    }
    known.edge = edge;
  }

  #carry(segment: Segment): void {
    const { latencyMs, jitterMs, loss, duplicate } = this.toGuest;
    if (loss > 0 && this.random.fraction() < loss) return;
    const copies = duplicate > 0 && this.random.fraction() < duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const delay = latencyMs + (jitterMs > 0 ? this.random.u32() % (jitterMs + 1) : 0);
      this.loop.after(delay, () => this.onSegment(segment));
    }
  }
}

class LinkPath implements GuestPath {
  readonly #link: TcpLink;
  readonly guest: IpAddress;
  readonly remote: IpAddress;
  readonly family: 'ipv4' | 'ipv6';
  readonly headroom: number;
  readonly mtu: number;
  readonly pseudoSum: number;

  constructor(link: TcpLink, guest: IpAddress, remote: IpAddress) {
    this.#link = link;
    this.guest = guest;
    this.remote = remote;
    this.family = guest[2] === 0xffff && guest[0] === 0 && guest[1] === 0 ? 'ipv4' : 'ipv6';
    this.headroom = ETHERNET + (this.family === 'ipv4' ? IPV4_HEADER : IPV6_HEADER);
    this.mtu = link.mtu;
    this.pseudoSum = addressWords(this.family, guest, remote);
  }

  writeHeaders(
    bytes: Uint8Array,
    transportOffset: number,
    transportLength: number,
    protocol: number,
    tos: number,
    ttl = 64,
  ) {
    const start = transportOffset - this.headroom;
    bytes.fill(0x11, start, start + ETHERNET);
    const ip = start + ETHERNET;
    bytes.fill(0, ip, transportOffset);
    if (this.family === 'ipv4') {
      if (transportLength + IPV4_HEADER > 65535) throw new RangeError('IPv4 packet too long');
      bytes[ip] = 0x45;
      bytes[ip + 1] = tos;
      put16(bytes, ip + 2, transportLength + IPV4_HEADER);
      bytes[ip + 8] = ttl;
      bytes[ip + 9] = protocol;
      put32(bytes, ip + 12, this.remote[3]!);
      put32(bytes, ip + 16, this.guest[3]!);
    } else {
      if (transportLength > 65535) throw new RangeError('IPv6 packet too long');
      bytes[ip] = 0x60;
      put16(bytes, ip + 4, transportLength);
      bytes[ip + 6] = protocol;
      bytes[ip + 7] = ttl;
      for (let i = 0; i < 4; i++) {
        put32(bytes, ip + 8 + 4 * i, this.remote[i]!);
        put32(bytes, ip + 24 + 4 * i, this.guest[i]!);
      }
    }
  }

  send(frame: Frame): SendResult {
    return this.#link.deliver(this, frame);
  }
}

function addressWords(family: 'ipv4' | 'ipv6', a: IpAddress, b: IpAddress): number {
  let sum = 0;
  for (let i = family === 'ipv4' ? 3 : 0; i < 4; i++) {
    sum += (a[i]! >>> 16) + (a[i]! & 0xffff) + (b[i]! >>> 16) + (b[i]! & 0xffff);
  }
  return sum;
}

/** One's complement sum by byte pairs, folded. */
function plainSum(bytes: Uint8Array, start: number, end: number, sum: number): number {
  for (let i = start; i < end; i++) sum += (i - start) % 2 === 0 ? bytes[i]! << 8 : bytes[i]!;
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
}

/** What a receiver without offloads gets of a frame. Throws on anything a real one would not survive. */
function cut(path: LinkPath, frame: Frame): Segment[] {
  const expect = (ok: boolean, what: string) => {
    if (!ok) throw new RangeError(`bad frame from the stack: ${what}`);
  };
  const { bytes, offset, length } = frame;
  expect(offset >= 0 && offset + length <= bytes.length, 'bounds');
  const at = offset + path.headroom;
  const end = offset + length;
  expect(frame.flags === FRAME_NEEDS_CHECKSUM, 'flags');
  expect(frame.checksumStart === path.headroom && frame.checksumOffset === 16, 'checksum place');
  const header = (bytes[at + 12]! >>> 4) * 4;
  expect(frame.headerLength === path.headroom + header, 'header length');
  const partial = plainSum(bytes, 0, 0, addressWords(path.family, path.guest, path.remote) + 6 + (end - at));
  expect(u16(bytes, at + 16) === partial, 'pseudo sum in the checksum field');
  const ttl = path.family === 'ipv4' ? bytes[offset + 14 + 8]! : bytes[offset + 14 + 7]!;
  const payload = bytes.slice(at + header, end);
  const size = frame.gsoType === GSO_NONE ? Math.max(1, payload.length) : frame.gsoSize;
  if (frame.gsoType === GSO_NONE) expect(length - ETHERNET <= path.mtu, `MTU (${length - ETHERNET})`);
  else {
    expect(frame.gsoType === (path.family === 'ipv4' ? GSO_TCPV4 : GSO_TCPV6), 'GSO type');
    expect(frame.gsoSize + path.headroom + header - ETHERNET <= path.mtu && frame.gsoSize > 0, 'GSO size');
    expect(payload.length > size, 'GSO for one segment');
  }
  const repr = parseTcp(bytes, at, end);
  if (typeof repr === 'string') throw new RangeError(`bad frame from the stack: ${repr}`);
  const found: Segment[] = [];
  for (let i = 0; i === 0 || i < payload.length; i += size) {
    const last = i + size >= payload.length;
    found.push({
      remote: path.remote,
      guest: path.guest,
      sourcePort: repr.sourcePort,
      destinationPort: repr.destinationPort,
      seq: (repr.seq + i) >>> 0,
      ack: repr.ack,
      flags: last ? repr.flags : repr.flags & ~0x09,
      window: repr.window,
      urgent: u16(bytes, at + 18),
      options: repr.options,
      payload: payload.slice(i, i + size),
      ttl,
    });
  }
  return found;
}

/** An IP packet as the IP layer hands it up. */
export function buildPacket(defaultGuest: IpAddress, fields: SegmentFields): { bytes: Uint8Array; packet: IpPacket } {
  const guest = fields.guest ?? defaultGuest;
  const options = fields.options ?? new Uint8Array(0);
  const payload = fields.payload ?? new Uint8Array(0);
  const family = guest[2] === 0xffff && guest[0] === 0 ? 'ipv4' : 'ipv6';
  const ipLength = family === 'ipv4' ? IPV4_HEADER : IPV6_HEADER;
  const header = 20 + options.length;
  // An odd place in the buffer, as a real ring gives.
  const start = 15;
  const at = start + ipLength;
  const transportLength = header + payload.length;
  const bytes = new Uint8Array(at + transportLength + 7);
  bytes[start] = family === 'ipv4' ? 0x45 : 0x60;
  put16(bytes, at, fields.guestPort);
  put16(bytes, at + 2, fields.remotePort);
  put32(bytes, at + 4, fields.seq);
  put32(bytes, at + 8, fields.ack ?? 0);
  bytes[at + 12] = (fields.dataOffset ?? header / 4) << 4;
  bytes[at + 13] = fields.flags;
  put16(bytes, at + 14, fields.window ?? 65535);
  put16(bytes, at + 18, fields.urgent ?? 0);
  bytes.set(options, at + 20);
  bytes.set(payload, at + header);
  const sum = plainSum(
    bytes,
    at,
    at + transportLength,
    addressWords(family, guest, fields.remote) + 6 + transportLength,
  );
  put16(bytes, at + 16, fields.checksum ?? ~sum & 0xffff);
  const packet: IpPacket = {
    family,
    bytes,
    ipOffset: start,
    protocol: 6,
    ttl: fields.ttl ?? 64,
    tos: 0,
    transportOffset: at,
    transportLength,
    sourceMac: 0x525400123456,
    ingress: fields.ingress ?? 1,
    source: guest.slice(),
    destination: fields.remote.slice(),
    toGroup: false,
    checksumTrusted: false,
  };
  return { bytes, packet };
}
