/**
 * Addresses as the kernel has them (struct sockaddr_in, _in6, _un, _vm; host byte order for the family and sockaddr_vm,
 * network order for ports and IP addresses).
 */
import { HostError, type SocketAddress } from '../../net/index.ts';
import { parseIpv4Text, parseIpv6Text } from '../../wire/index.ts';
import { hostError } from '../errno.ts';
import { interfaceNumber } from './interface-names.ts';
import { AF_INET, AF_INET6, AF_UNIX, AF_VSOCK } from './linux.ts';

/** struct sockaddr_storage: room for any address. */
export const SOCKADDR_BYTES = 128;
const SUN_PATH = 2;
const SUN_PATH_BYTES = 108;
const IN_BYTES = 16;
const IN6_BYTES = 28;
const VM_BYTES = 16;

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const encoder = new TextEncoder();

/** The family of the address at `at`; AF_UNSPEC (0) where there is none. */
export function familyAt(bytes: Uint8Array, at: number, length: number): number {
  if (length < 2) return 0;
  const first = bytes[at] as number;
  const second = bytes[at + 1] as number;
  return isLittleEndian ? first | (second << 8) : (first << 8) | second;
}

/** The domain for socket(2). */
export function domainOf(address: SocketAddress): number {
  switch (address.family) {
    case 'ipv4':
      return AF_INET;
    case 'ipv6':
      return AF_INET6;
    case 'unix':
      return AF_UNIX;
    case 'vsock':
      return AF_VSOCK;
    default:
      return address satisfies never;
  }
}

/**
 * Writes the address.
 * @param bytes SOCKADDR_BYTES free from `at` on.
 * @returns its length for the kernel.
 * @throws HostError EINVAL for a host that is no numeric address or a port that is none, ENAMETOOLONG, or what is wrong with a unix name.
 */
export function encodeAddress(address: SocketAddress, bytes: Uint8Array, at: number): number {
  bytes.fill(0, at, at + SOCKADDR_BYTES);
  putHost16(bytes, at, domainOf(address));
  switch (address.family) {
    case 'ipv4': {
      const ip = parseIpv4Text(address.host);
      if (ip === undefined) throw hostError('EINVAL');
      putPort(bytes, at, address.port);
      putBig32(bytes, at + 4, ip);
      return IN_BYTES;
    }
    case 'ipv6': {
      const zone = address.host.indexOf('%');
      const words = parseIpv6Text(zone < 0 ? address.host : address.host.slice(0, zone));
      if (words === undefined) throw hostError('EINVAL');
      putPort(bytes, at, address.port);
      for (let i = 0; i < 4; i++) putBig32(bytes, at + 8 + 4 * i, words[i] as number);
      if (zone >= 0) putHost32(bytes, at + 24, interfaceIndex(address.host.slice(zone + 1)));
      return IN6_BYTES;
    }
    case 'unix':
      return encodeUnix(address.path, bytes, at);
    case 'vsock':
      putHost32(bytes, at + 4, address.port);
      putHost32(bytes, at + 8, address.cid);
      return VM_BYTES;
    default:
      return address satisfies never;
  }
}

/** The name of a unix address, or '' for one that was never bound. */
export function decodeUnixPath(bytes: Uint8Array, at: number, length: number): string {
  const end = at + Math.min(length, SUN_PATH + SUN_PATH_BYTES);
  if (at + SUN_PATH >= end) return '';
  const abstract = bytes[at + SUN_PATH] === 0;
  const nul = abstract ? -1 : bytes.subarray(at + SUN_PATH, end).indexOf(0);
  return new TextDecoder().decode(bytes.subarray(at + SUN_PATH, nul < 0 ? end : at + SUN_PATH + nul));
}

/** Port and context identifier of a vsock address. */
export function decodeVsock(bytes: Uint8Array, at: number): { port: number; cid: number } {
  return { port: host32(bytes, at + 4), cid: host32(bytes, at + 8) };
}

/** sin6_scope_id. */
export const scopeAt = (bytes: Uint8Array, at: number): number => host32(bytes, at + 24);

/** @throws HostError ENODEV */
export function interfaceIndex(name: string): number {
  if (/^\d{1,9}$/.test(name)) return Number(name);
  if (!/^[^/\s]{1,15}$/.test(name) || name.startsWith('.')) throw hostError('ENODEV');
  const index = interfaceNumber(name);
  if (index === undefined) throw hostError('ENODEV');
  return index;
}

/** Only the family: what takes a connection back, and what a unix socket is bound to for a name of the kernel's choice. */
export function encodeFamily(domain: number, bytes: Uint8Array, at: number): void {
  bytes.fill(0, at, at + SOCKADDR_BYTES);
  putHost16(bytes, at, domain);
}

export function putHost32(bytes: Uint8Array, at: number, value: number): void {
  if (isLittleEndian) putBig32(bytes, at, swap32(value));
  else putBig32(bytes, at, value);
}

export function host32(bytes: Uint8Array, at: number): number {
  const big =
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number);
  return (isLittleEndian ? swap32(big) : big) >>> 0;
}

/**
 * A leading NUL makes it an abstract name of exactly these bytes; a pathname is followed by a NUL.
 * @throws HostError as node:net's rules word it.
 */
function encodeUnix(path: string, bytes: Uint8Array, at: number): number {
  const name = encoder.encode(path);
  const abstract = name[0] === 0;
  if (name.length === 0) throw new HostError('EINVAL', 'UNIX socket path is empty');
  if (name.length > (abstract ? SUN_PATH_BYTES : SUN_PATH_BYTES - 1)) {
    throw new HostError('ENAMETOOLONG', `UNIX socket path '${abstract ? path.slice(1) : path}' is too long`);
  }
  if (!abstract && name.includes(0)) throw new HostError('EINVAL', 'UNIX socket path contains a NUL byte');
  bytes.set(name, at + SUN_PATH);
  return SUN_PATH + name.length + (abstract ? 0 : 1);
}

function putHost16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = isLittleEndian ? value : value >>> 8;
  bytes[at + 1] = isLittleEndian ? value >>> 8 : value;
}

function putPort(bytes: Uint8Array, at: number, port: number): void {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) throw hostError('EINVAL');
  bytes[at + 2] = port >>> 8;
  bytes[at + 3] = port;
}

function putBig32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

const swap32 = (value: number): number =>
  ((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
