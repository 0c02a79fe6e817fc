/**
 * A DNS query of a guest that is under way at the host's resolvers, and what counts as a query, as its answer, and as a
 * reason to ask the next server (RFC 1035, RFC 5452; of the latter glibc's resolver has the same list).
 */
import type { InetAddress } from '../net/host.ts';
import {
  DNS_HEADER_LENGTH,
  DNS_NOTIMP,
  DNS_OPCODE_MASK,
  DNS_RECURSION_AVAILABLE,
  DNS_RECURSION_DESIRED,
  DNS_REFUSED,
  DNS_RESPONSE,
  DNS_SERVFAIL,
  dnsFlags,
  dnsId,
  dnsIsResponse,
  dnsQuestionCount,
  dnsQuestionEnd,
  dnsResponseCode,
  put16,
} from '../wire/index.ts';
import type { FlowNode } from './flow-table.ts';
import type { IpAddress, IpPacket } from './ip-layer.ts';
import { PacketQuote } from './packet-quote.ts';

/** Longer queries are no queries, bytes. */
export const DNS_MAX_QUERY = 4096;
/** A server that says nothing for so long is left for the next one. */
export const NEXT_SERVER_MS = 2000;
/** Then the guest is told that nobody answers. */
export const ATTEMPTS = 5;

export class DnsQuery implements FlowNode<DnsQuery> {
  readonly guest: IpAddress;
  readonly guestPort: number;
  /** The name server as the guest sees it. */
  readonly remote: IpAddress;
  /** Identifier and question: what one endpoint asks is told apart by both. */
  readonly remotePort: number;
  ingress: number;
  hash = 0;
  chain: DnsQuery | undefined;
  older: DnsQuery | undefined;
  newer: DnsQuery | undefined;

  readonly message: Uint8Array;
  readonly questionEnd: number;
  readonly quote = new PacketQuote();
  readonly tos: number;
  readonly servers: readonly InetAddress[];
  attempts = 0;
  refusals = 0;
  /** The last code of a server that would not answer; -1 = none said so. */
  refusalCode = -1;
  deadline = 0;
  done = false;

  constructor(packet: IpPacket, guestPort: number, message: Uint8Array, key: number, servers: readonly InetAddress[]) {
    this.guest = Uint32Array.from(packet.source);
    this.guestPort = guestPort;
    this.remote = Uint32Array.from(packet.destination);
    this.remotePort = key;
    this.ingress = packet.ingress;
    this.questionEnd = dnsQuestionEnd(message, 0, message.length);
    this.message = message;
    this.tos = packet.tos;
    this.servers = servers;
    this.quote.remember(packet);
  }
}

/** A standard query with one question. */
export function isQuery(bytes: Uint8Array, offset: number, end: number): boolean {
  const length = end - offset;
  if (length < DNS_HEADER_LENGTH || length > DNS_MAX_QUERY || dnsIsResponse(bytes, offset)) return false;
  if ((dnsFlags(bytes, offset) & DNS_OPCODE_MASK) !== 0 || dnsQuestionCount(bytes, offset) !== 1) return false;
  return dnsQuestionEnd(bytes, offset, end) > 0;
}

/** Identifier and a hash of the question, whose letters are alike in both cases. @param questionEnd of the message at 0 */
export function queryKey(message: Uint8Array, questionEnd: number): number {
  let hash = 0;
  for (let i = DNS_HEADER_LENGTH; i < questionEnd; i++) hash = (Math.imul(hash, 31) + lower(message[i] ?? 0)) & 0xffff;
  return dnsId(message, 0) * 0x1_0000 + hash;
}

/** Whether bytes at..end answer `query`, apart from the identifier. @param questionEnd of the query at 0 */
export function isAnswer(query: Uint8Array, questionEnd: number, bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < DNS_HEADER_LENGTH || !dnsIsResponse(bytes, at)) return false;
  // A server that could not read the query may leave the question out.
  return dnsQuestionCount(bytes, at) === 0 || sameQuestion(query, questionEnd, bytes, at, end);
}

export function sameQuestion(
  query: Uint8Array,
  questionEnd: number,
  bytes: Uint8Array,
  at: number,
  end: number,
): boolean {
  if (dnsQuestionEnd(bytes, at, end) - at !== questionEnd) return false;
  for (let i = DNS_HEADER_LENGTH; i < questionEnd; i++) {
    if (lower(bytes[at + i] ?? 0) !== lower(query[i] ?? 0)) return false;
  }
  return true;
}

/** The server would not answer; another one may. */
export function isRefusal(bytes: Uint8Array, at: number): boolean {
  const code = dnsResponseCode(bytes, at);
  return code === DNS_SERVFAIL || code === DNS_REFUSED || code === DNS_NOTIMP;
}

/** Writes what a name server says that has no answer: the query's header and question, turned round. @returns its length */
export function emitFailure(
  out: Uint8Array,
  at: number,
  query: Uint8Array,
  questionEnd: number,
  code = DNS_SERVFAIL,
): number {
  const hasQuestion = questionEnd > 0;
  const length = hasQuestion ? questionEnd : DNS_HEADER_LENGTH;
  out.set(query.subarray(0, length), at);
  const flags = dnsFlags(query, 0) & (DNS_OPCODE_MASK | DNS_RECURSION_DESIRED);
  put16(out, at + 2, DNS_RESPONSE | flags | DNS_RECURSION_AVAILABLE | code);
  put16(out, at + 4, hasQuestion ? 1 : 0);
  out.fill(0, at + 6, at + DNS_HEADER_LENGTH);
  return length;
}

const lower = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte);
