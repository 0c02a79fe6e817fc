/** The socket that a monitor sits on: checks of its address, and what both directions share. */
import { fstatSync } from 'node:fs';
import { isIP, type Socket } from 'node:net';
import { type AdoptedSocket, HostError, isInet, type Sockets, type StreamSocket } from '../net/index.ts';
import { toHostError } from '../node/index.ts';
import { QapiError } from '../qapi/index.ts';
import type { Chardev, ChardevAddress } from './chardev.ts';
import { NativeDuplex } from './native-duplex.ts';

/** sun_path without its final NUL, as far as Node binds it. */
const MAX_UNIX_PATH = 107;

export type SocketDevice = Extract<Chardev, { kind: 'socket' }>;
export type InternetAddress = Extract<ChardevAddress, { host: string }>;
/** A connection to whoever uses the monitor. */
export type Client = Socket | NativeDuplex;

/** @throws QapiError */
export function checkUnixPath(path: string): void {
  if (Buffer.byteLength(path) <= MAX_UNIX_PATH) return;
  throw new QapiError(`UNIX socket path '${path}' is too long`, { hint: 'Path must be less than 108 bytes' });
}

/** @throws QapiError */
export function portNumber(address: { readonly host: string; readonly port: string }): number {
  const port = /^\d{1,5}$/.test(address.port) ? Number(address.port) : Number.NaN;
  if (port <= 65535) return port;
  throw unresolved(address, 'Servname not supported for ai_socktype');
}

/** Names that do not resolve have one text for both directions (QEMU util/qemu-sockets.c). */
export function unresolved(address: { readonly host: string; readonly port: string }, text: string): QapiError {
  return new QapiError(`address resolution failed for ${address.host}:${address.port}: ${text}`);
}

/** getaddrinfo failed, not a call on a socket. */
export function isResolution(error: unknown): boolean {
  return (error as { syscall?: unknown } | null)?.syscall === 'getaddrinfo';
}

/**
 * The host to bind or connect to: with a family, an address of it.
 * @param mapped for connecting: IPv6 reaches who has an IPv4 address only (AI_V4MAPPED).
 * @throws QapiError with QEMU's text
 */
export async function hostInFamily(address: InternetAddress, mapped: boolean): Promise<string> {
  const { host, family } = address;
  if (family === undefined) return host;
  if (host === '') return family === 4 ? '0.0.0.0' : '::';
  const version = isIP(host);
  if (version === family) return host;
  if (version === 4 && mapped) return `::ffff:${host}`;
  if (version !== 0) throw unresolved(address, 'Address family for hostname not supported');
  const { promises, V4MAPPED } = await import('node:dns');
  try {
    return (await promises.lookup(host, { family, hints: mapped && family === 6 ? V4MAPPED : 0 })).address;
  } catch (error) {
    throw unresolved(address, toHostError(error).message);
  }
}

/** The stream of a client that netyard's own sockets brought. */
export function nativeClient(socket: StreamSocket, sockets: Sockets): NativeDuplex {
  return new NativeDuplex(socket, (descriptor) => sockets.closeDescriptor?.(descriptor));
}

/**
 * A descriptor that was given to the process, as one of ours.
 * @throws QapiError with QEMU's text
 */
export function adoptSocket(fd: number, sockets: Sockets): AdoptedSocket {
  checkSocket(fd);
  try {
    return sockets.adopt(fd, { passDescriptors: true });
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    throw new QapiError(`File descriptor '${fd}' cannot be used: ${error.message}`, { cause: error });
  }
}

/** @throws QapiError with QEMU's text */
export function checkSocket(fd: number): void {
  try {
    if (fstatSync(fd).isSocket()) return;
  } catch {
    // Not open: said below.
  }
  throw new QapiError(`File descriptor '${fd}' is not a socket`);
}

export function isTcpSocket(socket: StreamSocket): boolean {
  const { localAddress } = socket;
  return localAddress !== undefined && isInet(localAddress);
}
