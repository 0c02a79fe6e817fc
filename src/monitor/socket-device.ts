/** The socket that a monitor sits on: checks of its address, and the errors that both directions share. */
import { QapiError } from '../qapi/index.ts';
import type { Chardev } from './chardev.ts';

/** sun_path without its final NUL, as far as Node binds it. */
const MAX_UNIX_PATH = 107;

export type SocketDevice = Extract<Chardev, { kind: 'socket' }>;

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
