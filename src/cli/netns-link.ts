/**
 * A tap in another network namespace, with address, route and MTU: messages of rtnetlink(7) that a child sends there. All
 * words are in this machine's order, but addresses.
 */
import { endianness } from 'node:os';
import type { Descriptor, Kernel, NamespaceStep, Namespaces } from '../net/index.ts';

const IFREQ_BYTES = 40;
const VALUE_AT = 16;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;

const RTM_NEWLINK = 16;
const RTM_NEWADDR = 20;
const RTM_NEWROUTE = 24;
const NLM_F_REQUEST = 0x01;
const NLM_F_ACK = 0x04;
const NLM_F_REPLACE = 0x100;
const NLM_F_CREATE = 0x400;
const HEADER = 16;

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const IFF_UP = 1;
const IFLA_MTU = 4;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;
/** Of every network namespace. */
const LOOPBACK_INDEX = 1;

const LITTLE = endianness() === 'LE';

export interface LinkSettings {
  readonly name: string;
  readonly mtu: number;
  /** Dotted. */
  readonly address: string;
  readonly prefix: number;
  readonly gateway: string;
}

/**
 * Makes the tap and sets it up: loopback and tap up, address, default route.
 * @returns the tap, with vnet_hdr; it vanishes with this descriptor.
 * @throws HostError whose message names the step
 */
export async function makeTap(kernel: Kernel, namespaces: Namespaces, link: LinkSettings): Promise<Descriptor> {
  const { user, net } = namespaces;
  const where: Namespaces = { ...(user === undefined ? {} : { user }), ...(net === undefined ? {} : { net }) };
  const request = interfaceRequest(link.name);
  new DataView(request.buffer).setUint16(VALUE_AT, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, LITTLE);
  const [tap, socket] = (await kernel.openIn(where, [
    { kind: 'tun', request },
    { kind: 'socket', domain: AF_INET, type: SOCK_DGRAM | SOCK_CLOEXEC, protocol: 0 },
  ])) as [Descriptor, Descriptor];
  try {
    // The number is known only now, and a socket of that namespace can ask for it.
    const query = interfaceRequest(link.name);
    socket.ioctl('SIOCGIFINDEX', query);
    const index = new DataView(query.buffer).getInt32(VALUE_AT, LITTLE);
    await kernel.openIn(where, configure(index, link));
    return tap;
  } catch (error) {
    tap.close();
    throw error;
  } finally {
    socket.close();
  }
}

function configure(index: number, { mtu, address, prefix, gateway }: LinkSettings): NamespaceStep[] {
  const local = addressBytes(address);
  const messages = [
    message(RTM_NEWLINK, 0, linkBody(LOOPBACK_INDEX), []),
    message(RTM_NEWLINK, 0, linkBody(index), [[IFLA_MTU, word(mtu)]]),
    message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, addressBody(index, prefix), [
      [IFA_LOCAL, local],
      [IFA_ADDRESS, local],
    ]),
    message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, routeBody(), [
      [RTA_OIF, word(index)],
      [RTA_GATEWAY, addressBytes(gateway)],
    ]),
  ];
  return messages.map((bytes) => ({ kind: 'netlink', message: bytes }));
}

function interfaceRequest(name: string): Uint8Array<ArrayBuffer> {
  const request = new Uint8Array(IFREQ_BYTES);
  request.set(new TextEncoder().encode(name));
  return request;
}

/** struct ifinfomsg: goes up. */
function linkBody(index: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setInt32(4, index, LITTLE);
  view.setUint32(8, IFF_UP, LITTLE);
  view.setUint32(12, IFF_UP, LITTLE);
  return new Uint8Array(view.buffer);
}

/** struct ifaddrmsg: family, prefix, flags, scope, index. */
function addressBody(index: number, prefix: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint8(0, AF_INET);
  view.setUint8(1, prefix);
  view.setUint32(4, index, LITTLE);
  return new Uint8Array(view.buffer);
}

/** struct rtmsg of a default route: family, lengths of destination and source, TOS, table, protocol, scope, type. */
function routeBody(): Uint8Array {
  return Uint8Array.of(AF_INET, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_UNICAST, 0, 0, 0, 0);
}

/** Bodies and values are multiples of four bytes: nothing is padded. */
function message(type: number, flags: number, body: Uint8Array, attributes: [number, Uint8Array][]): Uint8Array {
  const length = attributes.reduce((sum, [, value]) => sum + 4 + value.length, HEADER + body.length);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, LITTLE);
  view.setUint16(4, type, LITTLE);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK | flags, LITTLE);
  view.setUint32(8, 1, LITTLE);
  bytes.set(body, HEADER);
  let at = HEADER + body.length;
  for (const [kind, value] of attributes) {
    view.setUint16(at, 4 + value.length, LITTLE);
    view.setUint16(at + 2, kind, LITTLE);
    bytes.set(value, at + 4);
    at += 4 + value.length;
  }
  return bytes;
}

function word(value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value, LITTLE);
  return new Uint8Array(view.buffer);
}

const addressBytes = (dotted: string): Uint8Array => Uint8Array.from(dotted.split('.'), Number);
