/** Opening datagram descriptors: UDP, unix, raw IP and ICMP echo; bound, and members of their group. */
import { networkInterfaces } from 'node:os';
import { type DatagramOptions, type Family, HostError, type Multicast } from '../../net/index.ts';
import { hostError } from '../errno.ts';
import { removeStale } from '../listener.ts';
import { giveAccess } from '../path-access.ts';
import type { NativeContext } from './context.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  EACCES,
  IP_ADD_MEMBERSHIP,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_PKTINFO,
  IP_RECVERR,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_ADD_MEMBERSHIP,
  IPV6_MULTICAST_IF,
  IPV6_MULTICAST_LOOP,
  IPV6_RECVERR,
  IPV6_RECVPKTINFO,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_FLAGS,
  SOCK_RAW,
  SOL_SOCKET,
} from './linux.ts';
import { bindPath, bindTo, guarded, newSocket } from './open-socket.ts';
import { encodeAddress, encodeFamily, interfaceIndex, putHost32 } from './sockaddr.ts';

export const DOMAINS = { ipv4: AF_INET, ipv6: AF_INET6, unix: AF_UNIX } as const;

/** @throws HostError when bind or joining the group fails. */
export async function openDatagram(context: NativeContext, options: DatagramOptions): Promise<number> {
  const { bind, family, multicast, rawProtocol } = options;
  if (bind !== undefined && bind.family !== family) throw hostError('EAFNOSUPPORT');
  if (bind?.family === 'unix' && bind.path !== '') {
    encodeAddress(bind, context.scratch, 0);
    await removeStale(bind.path);
  }
  if (context.host.isClosed) throw hostError('ECANCELED');
  const raw = rawProtocol !== undefined;
  const fd = newSocket(context, DOMAINS[family], raw ? SOCK_RAW : SOCK_DGRAM, rawProtocol ?? 0);
  return guarded(context, fd, () => {
    if (options.reuseAddress === true || multicast?.group !== undefined) {
      context.calls.setsockoptInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    }
    if (family !== 'unix') receiveErrors(context, fd, family);
    if (options.localAddresses === true) receiveLocals(context, fd, family);
    bindDatagram(context, fd, options);
    if (multicast !== undefined) join(context, fd, family === 'ipv6' ? 'ipv6' : 'ipv4', multicast);
    return fd;
  });
}

/** @throws HostError EACCES when the group may not, EPROTONOSUPPORT or EAFNOSUPPORT when the kernel cannot. */
export function openPing(context: NativeContext, family: Family): number {
  const ipv6 = family === 'ipv6';
  const protocol = ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
  let fd: number;
  try {
    fd = newSocket(context, DOMAINS[family], SOCK_DGRAM, protocol);
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== context.errorName(EACCES)) throw error;
    const text = 'ICMP echo sockets are not allowed for this group: see the sysctl net.ipv4.ping_group_range';
    throw new HostError('EACCES', text, { cause: error });
  }
  return guarded(context, fd, () => {
    receiveErrors(context, fd, family);
    // The kernel picks the identifier now, so that it is known as the port.
    bindTo(context, fd, { family, host: ipv6 ? '::' : '0.0.0.0', port: 0 });
    return fd;
  });
}

/** Whether this numeric address is one of the machine's: the kernel binds no other. */
export function canBind(context: NativeContext, host: string): boolean {
  const family = host.includes(':') ? 'ipv6' : 'ipv4';
  const fd = context.calls.socket(DOMAINS[family], SOCK_DGRAM | SOCK_FLAGS, 0);
  // Nobody can say now.
  if (fd < 0) return true;
  const length = encodeAddress({ family, host, port: 0 }, context.scratch, 0);
  const result = context.calls.bind(fd, context.scratch, 0, length);
  context.calls.close(fd);
  return result >= 0;
}

/** Not for descriptors that are only borrowed from another program. */
function receiveErrors(context: NativeContext, fd: number, family: Family): void {
  if (family === 'ipv6') context.calls.setsockoptInt(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
  // A dual-stack socket gets ICMP as well.
  context.calls.setsockoptInt(fd, IPPROTO_IP, IP_RECVERR, 1);
}

function receiveLocals(context: NativeContext, fd: number, family: Family | 'unix'): void {
  if (family === 'ipv4') context.check(context.calls.setsockoptInt(fd, IPPROTO_IP, IP_PKTINFO, 1));
  if (family === 'ipv6') context.check(context.calls.setsockoptInt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
}

/** Without an address to bind, inet sockets get a port, as node:dgram's do; unix and raw ones stay unnamed. */
function bindDatagram(context: NativeContext, fd: number, options: DatagramOptions): void {
  const { bind, family } = options;
  if (bind?.family === 'unix' && bind.path === '') autobind(context, fd);
  else if (bind !== undefined) bindPath(context, fd, bind, options.mode, () => giveAccess(bind, options));
  else if (family !== 'unix' && options.rawProtocol === undefined) {
    bindTo(context, fd, { family, host: family === 'ipv6' ? '::' : '0.0.0.0', port: 0 });
  }
}

/** unix(7): the kernel picks an abstract name. */
function autobind(context: NativeContext, fd: number): void {
  const { scratch } = context;
  encodeFamily(AF_UNIX, scratch, 0);
  context.check(context.calls.bind(fd, scratch, 0, 2));
}

function join(context: NativeContext, fd: number, family: Family, multicast: Multicast): void {
  const { calls, scratch } = context;
  const { group, interfaceAddress, loopback } = multicast;
  if (family === 'ipv4') {
    const request = new Uint8Array(8);
    if (interfaceAddress !== undefined) request.set(ipOf(context, 'ipv4', interfaceAddress), 4);
    if (group !== undefined) {
      request.set(ipOf(context, 'ipv4', group));
      context.check(calls.setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, request, 0, 8));
    }
    context.check(calls.setsockoptInt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, loopback ? 1 : 0));
    if (interfaceAddress === undefined) return;
    context.check(calls.setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, request, 4, 4));
    return;
  }
  const index = interfaceAddress === undefined ? 0 : indexOf(interfaceAddress);
  if (group !== undefined) {
    const request = new Uint8Array(20);
    request.set(ipOf(context, 'ipv6', group));
    putHost32(request, 16, index);
    context.check(calls.setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, request, 0, 20));
  }
  context.check(calls.setsockoptInt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, loopback ? 1 : 0));
  if (index === 0) return;
  putHost32(scratch, 0, index);
  context.check(calls.setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, scratch, 0, 4));
}

/** The address alone: what stands in the group requests. */
function ipOf(context: NativeContext, family: Family, host: string): Uint8Array {
  encodeAddress({ family, host, port: 0 }, context.scratch, 0);
  return family === 'ipv4' ? context.scratch.slice(4, 8) : context.scratch.slice(8, 24);
}

/** IPv6 groups are joined on an interface: the one that `address` names after its %, or that has it. */
function indexOf(address: string): number {
  const zone = address.indexOf('%');
  if (zone >= 0) return interfaceIndex(address.slice(zone + 1));
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (addresses?.some((entry) => entry.address === address) === true) return interfaceIndex(name);
  }
  throw hostError('ENODEV');
}
