/**
 * DNS over UDP for the virtual name server: queries go to the host's resolvers (RFC 5452 for what is checked).
 *
 * Theory of operation. A query is sent to the host's first server under an identifier of our own (dns-sockets.ts). After
 * NEXT_SERVER_MS without an answer, or at once when a server refuses (SERVFAIL, REFUSED, NOTIMP) or nobody listens there,
 * the next one in the host's order is asked; earlier ones may still answer. A guest's repetition of a query that is under
 * way is absorbed. When every server refused, the guest gets the last refusal, or ICMP port unreachable if nobody listens
 * at any; when none answered in ATTEMPTS attempts, or the query has to give way, SERVFAIL.
 *
 * Messages are passed on as they are. Datagrams that are no queries are not taken: the caller treats them as any others.
 *
 * Limits: MAX_QUERIES under way, of which each ingress has its share; beyond it the one gives way that its guest has not
 * repeated for longest.
 */
import { Frame } from '../net/frame.ts';
import type { InetAddress, Timer } from '../net/host.ts';
import {
  DNS_PORT,
  dnsId,
  dnsQuestionEnd,
  dnsResponseCode,
  emitUdp,
  PROTOCOL_UDP,
  put16,
  UDP_HEADER_LENGTH,
} from '../wire/index.ts';
import { COST_QUERY_MS } from './costs.ts';
import {
  ATTEMPTS,
  DNS_MAX_QUERY,
  DnsQuery,
  emitFailure,
  isAnswer,
  isQuery,
  isRefusal,
  NEXT_SERVER_MS,
  queryKey,
  sameQuestion,
} from './dns-query.ts';
import { DnsSockets } from './dns-sockets.ts';
import { FlowTable } from './flow-table.ts';
import type { IpPacket } from './ip-layer.ts';
import type { UdpLayer } from './udp-layer.ts';

export const MAX_QUERIES = 4096;
/** Room in front of an answer for the headers of either family. */
const HEADROOM = 64;

export class DnsForwarder {
  readonly #layer: UdpLayer;
  readonly #queries: FlowTable<DnsQuery>;
  /** In the order of their deadlines. */
  readonly #due = new Set<DnsQuery>();
  readonly #sockets: DnsSockets;
  readonly #timer: Timer;
  readonly #failure = new Uint8Array(HEADROOM + DNS_MAX_QUERY);
  readonly #frame = new Frame();
  #answered = 0;
  #failed = 0;
  #closed = false;

