/**
 * IPv4 from the guests: checks, martian sources, reassembly; fills the one IpPacket that the transports borrow.
 */
import { FRAME_DATA_VALID, FRAME_NEEDS_CHECKSUM, type Frame } from '../net/frame.ts';
import {
  ethernetDestination,
  finishChecksum,
  IPV4_MORE_FRAGMENTS,
  IPV4_OFFSET_MASK,
  ipv4Check,
  ipv4Destination,
  ipv4FlagsAndOffset,
  ipv4HeaderLength,
  ipv4Id,
  ipv4Protocol,
  ipv4Source,
  ipv4Tos,
  ipv4TotalLength,
  ipv4Ttl,
  isMulticastMac,
  put16,
  sumBytes,
} from '../wire/index.ts';
import { isIpv4Multicast } from './address.ts';
import type { StackConfig } from './config.ts';
import type { IpPacket } from './ip-layer.ts';
import { HEADROOM, type Reassembler } from './reassembly.ts';

const V4_MAPPED = 0xffff;

export function newPacket(): IpPacket {
  return {
    family: 'ipv4',
    bytes: new Uint8Array(0),
    ipOffset: 0,
    protocol: 0,
    ttl: 0,
    tos: 0,
    transportOffset: 0,
    transportLength: 0,
    sourceMac: 0,
    ingress: 0,
    source: Uint32Array.of(0, 0, V4_MAPPED, 0),
    destination: Uint32Array.of(0, 0, V4_MAPPED, 0),
    toGroup: false,
    checksumTrusted: false,
  };
}

/**
 * Fills `packet` from bytes that ipv4Check accepted.
 * @param end first byte behind the buffer; the bytes may have changed since the check.
 */
export function fillPacket(packet: IpPacket, bytes: Uint8Array, ip: number, end: number): void {
  const header = ipv4HeaderLength(bytes, ip);
  packet.bytes = bytes;
  packet.ipOffset = ip;
  packet.protocol = ipv4Protocol(bytes, ip);
  packet.ttl = ipv4Ttl(bytes, ip);
  packet.tos = ipv4Tos(bytes, ip);
  packet.transportOffset = ip + header;
  packet.transportLength = Math.max(0, Math.min(ipv4TotalLength(bytes, ip), end - ip) - header);
  packet.source[3] = ipv4Source(bytes, ip);
  packet.destination[3] = ipv4Destination(bytes, ip);
}

export class Ipv4Input {
  readonly #config: StackConfig;
  readonly #broadcast: (address: number) => boolean;
  readonly #reassembler: Reassembler;
  readonly #drop: (reason: string) => void;
  readonly #packet = newPacket();

  constructor(
    config: StackConfig,
    broadcast: (address: number) => boolean,
    reassembler: Reassembler,
    drop: (reason: string) => void,
  ) {
    this.#config = config;
    this.#broadcast = broadcast;
    this.#reassembler = reassembler;
    this.#drop = drop;
  }

  /** The packet, or undefined when it was dropped, or is a fragment that still misses others. */
  input(frame: Frame, ip: number, sourceMac: number): IpPacket | undefined {
    const { bytes } = frame;
    const end = frame.offset + frame.length;
    const reason = ipv4Check(bytes, ip, end);
    if (reason !== undefined) {
      this.#drop(reason);
      return undefined;
    }
    const packet = this.#packet;
    fillPacket(packet, bytes, ip, end);
    packet.sourceMac = sourceMac;
    packet.toGroup = isMulticastMac(ethernetDestination(bytes, frame.offset));
    packet.ingress = frame.ingress;
    // A guest that left the checksum to us has not computed it; one whose NIC verified it need not be verified again.
    packet.checksumTrusted = (frame.flags & (FRAME_NEEDS_CHECKSUM | FRAME_DATA_VALID)) !== 0;
    if (!this.#sourceIsUsable(packet.source[3] ?? 0)) {
      this.#drop('ipv4-martian-source');
      return undefined;
    }
    const fragment = ipv4FlagsAndOffset(bytes, ip) & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK);
    if (fragment !== 0) return this.#reassemble(packet, fragment);
    this.#reassembler.cancel(packet.source, ipv4Id(bytes, ip), packet.destination, packet.protocol, packet.ingress);
    return packet;
  }

  #sourceIsUsable(source: number): boolean {
    if (source === 0) return true;
    if (source === this.#config.host || source === this.#config.dns || this.#broadcast(source)) return false;
    return source >>> 24 !== 127 && !isIpv4Multicast(source);
  }

  #reassemble(packet: IpPacket, fragment: number): IpPacket | undefined {
    const { bytes, ipOffset } = packet;
    const headerLength = packet.transportOffset - ipOffset;
    const datagram = this.#reassembler.add(
      packet.source,
      ipv4Id(bytes, ipOffset),
      packet.destination,
      packet.protocol,
      packet.ingress,
      bytes,
      ipOffset,
      headerLength,
      packet.transportLength,
      (fragment & IPV4_OFFSET_MASK) << 3,
      (fragment & IPV4_MORE_FRAGMENTS) !== 0,
    );
    if (datagram === undefined) return undefined;
    const ip = HEADROOM - datagram.headerLength;
    const total = datagram.headerLength + datagram.end;
    if (total > 0xffff) {
      this.#drop('fragment-length');
      return undefined;
    }
    put16(datagram.bytes, ip + 2, total);
    put16(datagram.bytes, ip + 6, 0);
    put16(datagram.bytes, ip + 10, 0);
    put16(datagram.bytes, ip + 10, finishChecksum(sumBytes(datagram.bytes, ip, datagram.headerLength, 0)));
    fillPacket(packet, datagram.bytes, ip, datagram.bytes.length);
    packet.checksumTrusted = false;
    return packet;
  }
}
