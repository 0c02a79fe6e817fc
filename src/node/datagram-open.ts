/** Opening a datagram socket of node:dgram: bound, and a member of its group, before anybody gets it. */
import * as dgram from 'node:dgram';
import { isIPv6 } from 'node:net';
import { type DatagramOptions, isInet, type Multicast } from '../net/index.ts';
import { hostError, needsNative, toHostError } from './errno.ts';
import type { SocketContext } from './socket-context.ts';

/** Addresses are numeric: no resolver in the way, and the send happens at once. */
const noLookup: dgram.SocketOptions['lookup'] = (host, _options, callback) =>
  callback(null, host, isIPv6(host) ? 6 : 4);

/**
 * @param take gets the socket in the turn in which it is bound, so that a host that closes meanwhile misses none.
 * @returns what `take` made of it; rejects with HostError when bind or joining the group fails.
 */
export function openDatagram<T>(
  context: SocketContext,
  options: DatagramOptions,
  take: (socket: dgram.Socket) => T,
): Promise<T> {
  const { family, bind, multicast } = options;
  if (family === 'unix' || (bind !== undefined && !isInet(bind))) {
    return Promise.reject(needsNative('unix datagram sockets'));
  }
  if (options.rawProtocol !== undefined) return Promise.reject(needsNative('raw IP sockets'));
  const socket = dgram.createSocket({
    type: family === 'ipv6' ? 'udp6' : 'udp4',
    reuseAddr: options.reuseAddress === true || multicast?.group !== undefined,
    ...(noLookup === undefined ? {} : { lookup: noLookup }),
  });
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void => {
      try {
        socket.close();
      } catch {
        // It closed itself.
      }
      reject(toHostError(error));
    };
    socket.once('error', failed);
    socket.once('listening', () => {
      try {
        if (context.isClosed) throw hostError('ECANCELED');
        if (multicast !== undefined) join(socket, multicast);
      } catch (error) {
        failed(error);
        return;
      }
      socket.off('error', failed);
      resolve(take(socket));
    });
    try {
      socket.bind({ port: bind?.port ?? 0, ...(bind === undefined ? {} : { address: bind.host }), exclusive: true });
    } catch (error) {
      failed(error);
    }
  });
}

function join(socket: dgram.Socket, multicast: Multicast): void {
  if (multicast.group !== undefined) socket.addMembership(multicast.group, multicast.interfaceAddress);
  socket.setMulticastLoopback(multicast.loopback);
  if (multicast.interfaceAddress !== undefined) socket.setMulticastInterface(multicast.interfaceAddress);
}
