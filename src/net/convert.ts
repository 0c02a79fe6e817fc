/**
 * Conversion at delivery: what a receiver does not take whole is segmented (TCP over IPv4 and IPv6, UDP) or gets its
 * checksum, into the receiving port's scratch. One converter per port; the frame it hands out is valid until the next
 * call. Frames are hostile and may be guest memory that changes: headers are copied once, then read from the copy only.
 *
 * The copied headers are the template of every segment. A segment costs one copy of its payload, one sum over that copy
 * (aligned and in the first-level cache), and a few patched fields; the constant parts of the headers are summed once.
 */
import { finishChecksum, put16, put32, skipVlan, sumBytes, u16, u32 } from '../wire/index.ts';
import {
  FRAME_DATA_VALID,
  FRAME_NEEDS_CHECKSUM,
  Frame,
  GSO_ECN,
  GSO_NONE,
  GSO_TCPV4,
  GSO_TCPV6,
  GSO_UDP_L4,
  OFFLOAD_CHECKSUM,
  OFFLOAD_TSO4,
  OFFLOAD_TSO6,
  OFFLOAD_UDP_SEGMENTATION,
} from './frame.ts';

/** Most segments of one frame: 64 KiB in pieces of 64 bytes. Smaller pieces are an attack on the receiver. */
export const MAX_SEGMENTS = 1024;
/** Most bytes of headers a segmented frame may have: Ethernet with two tags, IPv6 with extensions, TCP with options. */
const MAX_HEADERS = 512;
/** What an IP header's length field can say. */
const MAX_PACKET = 65535;
/** Puts the network header on a multiple of four. */
const SKEW = 2;

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;
const FIN_AND_PSH = 0x09;
const CWR = 0x80;

/** The offloads a receiver must take to get this frame as it is; -1 for a type nobody knows. */
export function neededOffloads(frame: Frame): number {
  switch (frame.gsoType & ~GSO_ECN) {
    case GSO_NONE:
      return (frame.flags & FRAME_NEEDS_CHECKSUM) === 0 ? 0 : OFFLOAD_CHECKSUM;
    case GSO_TCPV4:
      return OFFLOAD_TSO4 | OFFLOAD_CHECKSUM;
    case GSO_TCPV6:
      return OFFLOAD_TSO6 | OFFLOAD_CHECKSUM;
    case GSO_UDP_L4:
      return OFFLOAD_UDP_SEGMENTATION | OFFLOAD_CHECKSUM;
    default:
      return -1;
  }
}

/** Whether the metadata can be true: checked once, where a frame enters the core. */
export function metadataHolds(frame: Frame): boolean {
  const { flags, gsoType, length, checksumStart, checksumOffset } = frame;
  if ((flags & FRAME_NEEDS_CHECKSUM) === 0) return gsoType === GSO_NONE;
  if (checksumStart < 14 || checksumOffset < 0 || checksumStart + checksumOffset + 2 > length) return false;
  if (gsoType === GSO_NONE) return true;
  return neededOffloads(frame) > 0 && frame.gsoSize > 0;
}

export class Converter {
  /** The converted frame or segment. */
  readonly out = new Frame();
  #scratch: Uint8Array = new Uint8Array(0);
  /** Of the frame that begin() took: */
  #source: Uint8Array = new Uint8Array(0);
  #payloadAt = 0;
  #payloadLength = 0;
  #gsoSize = 0;
  #segments = 0;
  #network = 0;
  #transport = 0;
  #headers = 0;
  #isIpv6 = false;
  #isTcp = false;
  #sequence = 0;
  #tcpFlags = 0;
  #identification = 0;
  /** Sums of what is the same in every segment. */
  #networkSum = 0;
  #transportSum = 0;

  /** Copies a frame and fills in its checksum. */
  fillChecksum(frame: Frame): Frame {
    const { length, checksumStart, checksumOffset } = frame;
    const scratch = this.#room(length);
    scratch.set(frame.bytes.subarray(frame.offset, frame.offset + length), SKEW);
    const start = SKEW + checksumStart;
    // Senders leave the pseudo header's sum in the field. 0 is kept for "none" in UDP only, but ffff is its equal.
    const value = finishChecksum(sumBytes(scratch, start, length - checksumStart, 0));
    put16(scratch, start + checksumOffset, value === 0 ? 0xffff : value);
    return this.#finish(length, frame);
  }

