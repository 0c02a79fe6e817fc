/** Ethernet II (IEEE 802.3). Accessors assume ethernetCheck() returned undefined for these bytes. */
import { put16, u16 } from './bytes.ts';
import type { WireDrop } from './drop-reason.ts';
import { readMac, writeMac } from './mac.ts';

export const ETHERNET_LENGTH = 14;
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_VLAN = 0x8100;
export const ETHERTYPE_IPV6 = 0x86dd;
export const ETHERTYPE_QINQ = 0x88a8;

export const ethernetDestination = (b: Uint8Array, o: number): number => readMac(b, o);
export const ethernetSource = (b: Uint8Array, o: number): number => readMac(b, o + 6);
export const ethernetType = (b: Uint8Array, o: number): number => u16(b, o + 12);

/** @param end first byte behind the frame. */
export function ethernetCheck(_b: Uint8Array, o: number, end: number): WireDrop | undefined {
  return end - o < ETHERNET_LENGTH ? 'ethernet-short' : undefined;
}

/**
 * Offset of the payload behind up to two VLAN tags (802.1Q, 802.1ad), or -1 when the frame ends inside a tag. The
 * payload's type are the two bytes in front of that offset.
 */
export function skipVlan(b: Uint8Array, o: number, end: number): number {
  let payload = o + ETHERNET_LENGTH;
  for (let tags = 0; tags < 2; tags++) {
    const type = u16(b, payload - 2);
    if (type !== ETHERTYPE_VLAN && type !== ETHERTYPE_QINQ) break;
    payload += 4;
    if (payload > end) return -1;
  }
  return payload;
}

export interface EthernetRepr {
  destination: number;
  source: number;
  type: number;
}

export function parseEthernet(b: Uint8Array, o: number, end: number): EthernetRepr | WireDrop {
  const drop = ethernetCheck(b, o, end);
  if (drop !== undefined) return drop;
  return { destination: ethernetDestination(b, o), source: ethernetSource(b, o), type: ethernetType(b, o) };
}

/** Writes ETHERNET_LENGTH bytes. */
export function emitEthernet(b: Uint8Array, o: number, destination: number, source: number, type: number): void {
  writeMac(b, o, destination);
  writeMac(b, o + 6, source);
  put16(b, o + 12, type);
}
