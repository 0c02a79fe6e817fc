/** netdev `socket`: the older, IPv4-only wires over TCP, UDP and multicast (QEMU net/socket.c). */
import type { NetClient, NetdevContext } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import type { NetdevSocketOptions } from '../../schema/net.ts';
import { discard, parseLocalAddress, resolveHostPort, takeSocket } from '../address/index.ts';
import { openAdoptedWire, openMulticastWire, openUdpWire } from '../datagram/index.ts';
import { checkSocketOptions } from './options.ts';
import { openSocketAdopted, openSocketConnect, openSocketListen } from './stream-netdev.ts';

/** The driver. Rejects with QapiError with QEMU's text. */
export async function createSocket(options: NetdevSocketOptions, context: NetdevContext): Promise<NetClient> {
  checkSocketOptions(options);
  const { fd, listen, connect, mcast, udp, localaddr } = options;
  const resolve = (text: string) => resolveHostPort(text, context.host, context.signal);
  if (listen !== undefined) return openSocketListen(context, await resolve(listen));
  if (connect !== undefined) return openSocketConnect(context, await resolve(connect));
  if (mcast !== undefined) {
    const group = await resolve(mcast);
    const interfaceAddress = localaddr === undefined ? undefined : parseLocalAddress(localaddr);
    return openMulticastWire(context, group, interfaceAddress, `socket: mcast=${group.host}:${group.port}`);
  }
  if (udp !== undefined && localaddr !== undefined) {
    const local = await resolve(localaddr);
    const remote = await resolve(udp);
    return openUdpWire(context, local, remote, () => `socket: udp=${remote.host}:${remote.port}`);
  }
  return openDescriptor(fd ?? '', context);
}

/** SO_TYPE decides: a connected stream, or datagrams. */
function openDescriptor(text: string, context: NetdevContext): NetClient {
  const { id } = context;
  const { descriptor, adopted } = takeSocket(context, text, (number, error) =>
    error.code === 'EBADF'
      ? `${id}: Can't use file descriptor ${number}: ${error.message}`
      : error.code === 'ENOTSOCK'
        ? "can't get socket option SO_TYPE"
        : error.code === 'ESOCKTNOSUPPORT'
          ? // Of unix and IP sockets Linux has one type more, SOCK_SEQPACKET.
            `socket type=5 for fd=${number} must be either SOCK_DGRAM or SOCK_STREAM`
          : `can't use fd=${number}: ${error.message}`,
  );
  if (adopted.kind === 'stream') return openSocketAdopted(context, adopted.socket, `fd=${descriptor}`);
  if (adopted.kind === 'datagram') return openAdoptedWire(context, adopted.socket, `socket: fd=${descriptor}`);
  void discard(adopted);
  throw new QapiError(`socket: fd=${descriptor} is a listening socket: use stream with server=on`);
}
