/** IPv4 (RFC 791). Accessors assume ipv4Check() returned undefined for these bytes. Addresses are uint32. */
import { put16, put32, u16, u32 } from './bytes.ts';
import { checksum, checksumHolds } from './checksum.ts';
import type { WireDrop } from './drop-reason.ts';

export const IPV4_HEADER_LENGTH = 20;
export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;

/** Bits of flagsAndOffset. */
export const IPV4_DONT_FRAGMENT = 0x4000;
export const IPV4_MORE_FRAGMENTS = 0x2000;
/** The fragment offset, in units of 8 bytes. */
export const IPV4_OFFSET_MASK = 0x1fff;

export const ipv4HeaderLength = (b: Uint8Array, o: number): number => (b[o]! & 0x0f) << 2;
export const ipv4Tos = (b: Uint8Array, o: number): number => b[o + 1]!;
export const ipv4TotalLength = (b: Uint8Array, o: number): number => u16(b, o + 2);
export const ipv4Id = (b: Uint8Array, o: number): number => u16(b, o + 4);
export const ipv4FlagsAndOffset = (b: Uint8Array, o: number): number => u16(b, o + 6);
export const ipv4Ttl = (b: Uint8Array, o: number): number => b[o + 8]!;
export const ipv4Protocol = (b: Uint8Array, o: number): number => b[o + 9]!;
export const ipv4Source = (b: Uint8Array, o: number): number => u32(b, o + 12);
export const ipv4Destination = (b: Uint8Array, o: number): number => u32(b, o + 16);

/**
 * Version, header length, total length and header checksum. Bytes behind the total length are padding.
 * @param end first byte behind the packet's buffer.
 */
export function ipv4Check(b: Uint8Array, o: number, end: number): WireDrop | undefined {
  const room = end - o;
  if (room < IPV4_HEADER_LENGTH) return 'ipv4-short';
  const first = b[o]!;
  if (first >> 4 !== 4) return 'ipv4-version';
  const header = (first & 0x0f) << 2;
  if (header < IPV4_HEADER_LENGTH || header > room) return 'ipv4-header-length';
  const total = ipv4TotalLength(b, o);
  if (total < header || total > room) return 'ipv4-total-length';
  return checksumHolds(b, o, header) ? undefined : 'ipv4-checksum';
}

export interface Ipv4Repr {
  tos: number;
  id: number;
  flagsAndOffset: number;
  ttl: number;
  protocol: number;
  source: number;
  destination: number;
  /** Bytes behind the header. */
  payloadLength: number;
}

/** Options are skipped. The payload starts at `o + ipv4HeaderLength(b, o)`. */
export function parseIpv4(b: Uint8Array, o: number, end: number): Ipv4Repr | WireDrop {
  const drop = ipv4Check(b, o, end);
  if (drop !== undefined) return drop;
  return {
    tos: ipv4Tos(b, o),
    id: ipv4Id(b, o),
    flagsAndOffset: ipv4FlagsAndOffset(b, o),
    ttl: ipv4Ttl(b, o),
    protocol: ipv4Protocol(b, o),
    source: ipv4Source(b, o),
    destination: ipv4Destination(b, o),
    payloadLength: ipv4TotalLength(b, o) - ipv4HeaderLength(b, o),
  };
}

/** Writes a header of IPV4_HEADER_LENGTH bytes with its checksum. A total beyond 65535 (a GSO packet) is written as 0. */
export function emitIpv4(
  b: Uint8Array,
  o: number,
  payloadLength: number,
  tos: number,
  id: number,
  flagsAndOffset: number,
  ttl: number,
  protocol: number,
  source: number,
  destination: number,
): void {
  const total = payloadLength + IPV4_HEADER_LENGTH;
  b[o] = 0x45;
  b[o + 1] = tos;
  put16(b, o + 2, total > 0xffff ? 0 : total);
  put16(b, o + 4, id);
  put16(b, o + 6, flagsAndOffset);
  b[o + 8] = ttl;
  b[o + 9] = protocol;
  put16(b, o + 10, 0);
  put32(b, o + 12, source);
  put32(b, o + 16, destination);
  put16(b, o + 10, checksum(b, o, IPV4_HEADER_LENGTH));
}

/** Sum of the two addresses for a pseudo header (running sum, see checksum.ts). */
export const ipv4PseudoSum = (source: number, destination: number): number =>
  (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff);
