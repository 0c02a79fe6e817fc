/**
 * The user network on the test host, with the world that the golden vectors were recorded in: echo servers on loopback
 * and on the host's own address, a neighbour, a prohibited and an unreachable network.
 */
import type { NetClient, SendResult } from '../../../src/net/client.ts';
import { FRAME_NEEDS_CHECKSUM, Frame } from '../../../src/net/frame.ts';
import type { DatagramSocket, InetAddress, Listener } from '../../../src/net/host.ts';
import type { ProtectedAddresses } from '../../../src/net/protected-addresses.ts';
import { createUserNetdev } from '../../../src/netdevs/user/index.ts';
import type { NetdevUserOptions } from '../../../src/schema/net.ts';
import { newBatch } from '../../../src/slirp/udp-sender.ts';
import * as w from '../../../src/wire/index.ts';
import { createTestHost, type TestHost } from '../../kit/host.ts';
import { createRecordingContext, RecordingPort } from '../../kit/netdev-context.ts';

export const GUEST_MAC = 0x525400123456;
export const GUEST = 0x0a00020f;
export const HOST = 0x0a000202;
export const DNS = 0x0a000203;
export const HOST_MAC = 0x52550a000202;

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

/** A port that fills in checksums left to it, as the core does for a receiver without offloads. */
export class CheckingPort extends RecordingPort {
  override send(frame: Frame): SendResult {
    const bytes = frame.bytes.slice(frame.offset, frame.offset + frame.length);
    if ((frame.flags & FRAME_NEEDS_CHECKSUM) !== 0) {
      const start = frame.checksumStart;
      const sum = w.checksum(bytes, start, bytes.length - start);
      w.put16(bytes, start + frame.checksumOffset, sum);
    }
    return super.send(new Frame().setPlain(bytes, 0, bytes.length));
  }
}

export interface World {
  readonly test: TestHost;
  readonly port: CheckingPort;
  readonly client: NetClient;
  readonly protectedAddresses: ProtectedAddresses;
  /** Gives the stack a frame from a guest, by port 1 unless said; the memory is overwritten afterwards. */
  give(frame: Uint8Array, ingress?: number): void;
  /** What the stack sent since the last call. */
  take(): Uint8Array[];
  /** Gives a frame, lets things happen for a while, takes what came back. */
  exchange(frame: Uint8Array, ms?: number): Promise<Uint8Array[]>;
  close(): Promise<void>;
}

export async function createWorld(options: NetdevUserOptions = {}, prepare?: (test: TestHost) => void): Promise<World> {
  const test = createTestHost({ seed: 7 });
  Object.assign(test.network.local, { addresses: ['198.51.100.1', '2001:db8:0:1::1'] });
  prepare?.(test);
  const context = { ...createRecordingContext(test.host, 'u0'), port: new CheckingPort('u0') };
  const client = await createUserNetdev(options, context);
  const { port } = context;
  const frame = new Frame();
  const give = (bytes: Uint8Array, ingress = 1): void => {
    const borrowed = new Uint8Array(bytes.length + 6).fill(0xaa);
    borrowed.set(bytes, 3);
    frame.ingress = ingress;
    client.receive(frame.setPlain(borrowed, 3, bytes.length));
    borrowed.fill(0xee);
  };
  const take = (): Uint8Array[] => port.frames.splice(0);
  return {
    test,
    port,
    client,
    protectedAddresses: context.protectedAddresses,
    give,
    take,
    exchange: async (bytes, ms = 300) => {
      give(bytes);
      await test.elapse(ms);
      return take();
    },
    close: () => client.close(),
  };
}

const any = (host: string, port: number): InetAddress => ({ family: 'ipv4', host, port });

/** UDP servers that answer `R:` and what they got, from the machine under test or another. */
export async function echoServer(test: TestHost, host: string, port: number): Promise<DatagramSocket> {
  const owner = [...test.network.hosts].find((machine) => machine.owns(host)) ?? test.network.local;
  const socket = await owner.sockets.datagram({ family: 'ipv4', bind: any(host, port) });
  const batch = newBatch(new Uint8Array(131_072), 16);
  socket.onEvent = (event) => {
    if (event !== 'readable') return;
    const count = socket.receiveBatch(batch);
    for (let i = 0; i < count; i++) {
      const offset = batch.offset[i] ?? 0;
      const length = batch.length[i] ?? 0;
      const reply = newBatch(new Uint8Array(length + 2), 1);
      reply.bytes.set([0x52, 0x3a]);
      reply.bytes.set(batch.bytes.subarray(offset, offset + length), 2);
      reply.length[0] = length + 2;
      reply.peer[0] = batch.peer[i];
      reply.count = 1;
      socket.sendBatch(reply);
    }
  };
  socket.interest(true, false);
  return socket;
}

