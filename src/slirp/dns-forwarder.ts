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
 * Limits: MAX_QUERIES under way (the oldest of the guest with most of them goes), one socket per attempt.
 */
import { Frame } from '../net/frame.ts';
import type { DatagramSocket, InetAddress, Timer } from '../net/host.ts';
import { DNS_PORT, dnsId, emitUdp, PROTOCOL_UDP, put16, UDP_HEADER_LENGTH } from '../wire/index.ts';
import { DNS_MAX_QUERY, DnsQuery, isAnswer, isQuery, sameQuestion } from './dns-query.ts';
import { sameAddress } from './flow-table.ts';
import { GuestPlaces } from './guest-places.ts';
import type { IpAddress, IpPacket } from './ip-layer.ts';
import type { UdpLayer } from './udp-layer.ts';
import { newBatch } from './udp-sender.ts';

export const MAX_QUERIES = 256;
export const NEXT_SERVER_MS = 2000;
export const ATTEMPTS = 5;
const HEADROOM = 64;
const ARENA = 65_536;

export class DnsForwarder {
  readonly #layer: UdpLayer;
  /** In the order of their deadlines. */
  readonly #queries = new Set<DnsQuery>();
  readonly #places = new GuestPlaces();
  readonly #timer: Timer;
  readonly #pending = new Set<Promise<void>>();
  readonly #arena = new Uint8Array(HEADROOM + ARENA);
  readonly #receive = newBatch(this.#arena.subarray(HEADROOM), 1);
  readonly #send = newBatch(new Uint8Array(DNS_MAX_QUERY), 1);
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
    if (this.#queries.size >= MAX_QUERIES) this.#evict(this.#places.loser(packet.source));
    const query = new DnsQuery(packet, guestPort, message, this.#layer.host.random.u32() & 0xffff, servers);
    this.#places.take(query.guest);
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

  #evict(guest: IpAddress): void {
    for (const query of this.#queries) {
      if (!sameAddress(query.guest, guest)) continue;
      this.#layer.drop('dns-evicted');
      this.#finish(query);
      return;
    }
  }

  #attempt(query: DnsQuery): void {
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

  #opened(query: DnsQuery, socket: DatagramSocket, server: InetAddress): void {
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

  #readable(query: DnsQuery, socket: DatagramSocket): void {
    const batch = this.#receive;
    while (!query.done && socket.receiveBatch(batch) > 0) {
      const at = HEADROOM + (batch.offset[0] ?? 0);
      this.#answer(query, at, batch.length[0] ?? 0);
    }
  }

  #answer(query: DnsQuery, at: number, length: number): void {
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

  #socketFailed(query: DnsQuery, socket: DatagramSocket): void {
    const index = query.sockets.indexOf(socket);
    if (index < 0) return;
    query.sockets.splice(index, 1);
    socket.onEvent = () => {};
    this.#track(socket.close());
    this.#refused(query);
  }

  #refused(query: DnsQuery): void {
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

  #finish(query: DnsQuery): void {
    query.done = true;
    this.#queries.delete(query);
    this.#places.give(query.guest);
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
