/** Making, binding and connecting descriptors: what streams, listeners and datagram sockets begin with. */
import { unlinkSync } from 'node:fs';
import { type Family, HostError, type InetAddress, isInet, type SocketAddress } from '../../net/index.ts';
import { hostError } from '../errno.ts';
import { removeStale } from '../listener.ts';
import { closePath, openPath } from '../path-access.ts';
import type { ConnectOptions } from '../stream-origin.ts';
import type { NativeContext } from './context.ts';
import {
  AF_VSOCK,
  EAFNOSUPPORT,
  EALREADY,
  EINPROGRESS,
  IP_BIND_ADDRESS_NO_PORT,
  IP_RECVERR,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_RECVERR,
  IPV6_UNICAST_HOPS,
  IPV6_V6ONLY,
  SO_KEEPALIVE,
  SO_OOBINLINE,
  SO_REUSEADDR,
  SOCK_FLAGS,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from './linux.ts';
import { domainOf, encodeAddress } from './sockaddr.ts';

const DEFAULT_BACKLOG = 128;
/** The system's own. */
const DEFAULT_HOPS = -1;

export interface ListenOptions {
  readonly backlog?: number;
  readonly v6Only?: boolean;
  readonly mode?: number;
  readonly passDescriptors?: boolean;
  readonly reserved?: boolean;
  readonly share?: number;
}

/** @throws HostError */
export function newSocket(context: NativeContext, domain: number, type: number, protocol = 0): number {
  const fd = context.calls.socket(domain, type | SOCK_FLAGS, protocol);
  if (fd === EAFNOSUPPORT && domain === AF_VSOCK) {
    throw new HostError(
      'EAFNOSUPPORT',
      'this kernel has no vsock: load the module vhost_vsock, vsock or vsock_loopback',
    );
  }
  return context.check(fd);
}

/** Runs `use`; a descriptor whose setting up throws is closed. */
export function guarded<T>(context: NativeContext, fd: number, use: (fd: number) => T): T {
  try {
    return use(fd);
  } catch (error) {
    context.calls.close(fd);
    throw error;
  }
}

/** @throws HostError */
export function bindTo(context: NativeContext, fd: number, address: SocketAddress): void {
  const length = encodeAddress(address, context.scratch, 0);
  context.check(context.calls.bind(fd, context.scratch, 0, length));
}

/** A descriptor that is connected, or writable once the answer is known. */
export interface Connecting {
  readonly fd: number;
  readonly isConnected: boolean;
}

/**
 * Starts connecting.
 * @throws HostError for what is refused at once.
 */
export function connecting(context: NativeContext, to: SocketAddress, options: ConnectOptions): Connecting {
  const { host, calls } = context;
  if (!host.descriptors.mayOpen(host.open.size, options.reserved, options.share)) throw hostError('EMFILE');
  return guarded(context, newSocket(context, domainOf(to), SOCK_STREAM), (fd) => {
    if (isInet(to)) {
      calls.setsockoptInt(fd, SOL_SOCKET, SO_OOBINLINE, 1);
      if (options.noDelay !== false) calls.setsockoptInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
      if (options.keepAlive === true) calls.setsockoptInt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
      if (options.hopLimit !== undefined) limitHops(context, fd, to.family, options.hopLimit);
      if (options.bind !== undefined) bindSource(context, fd, options.bind);
    }
    const length = encodeAddress(to, context.scratch, 0);
    let result = calls.connect(fd, context.scratch, 0, length);
    // To an address of this machine the answer is there by now: asking for it saves a round through the event loop.
    if (result === EINPROGRESS) result = calls.connect(fd, context.scratch, 0, length);
    if (result !== EALREADY && result !== EINPROGRESS) context.check(result);
    return { fd, isConnected: result >= 0 };
  });
}

/** While it connects: ICMP errors are queued with their sender, and end it. `hops` 0 takes it back. */
export function limitHops(context: NativeContext, fd: number, family: Family, hops: number): void {
  const { calls } = context;
  const isIpv4 = family === 'ipv4';
  const level = isIpv4 ? IPPROTO_IP : IPPROTO_IPV6;
  calls.setsockoptInt(fd, level, isIpv4 ? IP_TTL : IPV6_UNICAST_HOPS, hops === 0 ? DEFAULT_HOPS : hops);
  // Of a connection that stands they would end it.
  calls.setsockoptInt(fd, level, isIpv4 ? IP_RECVERR : IPV6_RECVERR, hops === 0 ? 0 : 1);
}

function bindSource(context: NativeContext, fd: number, bind: InetAddress): void {
  const { calls } = context;
  calls.setsockoptInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  // The port is chosen with the destination known: many flows of one address do not use its ports up.
  if (bind.port === 0) calls.setsockoptInt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  bindTo(context, fd, bind);
}

/**
 * A listening descriptor. A stale unix path is removed first.
 * @throws HostError
 */
export async function listening(context: NativeContext, at: SocketAddress, options: ListenOptions): Promise<number> {
  if (at.family === 'unix') {
    encodeAddress(at, context.scratch, 0);
    await removeStale(at.path);
  }
  if (context.host.isClosed) throw hostError('ECANCELED');
  const { calls } = context;
  return guarded(context, newSocket(context, domainOf(at), SOCK_STREAM), (fd) => {
    if (isInet(at)) {
      calls.setsockoptInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      // Accepted sockets inherit both.
      calls.setsockoptInt(fd, SOL_SOCKET, SO_OOBINLINE, 1);
      calls.setsockoptInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    }
    if (at.family === 'ipv6') {
      context.check(calls.setsockoptInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.v6Only === true ? 1 : 0));
    }
    bindPath(context, fd, at, options.mode, () => {
      context.check(calls.listen(fd, options.backlog ?? DEFAULT_BACKLOG));
    });
    return fd;
  });
}

/**
 * Binds. With a mode, the path lets nobody in while `then` runs, and has that mode afterwards, unless `then` gave it another.
 * What fails after the binding leaves no path behind.
 */
export function bindPath(
  context: NativeContext,
  fd: number,
  at: SocketAddress,
  mode: number | undefined,
  then: () => void,
): void {
  const limited = mode !== undefined && hasPath(at);
  if (limited) closePath(fd);
  bindTo(context, fd, at);
  try {
    then();
    if (limited) openPath(at.path, mode);
  } catch (error) {
    if (hasPath(at)) removePath(at.path);
    throw error;
  }
}

/** Whether a file of the file system stands for this address. */
export function hasPath(at: SocketAddress): at is { family: 'unix'; path: string } {
  return at.family === 'unix' && !at.path.startsWith('\0');
}

export function removePath(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else removed it.
  }
}

/** The address the kernel gave, with the real port. */
export function boundAddress(context: NativeContext, fd: number, asked: SocketAddress): SocketAddress {
  if (asked.family === 'unix' && asked.path !== '') return asked;
  const { scratch, addresses, calls } = context;
  const length = context.check(calls.getsockname(fd, scratch, 0, scratch.length));
  return addresses.decode(scratch, 0, Math.min(length, scratch.length)) ?? { family: 'unix', path: '' };
}