export function listenOn(test: TestHost, host: string, port: number): Promise<Listener> {
  return test.network.local.sockets.listen(any(host, port));
}

/** The recorded world (`host_setup` of the vectors). */
export async function recordedWorld(test: TestHost): Promise<void> {
  test.network.addHost(['198.51.100.2', '2001:db8:0:1::2']);
  Object.assign(test.network.addHost('203.0.113.9'), { hops: 2, router: '198.51.100.2' });
  for (let i = 0; i < 32; i++) {
    const code = i < 16 ? 'EACCES' : 'EHOSTUNREACH';
    test.network.fail({ on: 'connect', host: `192.0.2.${i}`, code });
    test.network.fail({ on: 'send', host: `192.0.2.${i}`, code });
  }
  test.resolver.setServers([any('127.0.0.53', 53), { family: 'ipv6', host: '::1', port: 53 }]);
  await echoServer(test, '127.0.0.53', 53);
  await echoServer(test, '127.0.0.1', 9000);
  await echoServer(test, '198.51.100.1', 9001);
}

/** An Ethernet and IPv4 frame from the guest around a transport payload. */
export function ipv4Frame(
  protocol: number,
  payload: Uint8Array,
  options: {
    source?: number;
    destination?: number;
    ttl?: number;
    tos?: number;
    id?: number;
    flagsAndOffset?: number;
    mac?: number;
    destinationMac?: number;
  } = {},
): Uint8Array {
  const bytes = new Uint8Array(34 + payload.length);
  w.emitEthernet(bytes, 0, options.destinationMac ?? HOST_MAC, options.mac ?? GUEST_MAC, w.ETHERTYPE_IPV4);
  w.emitIpv4(
    bytes,
    14,
    payload.length,
    options.tos ?? 0,
    options.id ?? 0x1234,
    options.flagsAndOffset ?? 0,
    options.ttl ?? 64,
    protocol,
    options.source ?? GUEST,
    options.destination ?? HOST,
  );
  bytes.set(payload, 34);
  return bytes;
}

export function udpFrame(
  sourcePort: number,
  destinationPort: number,
  data: Uint8Array | string,
  options: Parameters<typeof ipv4Frame>[2] = {},
): Uint8Array {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  const payload = new Uint8Array(8 + bytes.length);
  payload.set(bytes, 8);
  const pseudo = w.ipv4PseudoSum(options.source ?? GUEST, options.destination ?? HOST);
  w.emitUdp(payload, 0, sourcePort, destinationPort, bytes.length, pseudo);
  return ipv4Frame(w.PROTOCOL_UDP, payload, options);
}

/** A TCP segment without options. */
export function tcpSegment(
  ports: readonly [source: number, destination: number],
  flags: number,
  numbers: { seq?: number; ack?: number; data?: Uint8Array } = {},
  options: Parameters<typeof ipv4Frame>[2] = {},
): Uint8Array {
  const { seq = 1000, ack = 0, data = new Uint8Array(0) } = numbers;
  const segment = new Uint8Array(20 + data.length);
  w.emitTcpHeader(segment, 0, ports[0], ports[1], seq, ack, 20, flags, 65_535);
  segment.set(data, 20);
  const pseudo =
    w.ipv4PseudoSum(options.source ?? GUEST, options.destination ?? HOST) + w.PROTOCOL_TCP + segment.length;
  w.put16(segment, 16, w.checksum(segment, 0, segment.length, pseudo));
  return ipv4Frame(w.PROTOCOL_TCP, segment, options);
}

