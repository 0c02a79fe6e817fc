/** UDP (RFC 768). Accessors assume udpCheck() returned undefined for these bytes. */
import { put16, u16 } from './bytes.ts';
import { checksum, checksumHolds } from './checksum.ts';
import type { WireDrop } from './drop-reason.ts';

export const UDP_HEADER_LENGTH = 8;
/** Largest payload of a datagram in an IPv4 packet without options. */
export const UDP_MAX_PAYLOAD = 65507;
const PROTOCOL = 17;

export const udpSourcePort = (b: Uint8Array, o: number): number => u16(b, o);
export const udpDestinationPort = (b: Uint8Array, o: number): number => u16(b, o + 2);
/** Header and payload; bytes behind it are padding. */
export const udpLength = (b: Uint8Array, o: number): number => u16(b, o + 4);
export const udpChecksum = (b: Uint8Array, o: number): number => u16(b, o + 6);

/**
 * @param end first byte behind the IP payload.
 * @param pseudoSum sum of the pseudo header's addresses; a zero checksum is taken as none (IPv4).
 * @param trusted the checksum need not be verified.
 */
export function udpCheck(
  b: Uint8Array,
  o: number,
  end: number,
  pseudoSum: number,
  trusted = false,
): WireDrop | undefined {
  if (end - o < UDP_HEADER_LENGTH) return 'udp-short';
  const length = udpLength(b, o);
  if (length < UDP_HEADER_LENGTH || length > end - o) return 'udp-length';
  if (trusted || udpChecksum(b, o) === 0) return undefined;
  return checksumHolds(b, o, length, pseudoSum + PROTOCOL + length) ? undefined : 'udp-checksum';
}

export interface UdpRepr {
  sourcePort: number;
  destinationPort: number;
  payloadOffset: number;
  payloadLength: number;
}

export function parseUdp(b: Uint8Array, o: number, end: number, pseudoSum: number): UdpRepr | WireDrop {
  const drop = udpCheck(b, o, end, pseudoSum);
  if (drop !== undefined) return drop;
  return {
    sourcePort: udpSourcePort(b, o),
    destinationPort: udpDestinationPort(b, o),
    payloadOffset: o + UDP_HEADER_LENGTH,
    payloadLength: udpLength(b, o) - UDP_HEADER_LENGTH,
  };
}

/** Writes the header for a payload that already stands behind it, and the checksum over both. */
export function emitUdp(
  b: Uint8Array,
  o: number,
  sourcePort: number,
  destinationPort: number,
  payloadLength: number,
  pseudoSum: number,
): void {
  const length = UDP_HEADER_LENGTH + payloadLength;
  put16(b, o, sourcePort);
  put16(b, o + 2, destinationPort);
  put16(b, o + 4, length);
  put16(b, o + 6, 0);
  const sum = checksum(b, o, length, pseudoSum + PROTOCOL + length);
  put16(b, o + 6, sum === 0 ? 0xffff : sum);
}
