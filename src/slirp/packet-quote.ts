/** A guest's packet as ICMP errors about it quote it: from its IP header on, up to QUOTE bytes. */
import { QUOTE } from './icmp.ts';
import type { IpPacket } from './ip-layer.ts';

const SMALL_QUOTE = 128;

export const quoteLength = (packet: IpPacket): number =>
  Math.min(QUOTE, packet.transportOffset - packet.ipOffset + packet.transportLength);

/** Copies quoteLength(packet) bytes. @param into memory of an earlier quotation. @returns that memory, or larger one. */
export function quotePacket(packet: IpPacket, into: Uint8Array | undefined): Uint8Array {
  const { bytes, ipOffset } = packet;
  const length = quoteLength(packet);
  const quote =
    into === undefined || into.length < length ? new Uint8Array(length < SMALL_QUOTE ? SMALL_QUOTE : QUOTE) : into;
  quote.set(bytes.subarray(ipOffset, ipOffset + length));
  return quote;
}
