/**
 * DNS over UDP for the virtual name server: queries go to the host's resolvers (RFC 5452 for what is checked).
 *
 * Theory of operation. Each query gets an identifier of our own at random and, for each attempt, a fresh socket
 * connected to one resolver, so an answer has to come from that address and port to a random port, with that identifier
 * and the same question. The guest's identifier is put back. After NEXT_SERVER_MS without an answer, or at once when a
 * resolver refuses, the next one in the host's order is asked; earlier sockets go on listening. A guest's repetition of
 * a query that is under way is absorbed. When every resolver refused, the guest gets ICMP port unreachable; when none
 * answered in ATTEMPTS attempts, the query is forgotten.
 *
 * Messages are passed on as they are. Datagrams that are no queries are not taken: the caller treats them as any others.
 *
 * Limits: MAX_QUERIES under way (the oldest goes), one socket per attempt.
 */
import { Frame } from '../net/frame.ts';
import type { DatagramSocket, InetAddress, Timer } from '../net/host.ts';
import {
  DNS_HEADER_LENGTH,
  DNS_OPCODE_MASK,
  DNS_PORT,
  dnsFlags,
  dnsId,
  dnsIsResponse,
  dnsQuestionCount,
  dnsQuestionEnd,
  emitUdp,
  PROTOCOL_UDP,
  put16,
  UDP_HEADER_LENGTH,
} from '../wire/index.ts';
import { sameAddress } from './flow-table.ts';
import { QUOTE } from './icmp.ts';
import type { IpAddress, IpPacket } from './ip-layer.ts';
import type { UdpLayer } from './udp.ts';
import { newBatch } from './udp-sender.ts';

export const MAX_QUERIES = 256;
export const NEXT_SERVER_MS = 2000;
export const ATTEMPTS = 5;
/** Longer queries are no queries. */
const MAX_QUERY = 4096;
const HEADROOM = 64;
const ARENA = 65_536;

class Query {
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

export class DnsForwarder {
  readonly #layer: UdpLayer;
  /** In the order of their deadlines. */
  readonly #queries = new Set<Query>();
  readonly #timer: Timer;
  readonly #pending = new Set<Promise<void>>();
  readonly #arena = new Uint8Array(HEADROOM + ARENA);
  readonly #receive = newBatch(this.#arena.subarray(HEADROOM), 1);
  readonly #send = newBatch(new Uint8Array(MAX_QUERY), 1);
  readonly #frame = new Frame();
  #answered = 0;
  #failed = 0;
  #closed = false;

  constructor(layer: UdpLayer) {
    this.#layer = layer;
    this.#timer = layer.host.timers.create(() => this.#onTimer());
  }

