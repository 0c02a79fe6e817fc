/** netdev `socket`: the older, IPv4-only wires over TCP, UDP and multicast (QEMU net/socket.c). */
import type { NetClient, NetdevContext } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import type { NetdevSocketOptions } from '../../schema/net.ts';
import { parseLocalAddress, resolveHostPort } from '../address/index.ts';
import { openMulticastWire, openUdpWire } from '../datagram/index.ts';
import { checkSocketOptions } from './options.ts';
import { openSocketConnect, openSocketListen } from './stream-netdev.ts';

/** The driver. Rejects with QapiError with QEMU's text. */
export async function createSocket(options: NetdevSocketOptions, context: NetdevContext): Promise<NetClient> {
  checkSocketOptions(options);
  const { listen, connect, mcast, udp, localaddr } = options;
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
  throw new QapiError('socket: fd= needs the native layer, which this version does not have');
}