  /** Takes a frame to be segmented. @returns the number of segments, 0 when the headers contradict the metadata. */
  begin(frame: Frame): number {
    const { length } = frame;
    const type = frame.gsoType & ~GSO_ECN;
    const headersAtMost = Math.min(length, MAX_HEADERS);
    const scratch = this.#room(MAX_HEADERS);
    scratch.set(frame.bytes.subarray(frame.offset, frame.offset + headersAtMost), SKEW);
    const end = SKEW + headersAtMost;
    const network = skipVlan(scratch, SKEW, end);
    const transport = SKEW + frame.checksumStart;
    if (network < 0) return 0;
    this.#isTcp = type !== GSO_UDP_L4;
    const minimum = this.#isTcp ? 20 : 8;
    if (transport + minimum > end || frame.checksumOffset !== (this.#isTcp ? TCP_CHECKSUM : UDP_CHECKSUM)) return 0;
    const ethertype = u16(scratch, network - 2);
    if (ethertype === ETHERTYPE_IPV4 && type !== GSO_TCPV6) {
      if (network + 20 > transport || network + ((scratch[network]! & 0x0f) << 2) !== transport) return 0;
      this.#isIpv6 = false;
    } else if (ethertype === ETHERTYPE_IPV6 && type !== GSO_TCPV4) {
      if (network + 40 > transport) return 0;
      this.#isIpv6 = true;
    } else return 0;
    const transportHeader = this.#isTcp ? (scratch[transport + 12]! >>> 4) << 2 : 8;
    if (transportHeader < minimum || transport + transportHeader > end) return 0;

    this.#network = network;
    this.#transport = transport;
    this.#headers = transport + transportHeader - SKEW;
    this.#payloadLength = length - this.#headers;
    this.#gsoSize = frame.gsoSize;
    this.#segments = Math.max(1, Math.ceil(this.#payloadLength / this.#gsoSize));
    const largest = transport - network + transportHeader + Math.min(this.#gsoSize, this.#payloadLength);
    if (this.#segments > MAX_SEGMENTS || largest > MAX_PACKET) return 0;
    this.#source = frame.bytes;
    this.#payloadAt = frame.offset + this.#headers;
    this.out.queue = frame.queue;
    this.out.ingress = frame.ingress;
    this.#room(this.#headers + Math.min(this.#gsoSize, this.#payloadLength));
    this.#prepare();
    return this.#segments;
  }

  /** Builds segment `index` of the frame that begin() took. */
  segment(index: number): Frame {
    const scratch = this.#scratch;
    const transport = this.#transport;
    const last = index === this.#segments - 1;
    const from = index * this.#gsoSize;
    const size = last ? this.#payloadLength - from : this.#gsoSize;
    const payload = SKEW + this.#headers;
    const at = this.#payloadAt + from;
    scratch.set(this.#source.subarray(at, at + size), payload);
    const transportLength = payload - transport + size;
    let sum = sumBytes(scratch, payload, size, this.#transportSum + transportLength);
    if (this.#isTcp) {
      const sequence = (this.#sequence + from) >>> 0;
      let flags = this.#tcpFlags;
      if (!last) flags &= ~FIN_AND_PSH;
      if (index > 0) flags &= ~CWR;
      put32(scratch, transport + 4, sequence);
      scratch[transport + 13] = flags;
      sum += (sequence >>> 16) + (sequence & 0xffff) + flags;
      put16(scratch, transport + TCP_CHECKSUM, finishChecksum(sum));
    } else {
      put16(scratch, transport + 4, transportLength);
      const value = finishChecksum(sum + transportLength);
      put16(scratch, transport + UDP_CHECKSUM, value === 0 ? 0xffff : value);
    }
    const network = this.#network;
    if (this.#isIpv6) {
      put16(scratch, network + 4, transport - network - 40 + transportLength);
    } else {
      const totalLength = transport - network + transportLength;
      const identification = (this.#identification + index) & 0xffff;
      put16(scratch, network + 2, totalLength);
      put16(scratch, network + 4, identification);
      put16(scratch, network + 10, finishChecksum(this.#networkSum + totalLength + identification));
    }
    return this.#finish(this.#headers + size, this.out);
  }

  /** Sums the parts of the headers that are the same in every segment. */
  #prepare(): void {
    const scratch = this.#scratch;
    const network = this.#network;
    const transport = this.#transport;
    if (this.#isTcp) {
      this.#sequence = u32(scratch, transport + 4);
      this.#tcpFlags = scratch[transport + 13]!;
      put32(scratch, transport + 4, 0);
      scratch[transport + 13] = 0;
      put16(scratch, transport + TCP_CHECKSUM, 0);
    } else {
      put16(scratch, transport + 4, 0);
      put16(scratch, transport + UDP_CHECKSUM, 0);
    }
    let sum = this.#isTcp ? PROTOCOL_TCP : PROTOCOL_UDP;
    if (this.#isIpv6) {
      sum = sumBytes(scratch, network + 8, 32, sum);
    } else {
      sum = sumBytes(scratch, network + 12, 8, sum);
      this.#identification = u16(scratch, network + 4);
      put32(scratch, network + 2, 0);
      put16(scratch, network + 10, 0);
      this.#networkSum = sumBytes(scratch, network, transport - network, 0);
    }
    this.#transportSum = sumBytes(scratch, transport, SKEW + this.#headers - transport, sum);
  }

  #finish(length: number, { queue, ingress }: Frame): Frame {
    const { out } = this;
    out.setPlain(this.#scratch, SKEW, length);
    out.flags = FRAME_DATA_VALID;
    out.queue = queue;
    out.ingress = ingress;
    return out;
  }

  #room(length: number): Uint8Array {
    if (this.#scratch.length < length + SKEW) {
      const grown = new Uint8Array(Math.max(2048, 2 ** Math.ceil(Math.log2(length + SKEW))));
      grown.set(this.#scratch);
      this.#scratch = grown;
    }
    return this.#scratch;
  }
}
