/** Frames of a guest that is its own TCP/IP, ready for a stream wire: each behind its length (QEMU net/stream.c). */
import * as w from '../../../../src/wire/index.ts';

export const GATEWAY = 0x0a000202;
export const NAME_SERVER = 0x0a000203;
export const GATEWAY_MAC = 0x52550a000202;
const LENGTH_BYTES = 4;
const IP = LENGTH_BYTES + w.ETHERNET_LENGTH;
const TRANSPORT = IP + w.IPV4_HEADER_LENGTH;

/** Who a frame says it is from. */
export interface Sender {
  readonly mac: number;
  readonly address: number;
}

export function ethernet({ mac }: Sender, to: number, type: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.max(IP + payload.length, LENGTH_BYTES + 60));
  w.put32(bytes, 0, bytes.length - LENGTH_BYTES);
  w.emitEthernet(bytes, LENGTH_BYTES, to, mac, type);
  bytes.set(payload, IP);
  return bytes;
}

export function announcement(from: Sender, claimed = from.address): Uint8Array {
  const payload = new Uint8Array(w.ARP_LENGTH);
  w.emitArp(payload, 0, {
    operation: w.ARP_REQUEST,
    senderMac: from.mac,
    senderAddress: claimed,
    targetMac: 0,
    targetAddress: claimed,
  });
  return ethernet(from, w.MAC_BROADCAST, w.ETHERTYPE_ARP, payload);
}

/** The answer to a request for our address. */
export function arpReply(from: Sender): Uint8Array {
  const payload = new Uint8Array(w.ARP_LENGTH);
  w.emitArp(payload, 0, {
    operation: w.ARP_REPLY,
    senderMac: from.mac,
    senderAddress: from.address,
    targetMac: GATEWAY_MAC,
    targetAddress: GATEWAY,
  });
  return ethernet(from, GATEWAY_MAC, w.ETHERTYPE_ARP, payload);
}

interface PacketFields {
  readonly to: number;
  readonly protocol: number;
  readonly transportLength: number;
  readonly id?: number;
  readonly fragment?: number;
}

function packet(from: Sender, fields: PacketFields): Uint8Array {
  const { to, protocol, transportLength, id = 0, fragment = 0 } = fields;
  const bytes = new Uint8Array(Math.max(TRANSPORT + transportLength, LENGTH_BYTES + 60));
  w.put32(bytes, 0, bytes.length - LENGTH_BYTES);
  w.emitEthernet(bytes, LENGTH_BYTES, GATEWAY_MAC, from.mac, w.ETHERTYPE_IPV4);
  w.emitIpv4(bytes, IP, transportLength, 0, id, fragment, 64, protocol, from.address, to);
  return bytes;
}

export function udp(from: Sender, port: number, to: number, toPort: number, payload: Uint8Array): Uint8Array {
  const bytes = packet(from, { to, protocol: w.PROTOCOL_UDP, transportLength: w.UDP_HEADER_LENGTH + payload.length });
  bytes.set(payload, TRANSPORT + w.UDP_HEADER_LENGTH);
  w.emitUdp(bytes, TRANSPORT, port, toPort, payload.length, w.ipv4PseudoSum(from.address, to));
  return bytes;
}

export function fragment(from: Sender, id: number, offset: number, length: number, more: boolean): Uint8Array {
  const field = (offset >> 3) | (more ? w.IPV4_MORE_FRAGMENTS : 0);
  return packet(from, { to: GATEWAY, protocol: w.PROTOCOL_UDP, transportLength: length, id, fragment: field });
}

export function ping(from: Sender, id: number, sequence: number, to: number, length: number): Uint8Array {
  const bytes = packet(from, { to, protocol: w.PROTOCOL_ICMP, transportLength: w.ICMP_HEADER_LENGTH + length });
  w.emitIcmp(bytes, TRANSPORT, w.ICMP_ECHO_REQUEST, 0, ((id << 16) | sequence) >>> 0, length);
  return bytes;
}

export function query(from: Sender, port: number, id: number, name: string): Uint8Array {
  const message = new Uint8Array(64 + name.length);
  const length = w.emitDns(message, 0, id, 0x0100, name.split('.'), 1, 1);
  return udp(from, port, NAME_SERVER, w.DNS_PORT, message.subarray(0, length));
}

export interface Segment {
  readonly port: number;
  readonly to: number;
  readonly toPort: number;
  readonly seq: number;
  readonly ack?: number;
  readonly flags: number;
  readonly window?: number;
  readonly payload?: Uint8Array;
}

const NOTHING = new Uint8Array(0);

export function tcp(from: Sender, segment: Segment): Uint8Array {
  const { port, to, toPort, seq, ack = 0, flags, window = 65_535, payload = NOTHING } = segment;
  const options = (flags & w.TCP_SYN) === 0 ? 0 : 12;
  const header = 20 + options;
  const length = header + payload.length;
  const bytes = packet(from, { to, protocol: w.PROTOCOL_TCP, transportLength: length });
  w.emitTcpHeader(bytes, TRANSPORT, port, toPort, seq >>> 0, ack >>> 0, header, flags, window);
  if (options > 0) w.emitSynOptions(bytes, TRANSPORT + 20, 1460, 7, true);
  bytes.set(payload, TRANSPORT + header);
  const pseudo = w.ipv4PseudoSum(from.address, to) + w.PROTOCOL_TCP + length;
  w.put16(bytes, TRANSPORT + 16, w.checksum(bytes, TRANSPORT, length, pseudo));
  return bytes;
}

/** What a received frame (without the length in front) says, if it is TCP for us. */
export interface Heard {
  readonly port: number;
  readonly address: number;
  readonly from: number;
  readonly fromPort: number;
  readonly seq: number;
  readonly flags: number;
  readonly payloadLength: number;
}

export function hearTcp(bytes: Uint8Array, at: number): Heard | undefined {
  if (w.ethernetType(bytes, at) !== w.ETHERTYPE_IPV4) return undefined;
  const ip = at + w.ETHERNET_LENGTH;
  if (w.ipv4Protocol(bytes, ip) !== w.PROTOCOL_TCP) return undefined;
  const o = ip + w.ipv4HeaderLength(bytes, ip);
  return {
    port: w.u16(bytes, o + 2),
    address: w.ipv4Destination(bytes, ip),
    from: w.ipv4Source(bytes, ip),
    fromPort: w.u16(bytes, o),
    seq: w.tcpSeq(bytes, o),
    flags: bytes[o + 13] as number,
    payloadLength: w.ipv4TotalLength(bytes, ip) - (o - ip) - w.tcpHeaderLength(bytes, o),
  };
}

/** The address that a received frame asks for, if it is an ARP request. */
export function askedFor(bytes: Uint8Array, at: number): number | undefined {
  if (w.ethernetType(bytes, at) !== w.ETHERTYPE_ARP) return undefined;
  const o = at + w.ETHERNET_LENGTH;
  return w.arpOperation(bytes, o) === w.ARP_REQUEST ? w.arpTargetAddress(bytes, o) : undefined;
}
