/**
 * netdev `dgram`: frames as UDP datagrams to one peer or a multicast group (QEMU net/dgram.c). IPv4 only for inet
 * addresses, as in QEMU; which combinations of local and remote are allowed, and what the others are told, follows its
 * table. Unix sockets and descriptors need the native layer.
 */
import type { InetAddress, NetClient, NetdevContext } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import type { NetdevDgramOptions } from '../../schema/net.ts';
import {
  type InetOption,
  isMulticastIpv4,
  parseLocalAddress,
  refuseNative,
  resolveLegacy,
  type SocketAddressOption,
} from '../address/index.ts';
import { openMulticastWire, openUdpWire } from '../datagram/index.ts';

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
      throw new QapiError('dgram: local.type=unix needs the native layer, which this version does not have');
    case 'vsock':
      throw new QapiError('only support inet or fd type for local');
    case 'fd':
      refuseNative('dgram', 'local', local);
      throw new QapiError('dgram requires local= parameter');
    default:
      return local satisfies never;
  }
}

async function multicast(
  context: NetdevContext,
  group: InetAddress,
  local: SocketAddressOption | undefined,
): Promise<NetClient> {
  refuseNative('dgram', 'local', local?.type === 'fd' ? local : undefined);
  if (local !== undefined && local.type !== 'inet') throw new QapiError('only support inet or fd type for local');
  // The port of local means nothing here.
  const interfaceAddress = local === undefined ? undefined : parseLocalAddress(local.host);
  return openMulticastWire(context, group, interfaceAddress, `mcast=${group.host}:${group.port}`);
}