  /** A datagram to port 53 of the virtual name server. false = no query, not taken. */
  input(packet: IpPacket, guestPort: number, offset: number, length: number): boolean {
    if (this.#closed || !isQuery(packet.bytes, offset, offset + length)) return false;
    const message = packet.bytes.slice(offset, offset + length);
    if (this.#isRepetition(packet, guestPort, message)) return true;
    const servers = this.#layer.host.resolver.servers();
    if (servers.length === 0) {
      this.#layer.drop('dns-no-server');
      this.#layer.sendUnreachable(packet, 'network');
      return true;
    }
    if (this.#queries.size >= MAX_QUERIES) {
      const [oldest] = this.#queries;
      this.#layer.drop('dns-evicted');
      if (oldest !== undefined) this.#finish(oldest);
    }
    const query = new Query(packet, guestPort, message, this.#layer.host.random.u32() & 0xffff, servers);
    this.#attempt(query);
    return true;
  }

  statistics(): Record<string, number> {
    return { 'dns.queries': this.#queries.size, 'dns.answered': this.#answered, 'dns.failed': this.#failed };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer.cancel();
    for (const query of this.#queries) this.#finish(query);
    while (this.#pending.size > 0) await Promise.all([...this.#pending]);
  }

  #isRepetition(packet: IpPacket, guestPort: number, message: Uint8Array): boolean {
    const id = dnsId(message, 0);
    for (const query of this.#queries) {
      if (query.guestId !== id || query.guestPort !== guestPort || !sameAddress(query.guest, packet.source)) continue;
      if (sameQuestion(query, message, 0, message.length)) return true;
    }
    return false;
  }

  #attempt(query: Query): void {
    this.#queries.delete(query);
    const server = query.servers[query.attempts % query.servers.length];
    if (query.attempts >= ATTEMPTS || server === undefined) {
      this.#failed++;
      this.#finish(query);
      return;
    }
    query.attempts++;
    query.deadline = this.#layer.host.clock.now() + NEXT_SERVER_MS;
    this.#queries.add(query);
    if (this.#timer.deadlineMs === undefined) this.#timer.set(query.deadline);
    this.#track(
      this.#layer.host.sockets.datagram({ family: server.family }).then(
        (socket) => this.#opened(query, socket, server),
        () => this.#refused(query),
      ),
    );
  }

  #opened(query: Query, socket: DatagramSocket, server: InetAddress): void {
    if (query.done) {
      this.#track(socket.close());
      return;
    }
    query.sockets.push(socket);
    socket.onEvent = (event) => {
      if (query.done) return;
      if (event === 'readable') this.#readable(query, socket);
      else if (event === 'error' && socket.takeError() !== undefined) this.#socketFailed(query, socket);
    };
    socket.interest(true, false);
    try {
      socket.connect(server);
    } catch {
      this.#socketFailed(query, socket);
      return;
    }
    const batch = this.#send;
    batch.bytes.set(query.message);
    batch.length[0] = query.message.length;
    batch.count = 1;
    socket.sendBatch(batch);
  }

  #readable(query: Query, socket: DatagramSocket): void {
    const batch = this.#receive;
    while (!query.done && socket.receiveBatch(batch) > 0) {
      const at = HEADROOM + (batch.offset[0] ?? 0);
      this.#answer(query, at, batch.length[0] ?? 0);
    }
  }

  #answer(query: Query, at: number, length: number): void {
    const bytes = this.#arena;
    if (!isAnswer(query, bytes, at, at + length)) {
      this.#layer.drop('dns-mismatch');
      return;
    }
    put16(bytes, at, query.guestId);
    const path = this.#layer.openPath(query.guest, query.server);
    const udp = at - UDP_HEADER_LENGTH;
    emitUdp(bytes, udp, DNS_PORT, query.guestPort, length, path.pseudoSum);
    path.writeHeaders(bytes, udp, UDP_HEADER_LENGTH + length, PROTOCOL_UDP, query.tos);
    this.#answered++;
    this.#finish(query);
    path.send(this.#frame.setPlain(bytes, udp - path.headroom, path.headroom + UDP_HEADER_LENGTH + length));
  }

  #socketFailed(query: Query, socket: DatagramSocket): void {
    const index = query.sockets.indexOf(socket);
    if (index < 0) return;
    query.sockets.splice(index, 1);
    socket.onEvent = () => {};
    this.#track(socket.close());
    this.#refused(query);
  }

  #refused(query: Query): void {
    if (query.done) return;
    query.refusals++;
    if (query.refusals < query.servers.length) {
      this.#attempt(query);
      return;
    }
    // Earlier sockets may still answer; only when none is left the guest is told.
    if (query.sockets.length > 0) return;
    this.#failed++;
    this.#layer.sendUnreachableAbout(query.quote, query.quote.length, 'port');
    this.#finish(query);
  }

  #finish(query: Query): void {
    query.done = true;
    this.#queries.delete(query);
    if (this.#queries.size === 0) this.#timer.cancel();
    for (const socket of query.sockets.splice(0)) {
      socket.onEvent = () => {};
      this.#track(socket.close());
    }
  }

  #track(promise: Promise<void>): void {
    this.#pending.add(promise);
    const done = (): void => {
      this.#pending.delete(promise);
    };
    promise.then(done, done);
  }

  #onTimer(): void {
    const now = this.#layer.host.clock.now();
    for (const query of this.#queries) {
      if (query.deadline > now) break;
      this.#attempt(query);
    }
    const [next] = this.#queries;
    if (next !== undefined) this.#timer.set(next.deadline);
  }
}

/** A standard query with one question. */
function isQuery(bytes: Uint8Array, offset: number, end: number): boolean {
  const length = end - offset;
  if (length < DNS_HEADER_LENGTH || length > MAX_QUERY || dnsIsResponse(bytes, offset)) return false;
  if ((dnsFlags(bytes, offset) & DNS_OPCODE_MASK) !== 0 || dnsQuestionCount(bytes, offset) !== 1) return false;
  return dnsQuestionEnd(bytes, offset, end) > 0;
}

function isAnswer(query: Query, bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < DNS_HEADER_LENGTH || !dnsIsResponse(bytes, at) || dnsId(bytes, at) !== query.id) return false;
  // A server that could not read the query may leave the question out.
  return dnsQuestionCount(bytes, at) === 0 || sameQuestion(query, bytes, at, end);
}

function sameQuestion(query: Query, bytes: Uint8Array, at: number, end: number): boolean {
  if (dnsQuestionEnd(bytes, at, end) - at !== query.questionEnd) return false;
  for (let i = DNS_HEADER_LENGTH; i < query.questionEnd; i++) {
    if (lower(bytes[at + i] ?? 0) !== lower(query.message[i] ?? 0)) return false;
  }
  return true;
}

const lower = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte);
