/** Ethernet addresses as 48-bit numbers: map keys and comparisons without allocation. */
import { put16, put32, u16, u32 } from './bytes.ts';

const TWO_32 = 0x1_0000_0000;
export const MAC_BROADCAST = 0xffff_ffff_ffff;

export const readMac = (b: Uint8Array, o: number): number => u16(b, o) * TWO_32 + u32(b, o + 2);

export function writeMac(b: Uint8Array, o: number, mac: number): void {
  put16(b, o, (mac / TWO_32) >>> 0);
  put32(b, o + 2, mac >>> 0);
}

/** Group bit of the first octet: multicast and broadcast. */
export const isMulticastMac = (mac: number): boolean => ((mac / 0x100_0000_0000) & 1) !== 0;

/** `52:54:00:12:34:56`. */
export function formatMac(mac: number): string {
  const hex = mac.toString(16).padStart(12, '0');
  return `${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}:${hex.slice(8, 10)}:${hex.slice(10)}`;
}

/** Six octets of one or two hexadecimal digits between colons or dashes; undefined for anything else. */
export function parseMac(text: string): number | undefined {
  const parts = text.split(text.includes('-') ? '-' : ':');
  if (parts.length !== 6) return undefined;
  let mac = 0;
  for (const part of parts) {
    if (!/^[0-9a-f]{1,2}$/i.test(part)) return undefined;
    mac = mac * 256 + Number.parseInt(part, 16);
  }
  return mac;
}
