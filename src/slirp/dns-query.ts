/** A DNS query under way at the host's resolvers, and what counts as a query and as its answer (RFC 1035, RFC 5452). */
import type { DatagramSocket, InetAddress } from '../net/host.ts';
import {
  DNS_HEADER_LENGTH,
  DNS_OPCODE_MASK,
  dnsFlags,
  dnsId,
  dnsIsResponse,
  dnsQuestionCount,
  dnsQuestionEnd,
  put16,
} from '../wire/index.ts';
import { QUOTE } from './icmp.ts';
import type { IpAddress, IpPacket } from './ip-layer.ts';

/** Longer queries are no queries, bytes. */
export const DNS_MAX_QUERY = 4096;

export class DnsQuery {
  readonly guest: IpAddress;
  readonly guestPort: number;
  readonly server: IpAddress;
  readonly guestId: number;
  readonly id: number;
  readonly message: Uint8Array;
  readonly questionEnd: number;
  readonly quote: Uint8Array;
  readonly tos: number;
  readonly servers: readonly InetAddress[];
  readonly sockets: DatagramSocket[] = [];
  attempts = 0;
  refusals = 0;
  deadline = 0;
  done = false;

  constructor(packet: IpPacket, guestPort: number, message: Uint8Array, id: number, servers: readonly InetAddress[]) {
    this.guest = Uint32Array.from(packet.source);
    this.server = Uint32Array.from(packet.destination);
    this.guestPort = guestPort;
    this.guestId = dnsId(message, 0);
    this.questionEnd = dnsQuestionEnd(message, 0, message.length);
    this.id = id;
    this.message = message;
    this.tos = packet.tos;
    this.servers = servers;
    const length = packet.transportOffset - packet.ipOffset + packet.transportLength;
    this.quote = packet.bytes.slice(packet.ipOffset, packet.ipOffset + Math.min(QUOTE, length));
    put16(message, 0, id);
  }
}

/** A standard query with one question. */
export function isQuery(bytes: Uint8Array, offset: number, end: number): boolean {
  const length = end - offset;
  if (length < DNS_HEADER_LENGTH || length > DNS_MAX_QUERY || dnsIsResponse(bytes, offset)) return false;
  if ((dnsFlags(bytes, offset) & DNS_OPCODE_MASK) !== 0 || dnsQuestionCount(bytes, offset) !== 1) return false;
  return dnsQuestionEnd(bytes, offset, end) > 0;
}

export function isAnswer(query: DnsQuery, bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < DNS_HEADER_LENGTH || !dnsIsResponse(bytes, at) || dnsId(bytes, at) !== query.id) return false;
  // A server that could not read the query may leave the question out.
  return dnsQuestionCount(bytes, at) === 0 || sameQuestion(query, bytes, at, end);
}

export function sameQuestion(query: DnsQuery, bytes: Uint8Array, at: number, end: number): boolean {
  if (dnsQuestionEnd(bytes, at, end) - at !== query.questionEnd) return false;
  for (let i = DNS_HEADER_LENGTH; i < query.questionEnd; i++) {
    if (lower(bytes[at + i] ?? 0) !== lower(query.message[i] ?? 0)) return false;
  }
  return true;
}

const lower = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte);
