/** ICMP for IPv4 (RFC 792). Accessors assume icmpCheck() returned undefined for these bytes. */
import { put16, put32, u16, u32 } from './bytes.ts';
import { checksum, checksumHolds } from './checksum.ts';
import type { WireDrop } from './drop-reason.ts';

export const ICMP_HEADER_LENGTH = 8;

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_ECHO_REQUEST = 8;
export const ICMP_TIME_EXCEEDED = 11;

/** Codes of ICMP_UNREACHABLE. */
export const ICMP_NET_UNREACHABLE = 0;
export const ICMP_HOST_UNREACHABLE = 1;
export const ICMP_PORT_UNREACHABLE = 3;
export const ICMP_FRAGMENTATION_NEEDED = 4;
/** Communication administratively prohibited (RFC 1812 5.2.7.1). */
export const ICMP_PROHIBITED = 13;

export const icmpType = (b: Uint8Array, o: number): number => b[o]!;
export const icmpCode = (b: Uint8Array, o: number): number => b[o + 1]!;
/** The second word: identifier and sequence of an echo, the MTU of an unreachable. */
export const icmpRest = (b: Uint8Array, o: number): number => u32(b, o + 4);
export const icmpEchoId = (b: Uint8Array, o: number): number => u16(b, o + 4);
export const icmpEchoSequence = (b: Uint8Array, o: number): number => u16(b, o + 6);

/** @param trusted the checksum need not be verified. */
export function icmpCheck(b: Uint8Array, o: number, end: number, trusted = false): WireDrop | undefined {
  if (end - o < ICMP_HEADER_LENGTH) return 'icmp-short';
  return trusted || checksumHolds(b, o, end - o) ? undefined : 'icmp-checksum';
}

/**
 * Errors and everything unknown: no error is sent about those (RFC 1122 3.2.2). Queries are echo, timestamp,
 * information and address mask with their replies.
 */
export const icmpIsError = (type: number): boolean => type !== 0 && type !== 8 && (type < 13 || type > 18);

export interface IcmpRepr {
  type: number;
  code: number;
  rest: number;
  payloadOffset: number;
  payloadLength: number;
}

export function parseIcmp(b: Uint8Array, o: number, end: number): IcmpRepr | WireDrop {
  const drop = icmpCheck(b, o, end);
  if (drop !== undefined) return drop;
  return {
    type: icmpType(b, o),
    code: icmpCode(b, o),
    rest: icmpRest(b, o),
    payloadOffset: o + ICMP_HEADER_LENGTH,
    payloadLength: end - o - ICMP_HEADER_LENGTH,
  };
}

/** Writes the header for a payload that already stands behind it, and the checksum over both. */
export function emitIcmp(
  b: Uint8Array,
  o: number,
  type: number,
  code: number,
  rest: number,
  payloadLength: number,
): void {
  b[o] = type;
  b[o + 1] = code;
  put16(b, o + 2, 0);
  put32(b, o + 4, rest);
  put16(b, o + 2, checksum(b, o, ICMP_HEADER_LENGTH + payloadLength));
}
