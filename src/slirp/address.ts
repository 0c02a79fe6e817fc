/** Addresses as the stack keeps them: four 32-bit words, IPv4 as ::ffff:a.b.c.d. */
import type { InetAddress } from '../net/host.ts';
import { formatIpv4, formatIpv6, parseIpv4Text, parseIpv6Text } from '../wire/index.ts';
import type { IpAddress } from './ip-layer.ts';

const V4_MAPPED = 0xffff;

/** From a uint32. */
export const ipv4Address = (address: number): IpAddress => Uint32Array.of(0, 0, V4_MAPPED, address);

export const isIpv4 = (address: IpAddress): boolean => address[2] === V4_MAPPED && address[0] === 0 && address[1] === 0;

/** The uint32 of an address for which isIpv4() holds. */
export const ipv4Of = (address: IpAddress): number => address[3] ?? 0;

/** Numeric text as sockets take it. */
export const addressText = (address: IpAddress): string =>
  isIpv4(address) ? formatIpv4(ipv4Of(address)) : formatIpv6(address);

export const toInetAddress = (address: IpAddress, port: number): InetAddress => ({
  family: isIpv4(address) ? 'ipv4' : 'ipv6',
  host: addressText(address),
  port,
});

/** A numeric host text, with or without a zone; undefined for anything else. */
export function parseAddress(host: string): IpAddress | undefined {
  const v4 = parseIpv4Text(host);
  if (v4 !== undefined) return ipv4Address(v4);
  const zone = host.indexOf('%');
  return parseIpv6Text(zone < 0 ? host : host.slice(0, zone));
}

/** 127.0.0.0/8, ::1, and the unspecified address. */
export function isLoopbackOrAny(address: IpAddress): boolean {
  if (isIpv4(address)) return ipv4Of(address) >>> 24 === 127 || ipv4Of(address) === 0;
  return address[0] === 0 && address[1] === 0 && address[2] === 0 && (address[3] ?? 0) <= 1;
}

/** 0.0.0.0/8 is nobody's destination (RFC 1122 3.2.1.3); a socket would take 0.0.0.0 for loopback. */
export const isThisHost = (address: number): boolean => address >>> 24 === 0;
export const isIpv4Multicast = (address: number): boolean => address >>> 28 === 0xe;
export const IPV4_BROADCAST = 0xffff_ffff;

/** An address's part of a pseudo header's sum: 16-bit words added up. */
export function addressSum(address: IpAddress): number {
  let sum = 0;
  for (let i = isIpv4(address) ? 3 : 0; i < 4; i++) {
    const word = address[i] ?? 0;
    sum += (word >>> 16) + (word & 0xffff);
  }
  return sum;
}
