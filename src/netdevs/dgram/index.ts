/**
 * netdev `dgram`: frames as UDP datagrams to one peer or a multicast group (QEMU net/dgram.c). IPv4 only for inet
 * addresses, as in QEMU; which combinations of local and remote are allowed, and what the others are told, follows its
 * table. Unix sockets and descriptors need a host with the native layer.
 */
import type { InetAddress, NetClient, NetdevContext } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import type { NetdevDgramOptions } from '../../schema/net.ts';
import {
  discard,
  type InetOption,
  isMulticastIpv4,
  parseLocalAddress,
  resolveLegacy,
  type SocketAddressOption,
  type TakenSocket,
  takeSocket,
  type UnixOption,
  unixAddress,
} from '../address/index.ts';
import { openAdoptedWire, openMulticastWire, openUdpWire, openUnixWire } from '../datagram/index.ts';

/** The driver. Rejects with QapiError with QEMU's text. */
export async function createDgram(options: NetdevDgramOptions, context: NetdevContext): Promise<NetClient> {
  const { local, remote } = options;
  const resolve = (option: InetOption): Promise<InetAddress> =>
    resolveLegacy(option.host, option.port, context.host, context.signal);
  // The remote is looked at first: a bad one is told before a bad combination.
  const to = remote?.type === 'inet' ? await resolve(remote) : undefined;
  if (to !== undefined && isMulticastIpv4(to)) return multicast(context, to, local);
  if (local === undefined) throw new QapiError('dgram requires local= parameter');
  if (remote !== undefined) {
    if (local.type === 'fd') throw new QapiError("don't set remote with local.fd");
    if (local.type !== remote.type) throw new QapiError('remote and local types must be the same');
  } else if (local.type !== 'fd') {
    throw new QapiError('type=inet or type=unix requires remote parameter');
  }
  switch (local.type) {
    case 'inet': {
      const from = await resolve(local);
      const peer = to as InetAddress;
      return openUdpWire(context, from, peer, (bound) => `udp=${bound.host}:${bound.port}/${peer.host}:${peer.port}`);
    }
    case 'unix':
      return unix(context, local, remote as UnixOption);
    case 'vsock':
      throw new QapiError('only support inet or fd type for local');
    case 'fd':
      return descriptorWire(context, local.str);
    default:
      return local satisfies never;
  }
}

async function multicast(
  context: NetdevContext,
  group: InetAddress,
  local: SocketAddressOption | undefined,
): Promise<NetClient> {
  if (local?.type === 'fd') return clonedMulticast(context, group, local.str);
  if (local !== undefined && local.type !== 'inet') throw new QapiError('only support inet or fd type for local');
  // The port of local means nothing here.
  const interfaceAddress = local === undefined ? undefined : parseLocalAddress(local.host);
  return openMulticastWire(context, group, interfaceAddress, `mcast=${group.host}:${group.port}`);
}

/** sockaddr_un.sun_path with its final NUL: dgram wants one where stream does not. */
const MAX_PATH_BYTES = 107;

function unix(context: NetdevContext, local: UnixOption, remote: UnixOption): Promise<NetClient> {
  for (const { path } of [local, remote]) {
    if (new TextEncoder().encode(path).length > MAX_PATH_BYTES) {
      throw new QapiError(`UNIX socket path '${path}' is too long`);
    }
  }
  return openUnixWire(context, unixAddress(local), unixAddress(remote), `udp=${local.path}:${remote.path}`);
}

function descriptorWire(context: NetdevContext, text: string): NetClient {
  const { descriptor, adopted } = takeDatagram(context, text);
  if (adopted.kind === 'datagram') return openAdoptedWire(context, adopted.socket, `fd=${descriptor}`);
  void discard(adopted);
  // QEMU takes a stream, and then has no frames on it.
  throw new QapiError(`dgram: fd=${descriptor} is not a datagram socket`);
}

/** The descriptor says only that its owner wants this group: the wire is a socket of our own (as documented for QEMU). */
async function clonedMulticast(context: NetdevContext, group: InetAddress, text: string): Promise<NetClient> {
  const { descriptor, adopted } = takeDatagram(context, text);
  await discard(adopted);
  const name = `mcast=${group.host}:${group.port}`;
  return openMulticastWire(context, group, undefined, `fd=${descriptor} (cloned ${name})`);
}

function takeDatagram(context: NetdevContext, text: string): TakenSocket {
  return takeSocket(context, text, (number, error) =>
    error.code === 'EBADF'
      ? `${context.id}: Can't use file descriptor ${number}: ${error.message}`
      : `Unable to query local socket address: ${error.message}`,
  );
}
