/**
 * A descriptor that came with the process or over a socket, as one of ours. Its kind is asked of the kernel. The path of
 * a listening or bound unix socket is left to whoever made it: only what we bound ourselves is removed at close.
 */
import type { AdoptedSocket, SocketAddress } from '../../net/index.ts';
import { hostError } from '../errno.ts';
import type { NativeContext } from './context.ts';
import { NativeDatagram } from './datagram.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  AF_VSOCK,
  O_NONBLOCK,
  SO_ACCEPTCONN,
  SO_DOMAIN,
  SO_TYPE,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_SOCKET,
} from './linux.ts';
import { NativeListener } from './listener.ts';
import { host32, putHost32 } from './sockaddr.ts';
import { NativeStream } from './stream.ts';

/** @throws HostError ENOTSOCK, EBUSY or EEXIST for one that is in use, ESOCKTNOSUPPORT; the descriptor stays open then. */
export function adopt(context: NativeContext, fd: number, passDescriptors: boolean): AdoptedSocket {
  if (!Number.isInteger(fd) || fd < 0 || fd > 0x7fffffff) throw hostError('EBADF');
  const type = option(context, fd, SO_TYPE);
  for (const open of context.host.open) {
    if (open.descriptor === fd) throw hostError('EBUSY');
  }
  const domain = option(context, fd, SO_DOMAIN);
  const listens = type === SOCK_STREAM && option(context, fd, SO_ACCEPTCONN) !== 0;
  if (type !== SOCK_STREAM && type !== SOCK_DGRAM && type !== SOCK_RAW) throw hostError('ESOCKTNOSUPPORT');
  if (domain !== AF_UNIX && domain !== AF_INET && domain !== AF_INET6 && domain !== AF_VSOCK) {
    throw hostError('EAFNOSUPPORT');
  }
  const { calls } = context;
  const flags = context.check(calls.fcntlGetFlags(fd));
  if ((flags & O_NONBLOCK) === 0) context.check(calls.fcntlSetFlags(fd, flags | O_NONBLOCK));
  context.check(calls.fcntlSetCloexec(fd, 1));
  // One that Node itself is watching cannot be had: better said now than in the middle of something.
  try {
    context.watcher.watch(fd, 0, { ready: () => {} }).close();
  } catch (error) {
    calls.fcntlSetFlags(fd, flags);
    throw error;
  }
  context.host.passed.delete(fd);
  const local = address(context, fd, 'getsockname') ?? { family: 'unix', path: '' };
  if (listens)
    return { kind: 'listener', listener: new NativeListener(context, fd, local, undefined, { passDescriptors }) };
  const remote = address(context, fd, 'getpeername');
  if (type === SOCK_STREAM) {
    const socket = new NativeStream(context, {
      fd,
      stage: 'open',
      local,
      remote: remote ?? (domain === AF_UNIX ? { family: 'unix', path: '' } : undefined),
      passDescriptors: passDescriptors && domain === AF_UNIX,
    });
    return { kind: 'stream', socket };
  }
  const isConnected = calls.getpeername(fd, context.scratch, 0, context.scratch.length) >= 0;
  return { kind: 'datagram', socket: new NativeDatagram(context, { fd, domain, local, isConnected }) };
}

function option(context: NativeContext, fd: number, name: number): number {
  const value = context.scratch;
  putHost32(value, 0, 0);
  context.check(context.calls.getsockopt(fd, SOL_SOCKET, name, value, 0, 4));
  return host32(value, 0);
}

function address(context: NativeContext, fd: number, what: 'getsockname' | 'getpeername'): SocketAddress | undefined {
  const { scratch, addresses, calls } = context;
  const length = calls[what](fd, scratch, 0, scratch.length);
  return length < 0 ? undefined : addresses.decode(scratch, 0, Math.min(length, scratch.length));
}
