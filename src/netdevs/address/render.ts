/** Addresses as people and events see them (QEMU util/qemu-sockets.c, socket_uri and the address of events). */
import type { SocketAddress } from '../../net/index.ts';

/** sockaddr_un.sun_path, bytes: an abstract name that fills it was padded. */
const SUN_PATH_BYTES = 108;

/** `tcp:HOST:PORT` without brackets, or `unix:PATH`; an abstract name stands without its NUL. */
export function addressUri(address: SocketAddress | undefined): string {
  if (address === undefined) return '';
  if (address.family === 'unix') return `unix:${unixName(address.path)}`;
  if (address.family === 'vsock') return `vsock:${address.cid}:${address.port}`;
  return `tcp:${address.host}:${address.port}`;
}

/** The `addr` of an event: a SocketAddress of the schema with nothing that says no more than its default. */
export function addressToQapi(address: SocketAddress | undefined): Record<string, unknown> {
  if (address === undefined) return { type: 'unix', path: '' };
  if (address.family === 'vsock') return { type: 'vsock', cid: String(address.cid), port: String(address.port) };
  if (address.family !== 'unix') {
    const { host, port, family } = address;
    return { type: 'inet', host, port: String(port), [family]: true };
  }
  const { path } = address;
  if (!path.startsWith('\0')) return { type: 'unix', path };
  return {
    type: 'unix',
    path: unixName(path),
    abstract: true,
    tight: new TextEncoder().encode(path).length < SUN_PATH_BYTES,
  };
}

function unixName(path: string): string {
  if (!path.startsWith('\0')) return path;
  let end = path.length;
  while (end > 1 && path.charCodeAt(end - 1) === 0) end--;
  return path.slice(1, end);
}
