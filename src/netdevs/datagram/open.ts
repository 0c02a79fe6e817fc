/** The sockets of socket and dgram, with QEMU's error texts. */
import type { NetClient, NetdevContext } from '../../net/index.ts';
import { type DatagramSocket, HostError, type InetAddress, isInet, type Multicast } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import { inetAton } from '../../wire/index.ts';
import { isMulticastIpv4 } from '../address/index.ts';
import { DatagramWire } from './datagram-wire.ts';

/** What joining a group fails with, and bind does not. */
const JOIN_ERRORS: ReadonlySet<string> = new Set(['ENODEV', 'ENOBUFS', 'ENOMEM']);

/** A wire to `remote` from a socket bound to `local`. It takes frames from anybody, as QEMU's does. */
export async function openUdpWire(
  context: NetdevContext,
  local: InetAddress,
  remote: InetAddress,
  info: (bound: InetAddress) => string,
): Promise<NetClient> {
  const socket = await open(context, local, undefined);
  const bound = isInet(socket.localAddress) ? socket.localAddress : local;
  return new DatagramWire(context, { socket, remote, info: info(bound), suppressEcho: false });
}

/**
 * A wire to all members of a group. The socket is bound to the group itself, so it gets nothing else.
 * @param interfaceAddress unset: the kernel's choice.
 */
export async function openMulticastWire(
  context: NetdevContext,
  group: InetAddress,
  interfaceAddress: string | undefined,
  info: string,
): Promise<NetClient> {
  if (!isMulticastIpv4(group)) {
    const hex = (inetAton(group.host) ?? 0).toString(16).padStart(8, '0');
    throw new QapiError(`specified mcastaddr ${group.host} (0x${hex}) does not contain a multicast address`);
  }
  // Other members on this machine hear us only with the loop on; our own echoes are filtered.
  const socket = await open(context, group, { group: group.host, interfaceAddress, loopback: true });
  return new DatagramWire(context, { socket, remote: group, info, suppressEcho: true });
}

async function open(
  context: NetdevContext,
  bind: InetAddress,
  multicast: Multicast | undefined,
): Promise<DatagramSocket> {
  const { host, signal } = context;
  let socket: DatagramSocket;
  try {
    const common = { family: 'ipv4', bind, reuseAddress: true } as const;
    socket = await host.sockets.datagram(multicast === undefined ? common : { ...common, multicast });
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    if (error.code === 'ENOTSUP') throw new QapiError(error.message, { cause: error });
    const joining = multicast !== undefined && JOIN_ERRORS.has(error.code);
    const what = joining ? `can't add socket to multicast group ${bind.host}` : `can't bind ip=${bind.host} to socket`;
    throw new QapiError(`${what}: ${error.message}`, { cause: error });
  }
  if (signal.aborted) {
    await socket.close();
    signal.throwIfAborted();
  }
  return socket;
}