export function arpFrame(
  operation: number,
  senderMac: number,
  senderAddress: number,
  targetAddress: number,
  destination = w.MAC_BROADCAST,
  targetMac = 0,
): Uint8Array {
  const bytes = new Uint8Array(42);
  w.emitEthernet(bytes, 0, destination, senderMac, w.ETHERTYPE_ARP);
  w.emitArp(bytes, 14, { operation, senderMac, senderAddress, targetMac, targetAddress });
  return bytes;
}

/** The guest tells everybody its address. */
export const announce = (mac = GUEST_MAC, address = GUEST): Uint8Array =>
  arpFrame(w.ARP_REQUEST, mac, address, address);

/** The payload of a UDP frame, and where it comes from. */
export function udpOf(frame: Uint8Array | undefined): {
  source: number;
  destination: number;
  sourcePort: number;
  destinationPort: number;
  data: Uint8Array;
  text: string;
} {
  if (frame === undefined) throw new TypeError('no frame');
  const ip = w.parseIpv4(frame, 14, frame.length);
  if (typeof ip === 'string' || ip.protocol !== w.PROTOCOL_UDP) throw new TypeError(`no UDP: ${hex(frame)}`);
  const udp = w.parseUdp(frame, 34, 34 + ip.payloadLength, w.ipv4PseudoSum(ip.source, ip.destination));
  if (typeof udp === 'string') throw new TypeError(udp);
  const data = frame.slice(udp.payloadOffset, udp.payloadOffset + udp.payloadLength);
  return {
    source: ip.source,
    destination: ip.destination,
    sourcePort: udp.sourcePort,
    destinationPort: udp.destinationPort,
    data,
    text: new TextDecoder().decode(data),
  };
}

/** Type, code and source of an ICMP frame. */
export function icmpOf(frame: Uint8Array | undefined): {
  source: number;
  type: number;
  code: number;
  quote: Uint8Array;
} {
  if (frame === undefined) throw new TypeError('no frame');
  const ip = w.parseIpv4(frame, 14, frame.length);
  if (typeof ip === 'string' || ip.protocol !== w.PROTOCOL_ICMP) throw new TypeError(`no ICMP: ${hex(frame)}`);
  const icmp = w.parseIcmp(frame, 34, 34 + ip.payloadLength);
  if (typeof icmp === 'string') throw new TypeError(icmp);
  return { source: ip.source, type: icmp.type, code: icmp.code, quote: frame.slice(42, 34 + ip.payloadLength) };
}

/** A DHCP message from a client. */
export function dhcpFrame(
  mac: number,
  type: number,
  options: {
    requested?: number;
    server?: number;
    client?: number;
    hostname?: string;
    destination?: number;
    relay?: number;
    flags?: number;
    identifier?: readonly number[];
  } = {},
): Uint8Array {
  const payload = new Uint8Array(300);
  const writer = new w.DhcpWriter(payload, 0, 300, {
    op: w.DHCP_REQUEST_OP,
    xid: 0x1122_3344,
    flags: options.flags ?? 0,
    clientAddress: options.client ?? 0,
    yourAddress: 0,
    serverAddress: 0,
    relayAddress: options.relay ?? 0,
    clientMac: mac,
    file: new Uint8Array(0),
  });
  writer.byte(w.DHCP_OPTION.messageType, type);
  if (options.requested !== undefined) writer.word(w.DHCP_OPTION.requestedAddress, options.requested);
  if (options.server !== undefined) writer.word(w.DHCP_OPTION.serverId, options.server);
  if (options.hostname !== undefined) {
    writer.option(w.DHCP_OPTION.hostname, new TextEncoder().encode(options.hostname));
  }
  if (options.identifier !== undefined) writer.option(w.DHCP_OPTION.clientId, Uint8Array.from(options.identifier));
  writer.finish();
  return udpFrame(w.DHCP_CLIENT_PORT, w.DHCP_SERVER_PORT, payload, {
    source: options.client ?? 0,
    destination: options.destination ?? 0xffff_ffff,
    destinationMac: w.MAC_BROADCAST,
    mac,
  });
}

/** Without the questions for the addresses that are to be lent. */
export const withoutArp = (frames: readonly Uint8Array[]): Uint8Array[] =>
  frames.filter((frame) => w.ethernetType(frame, 0) !== w.ETHERTYPE_ARP);

export const dhcpDiscover = (mac: number): Uint8Array => dhcpFrame(mac, w.DHCP_DISCOVER);
