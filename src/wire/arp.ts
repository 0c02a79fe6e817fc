/** ARP for IPv4 over Ethernet (RFC 826). Accessors assume arpCheck() returned undefined for these bytes. */
import { put16, put32, u16, u32 } from './bytes.ts';
import type { WireDrop } from './drop-reason.ts';
import { readMac, writeMac } from './mac.ts';

export const ARP_LENGTH = 28;
export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;

export const arpOperation = (b: Uint8Array, o: number): number => u16(b, o + 6);
export const arpSenderMac = (b: Uint8Array, o: number): number => readMac(b, o + 8);
export const arpSenderAddress = (b: Uint8Array, o: number): number => u32(b, o + 14);
export const arpTargetMac = (b: Uint8Array, o: number): number => readMac(b, o + 18);
export const arpTargetAddress = (b: Uint8Array, o: number): number => u32(b, o + 24);

/** Hardware Ethernet, protocol IPv4 and their lengths: others have their addresses elsewhere. */
export function arpCheck(b: Uint8Array, o: number, end: number): WireDrop | undefined {
  if (end - o < ARP_LENGTH) return 'arp-short';
  return u32(b, o) === 0x0001_0800 && u16(b, o + 4) === 0x0604 ? undefined : 'arp-format';
}

export interface ArpRepr {
  operation: number;
  senderMac: number;
  senderAddress: number;
  targetMac: number;
  targetAddress: number;
}

export function parseArp(b: Uint8Array, o: number, end: number): ArpRepr | WireDrop {
  const drop = arpCheck(b, o, end);
  if (drop !== undefined) return drop;
  return {
    operation: arpOperation(b, o),
    senderMac: arpSenderMac(b, o),
    senderAddress: arpSenderAddress(b, o),
    targetMac: arpTargetMac(b, o),
    targetAddress: arpTargetAddress(b, o),
  };
}

/** Writes ARP_LENGTH bytes. */
export function emitArp(b: Uint8Array, o: number, r: ArpRepr): void {
  put32(b, o, 0x0001_0800);
  put16(b, o + 4, 0x0604);
  put16(b, o + 6, r.operation);
  writeMac(b, o + 8, r.senderMac);
  put32(b, o + 14, r.senderAddress);
  writeMac(b, o + 18, r.targetMac);
  put32(b, o + 24, r.targetAddress);
}