  constructor(layer: UdpLayer) {
    this.#layer = layer;
    this.#queries = new FlowTable(layer.host.random.u32(), MAX_QUERIES);
    this.#timer = layer.host.timers.create(() => this.#onTimer());
    this.#sockets = new DnsSockets(layer.host, HEADROOM, {
      answered: (query, bytes, at, length) => this.#onAnswer(query, bytes, at, length),
      mismatch: () => layer.drop('dns-mismatch'),
      unreachable: (query) => this.#refused(query),
    });
  }

  /** A datagram to port 53 of the virtual name server. false = no query, not taken. */
  input(packet: IpPacket, guestPort: number, offset: number, length: number): boolean {
    if (this.#closed || !isQuery(packet.bytes, offset, offset + length)) return false;
    const message = packet.bytes.slice(offset, offset + length);
    const questionEnd = dnsQuestionEnd(message, 0, length);
    const key = queryKey(message, questionEnd);
    const known = this.#queries.find(packet.source, guestPort, packet.destination, key);
    if (known !== undefined) {
      this.#queries.touch(known);
      if (sameQuestion(known.message, known.questionEnd, message, 0, length)) return true;
      this.#finish(known);
    }
    const servers = this.#layer.host.resolver.servers();
    if (servers.length === 0) {
      this.#layer.drop('dns-no-server');
      this.#layer.sendUnreachable(packet, 'network');
      return true;
    }
    for (let l = this.#queries.loser(packet.ingress); l !== undefined; l = this.#queries.loser(packet.ingress)) {
      this.#layer.drop('dns-evicted');
      this.#giveUp(l);
    }
    const query = new DnsQuery(packet, guestPort, message, key, servers);
    this.#queries.add(query);
    this.#layer.charge(packet.ingress, COST_QUERY_MS);
    this.#attempt(query);
    return true;
  }

  /** The port is gone: what its guests asked gives way first. */
  ingressGone(ingress: number): void {
    this.#queries.orphan(ingress);
  }

  statistics(): Record<string, number> {
    return {
      'dns.queries': this.#queries.size,
      'dns.sockets': this.#sockets.size,
      'dns.answered': this.#answered,
      'dns.failed': this.#failed,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer.cancel();
    for (const query of this.#due) this.#finish(query);
    await this.#sockets.close();
  }

  #attempt(query: DnsQuery): void {
    this.#due.delete(query);
    if (query.attempts >= ATTEMPTS) {
      this.#giveUp(query);
      return;
    }
    const server = query.servers[query.attempts % query.servers.length] as InetAddress;
    query.attempts++;
    query.deadline = this.#layer.host.clock.now() + NEXT_SERVER_MS;
    this.#due.add(query);
    if (this.#timer.deadlineMs === undefined) this.#timer.set(query.deadline);
    this.#sockets.ask(query, server);
  }

  #onAnswer(query: DnsQuery, bytes: Uint8Array, at: number, length: number): boolean {
    if (!isAnswer(query.message, query.questionEnd, bytes, at, at + length)) {
      this.#layer.drop('dns-mismatch');
      return false;
    }
    if (isRefusal(bytes, at)) {
      query.refusalCode = dnsResponseCode(bytes, at);
      if (query.refusals + 1 < query.servers.length) {
        this.#refused(query);
        return true;
      }
    }
    this.#answered++;
    this.#finish(query);
    this.#reply(query, bytes, at, length);
    return true;
  }

  #reply(query: DnsQuery, bytes: Uint8Array, at: number, length: number): void {
    put16(bytes, at, dnsId(query.message, 0));
    const path = this.#layer.openPath(query.guest, query.remote);
    const udp = at - UDP_HEADER_LENGTH;
    emitUdp(bytes, udp, DNS_PORT, query.guestPort, length, path.pseudoSum);
    path.writeHeaders(bytes, udp, UDP_HEADER_LENGTH + length, PROTOCOL_UDP, query.tos);
    path.send(this.#frame.setPlain(bytes, udp - path.headroom, path.headroom + UDP_HEADER_LENGTH + length));
  }

  /** One server less: it would not answer, or cannot be asked. */
  #refused(query: DnsQuery): void {
    if (query.done) return;
    query.refusals++;
    if (query.refusals < query.servers.length) {
      this.#attempt(query);
      return;
    }
    // An earlier one may still answer; only when none is left the guest is told.
    if (this.#sockets.isWaiting(query)) return;
    if (query.refusalCode >= 0) {
      this.#giveUp(query);
      return;
    }
    this.#failed++;
    this.#finish(query);
    this.#layer.sendUnreachableAbout(query.quote, 'port');
  }

  #giveUp(query: DnsQuery): void {
    this.#failed++;
    this.#finish(query);
    const code = query.refusalCode < 0 ? undefined : query.refusalCode;
    const length = emitFailure(this.#failure, HEADROOM, query.message, query.questionEnd, code);
    this.#reply(query, this.#failure, HEADROOM, length);
  }

  #finish(query: DnsQuery): void {
    query.done = true;
    this.#queries.remove(query);
    this.#due.delete(query);
    this.#sockets.forget(query);
    if (this.#due.size === 0) this.#timer.cancel();
  }

  #onTimer(): void {
    const now = this.#layer.host.clock.now();
    for (const query of this.#due) {
      if (query.deadline > now) break;
      this.#attempt(query);
    }
    const [next] = this.#due;
    if (next !== undefined) this.#timer.set(next.deadline);
  }
}
