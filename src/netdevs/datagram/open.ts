/** The sockets of socket and dgram, with QEMU's error texts. */
import type { NetClient, NetdevContext } from '../../net/index.ts';
import {
  type DatagramSocket,
  HostError,
  type InetAddress,
  isInet,
  type Multicast,
  type UnixAddress,
} from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import { inetAton } from '../../wire/index.ts';
import { isMulticastIpv4 } from '../address/index.ts';
import { DatagramWire } from './datagram-wire.ts';
import { OwnSource } from './own-source.ts';

/** What joining a group fails with, and bind does not. */
const JOIN_ERRORS: ReadonlySet<string> = new Set(['ENODEV', 'ENOBUFS', 'ENOMEM']);

const anyPort: InetAddress = { family: 'ipv4', host: '0.0.0.0', port: 0 };

/** For its owner only: whoever sends is on the network. */
const UNIX_MODE = 0o600;

/** A wire to `remote` from a socket bound to `local`. It takes frames from anybody, as QEMU's does. */
export async function openUdpWire(
  context: NetdevContext,
  local: InetAddress,
  remote: InetAddress,
  info: (bound: InetAddress) => string,
): Promise<NetClient> {
  const socket = await open(context, local, undefined);
  const bound = isInet(socket.localAddress) ? socket.localAddress : local;
  return new DatagramWire(context, { socket, remote, info: info(bound) });
}

/** A wire to the socket at `remote`, by its path with every frame: it may come and go. */
export async function openUnixWire(
  context: NetdevContext,
  local: UnixAddress,
  remote: UnixAddress,
  info: string,
): Promise<NetClient> {
  const { host, signal } = context;
  let socket: DatagramSocket;
  try {
    socket = await host.sockets.datagram({ family: 'unix', bind: local, mode: UNIX_MODE });
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    const alone = error.code === 'ENOTSUP' || error.message.startsWith('Failed to');
    throw new QapiError(alone ? error.message : `can't bind unix=${local.path} to socket: ${error.message}`, {
      cause: error,
    });
  }
  if (signal.aborted) {
    await socket.close();
    signal.throwIfAborted();
  }
  return new DatagramWire(context, { socket, remote, info });
}

/** A wire over a socket that somebody made: it sends to the peer it is connected to, and only receives without one. */
export function openAdoptedWire(context: NetdevContext, socket: DatagramSocket, text: string): NetClient {
  const kind = socket.localAddress.family === 'unix' ? 'unix' : 'inet';
  return new DatagramWire(context, { socket, remote: undefined, info: `${text} ${kind}` });
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
  const receiver = await open(context, group, { group: group.host, interfaceAddress, loopback: true });
  try {
    // Other members on this machine hear us only with the loop on.
    const sender = await open(context, anyPort, { interfaceAddress, loopback: true });
    const port = isInet(sender.localAddress) ? sender.localAddress.port : 0;
    const ownSource = new OwnSource(context.host.sockets, port);
    return new DatagramWire(context, { socket: receiver, sender, remote: group, info, ownSource });
  } catch (error) {
    await receiver.close();
    throw error;
  }
}

async function open(
  context: NetdevContext,
  bind: InetAddress,
  multicast: Multicast | undefined,
): Promise<DatagramSocket> {
  const { host, signal } = context;
  let socket: DatagramSocket;
  try {
    // The sender's port is no one else's.
    const common = { family: 'ipv4', bind, reuseAddress: bind !== anyPort } as const;
    socket = await host.sockets.datagram(multicast === undefined ? common : { ...common, multicast });
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    if (error.code === 'ENOTSUP') throw new QapiError(error.message, { cause: error });
    const joining = multicast?.group !== undefined && JOIN_ERRORS.has(error.code);
    const what = joining ? `can't add socket to multicast group ${bind.host}` : `can't bind ip=${bind.host} to socket`;
    throw new QapiError(`${what}: ${error.message}`, { cause: error });
  }
  if (signal.aborted) {
    await socket.close();
    signal.throwIfAborted();
  }
  return socket;
}
