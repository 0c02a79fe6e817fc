/**
 * DNS over TCP for the virtual name server (RFC 7766), as a socket of the host side: what a guest writes is read as queries,
 * and each is asked until some server answers it.
 *
 * Theory of operation. The connection is accepted when one to a name server (dns-upstream.ts) is: the first in the host's
 * order that takes it within NEXT_SERVER_MS. All queries go there, whatever their order of answers. A query that is refused
 * (SERVFAIL, REFUSED, NOTIMP) is asked at the next server, on a connection beside the first. When a connection fails, or a
 * query is not answered in NEXT_SERVER_MS, the next server takes its place and gets what is unanswered; one that ends but
 * had brought answers is opened anew (RFC 7766, 6.2.4). A query that every server refused is answered with the last refusal;
 * one that none answered, with SERVFAIL. What comes beside answers to queries is passed on: a transfer has many messages.
 * The server's end of the last connection, when nothing is unanswered, is the guest's, too; an idle one ends after IDLE_MS.
 * No time counts while the guest leaves so much unread that we do not read.
 *
 * Limits: queries of DNS_MAX_QUERY bytes, MAX_HELD bytes of them unanswered on a connection, answers of MAX_UNREAD bytes
 * before the guest reads, and MAX_STREAM_BYTES of both in all, of which each ingress has its share.
 */
import {
  type Host,
  HostError,
  type HostErrorCode,
  type InetAddress,
  SOCKET_FAILED,
  type StreamEvent,
  type StreamSocket,
  type Timer,
  WOULD_BLOCK,
} from '../net/host.ts';
import { Shares } from '../net/index.ts';
import { DNS_HEADER_LENGTH, dnsId, dnsIsResponse, dnsQuestionEnd, dnsResponseCode, put16 } from '../wire/index.ts';
import { ATTEMPTS, DNS_MAX_QUERY, emitFailure, isAnswer, isRefusal, NEXT_SERVER_MS } from './dns-query.ts';
import { DnsUpstream, LENGTH_BYTES } from './dns-upstream.ts';

export const MAX_STREAM_BYTES = 16 * 1024 * 1024;
export const MAX_HELD = 16 * 1024;
export const MAX_UNREAD = 64 * 1024;
export const IDLE_MS = 30_000;

/** What the connections of a network have in common. */
export class DnsStreams {
  readonly host: Host;
  readonly memory = new Shares(MAX_STREAM_BYTES);
  readonly #isForbidden: (server: InetAddress) => boolean;
  readonly drop: (reason: string) => void;
  #answered = 0;
  #failed = 0;

  /** @param isForbidden a server that is never asked: a monitor of ours */
  constructor(host: Host, isForbidden: (server: InetAddress) => boolean, drop: (reason: string) => void) {
    this.host = host;
    this.#isForbidden = isForbidden;
    this.drop = drop;
  }

  statistics(): Record<string, number> {
    return {
      'dns.streamsAnswered': this.#answered,
      'dns.streamsFailed': this.#failed,
      'dns.streamBytes': this.memory.used,
    };
  }

  /** One more query was answered, or was not. */
  count(isAnswered: boolean): void {
    if (isAnswered) this.#answered++;
    else this.#failed++;
  }

  /** A guest connects to the name server, and there is one. */
  open(ingress: number): StreamSocket {
    const servers = this.host.resolver.servers().filter((server) => !this.#isForbidden(server));
    return new DnsStream(this, servers, ingress);
  }
}

interface StreamQuery {
  /** With its length in front. */
  readonly bytes: Uint8Array;
  readonly message: Uint8Array;
  readonly questionEnd: number;
  /** Which one is being asked. */
  server: number;
  /** Times that it may have been answered, and was not. */
  attempts: number;
  /** Servers that refused it, or could not be asked. */
  refusals: number;
  refusalCode: number;
  deadline: number;
}

/** A connection to a server. */
interface Lane {
  readonly upstream: DnsUpstream;
  /** It brought an answer, or a refusal. */
  answered: boolean;
}

class DnsStream implements StreamSocket {
  onEvent: (event: StreamEvent) => void = () => {};
  error: HostError | undefined;
  readonly localAddress = undefined;
  readonly remoteAddress = undefined;
  readonly #all: DnsStreams;
  readonly #servers: readonly InetAddress[];
  readonly #ingress: number;
  readonly #timer: Timer;
  readonly #task = { run: () => this.#tell() };
  #connected = false;
  /** While it is not connected: servers tried, servers that refused, and when the next one's turn is. */
  #attempts = 0;
  #refusals = 0;
  #deadline = 0;
  #told = false;
  #scheduled = false;
  #wantRead = false;
  #wantWrite = false;
  #closed = false;
  /** The guest sends no more. */
  #guestEnded = false;
  /** The guest gets no more than what waits for it. */
  #ended = false;
  /** The first byte of a length; -1 = none. */
  #firstByte = -1;
  /** Being received. */
  #partial: Uint8Array | undefined;
  #filled = 0;
  /** Unanswered. */
  #queries: StreamQuery[] = [];
  #held = 0;
  /** By server. */
  readonly #lanes = new Map<number, Lane>();
  /** Who is asked first. */
  #server = 0;
  /** For the guest, the first from #answerAt on. */
  readonly #answers: Uint8Array[] = [];
  #answerAt = 0;
  #unread = 0;
  /** That is too much: the servers are not read. */
  #paused = false;
  #idleAt: number;

  constructor(all: DnsStreams, servers: readonly InetAddress[], ingress: number) {
    this.#all = all;
    this.#servers = servers;
    this.#ingress = ingress;
    this.#timer = all.host.timers.create(() => this.#onTimer());
    this.#idleAt = all.host.clock.now() + IDLE_MS;
    this.#tryToConnect();
    this.#arm();
  }

  readInto(bytes: Uint8Array, offset: number, length: number): number {
    if (this.error !== undefined) return SOCKET_FAILED;
    const [answer] = this.#answers;
    if (answer === undefined) return this.#ended ? 0 : WOULD_BLOCK;
    const count = Math.min(length, answer.length - this.#answerAt);
    bytes.set(answer.subarray(this.#answerAt, this.#answerAt + count), offset);
    this.#answerAt += count;
    this.#unread -= count;
    if (this.#answerAt === answer.length) {
      this.#answers.shift();
      this.#answerAt = 0;
      this.#all.memory.give(this.#ingress, answer.length);
    }
    this.#idleAt = this.#all.host.clock.now() + IDLE_MS;
    if (this.#paused && this.#unread < MAX_UNREAD) this.#goOn();
    return count;
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.error !== undefined) return SOCKET_FAILED;
    // It hears of the end instead of an answer.
    if (this.#ended) return length;
    const taken = Math.min(length, this.room());
    if (taken === 0 && length > 0) return WOULD_BLOCK;
    for (let at = offset; at < offset + taken; ) {
      const count = this.#take(bytes, at, offset + taken);
      if (count === 0) return SOCKET_FAILED;
      at += count;
    }
    return taken;
  }

  write2(bytes: Uint8Array, o1: number, l1: number, o2: number, l2: number): number {
    const first = this.write(bytes, o1, l1);
    if (first < l1 || l2 === 0) return first;
    const second = this.write(bytes, o2, l2);
    return second === WOULD_BLOCK ? first : second < 0 ? second : first + second;
  }

  room(): number {
    if (this.error !== undefined) return 0;
    const rest = this.#partial === undefined ? 0 : this.#partial.length - this.#filled;
    return rest + Math.max(0, MAX_HELD - this.#held);
  }

  interest(readable: boolean, writable: boolean): void {
    this.#wantRead = readable;
    this.#wantWrite = writable;
    this.#schedule();
  }

  shutdown(): void {
    this.#guestEnded = true;
    this.#endIfDone();
  }

  reset(): void {
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer.cancel();
    this.#closeLanes();
    const { memory } = this.#all;
    for (const answer of this.#answers.splice(0)) memory.give(this.#ingress, answer.length);
    memory.give(this.#ingress, this.#held);
    this.#held = 0;
    this.#queries = [];
    this.#partial = undefined;
  }

  /** A part of a message, or one of its length's bytes. @returns how much; 0: it is none, and the connection is over */
  #take(bytes: Uint8Array, at: number, end: number): number {
    if (this.#partial === undefined) return this.#takeLength(bytes[at] ?? 0);
    const partial = this.#partial;
    const count = Math.min(end - at, partial.length - this.#filled);
    partial.set(bytes.subarray(at, at + count), this.#filled);
    this.#filled += count;
    if (this.#filled < partial.length) return count;
    this.#partial = undefined;
    const message = partial.subarray(LENGTH_BYTES);
    if (dnsIsResponse(message, 0)) return this.#fail('dns-stream-message', 'EPROTO');
    const questionEnd = dnsQuestionEnd(message, 0, message.length);
    const query = {
      bytes: partial,
      message,
      questionEnd,
      server: 0,
      attempts: 0,
      refusals: 0,
      refusalCode: -1,
      deadline: 0,
    };
    this.#queries.push(query);
    this.#ask(query, this.#server);
    this.#arm();
    return count;
  }

  #takeLength(byte: number): number {
    if (this.#firstByte < 0) {
      this.#firstByte = byte;
      return 1;
    }
    const length = (this.#firstByte << 8) | byte;
    this.#firstByte = -1;
    if (length < DNS_HEADER_LENGTH || length > DNS_MAX_QUERY) return this.#fail('dns-stream-message', 'EPROTO');
    const size = LENGTH_BYTES + length;
    if (!this.#all.memory.allows(this.#ingress, size)) return this.#fail('dns-stream-limit', 'ENOBUFS');
    this.#all.memory.take(this.#ingress, size);
    this.#held += size;
    this.#partial = new Uint8Array(size);
    put16(this.#partial, 0, length);
    this.#filled = LENGTH_BYTES;
    return 1;
  }

  #ask(query: StreamQuery, index: number): void {
    const server = this.#servers[index];
    if (server === undefined) {
      this.#giveUp(query);
      return;
    }
    query.server = index;
    query.deadline = this.#all.host.clock.now() + NEXT_SERVER_MS;
    this.#laneTo(index, server).upstream.send(query.bytes);
  }

  /** Another server, unless all had their turn. */
  #askElsewhere(query: StreamQuery): void {
    if (query.attempts >= ATTEMPTS || query.refusals >= this.#servers.length) this.#giveUp(query);
    else this.#ask(query, this.#after(query.server));
  }

  #after(server: number): number {
    return (server + 1) % Math.max(1, this.#servers.length);
  }

  #tryToConnect(): void {
    const server = this.#servers[this.#server];
    if (server === undefined) {
      this.#refuse('ECONNREFUSED');
      return;
    }
    this.#attempts++;
    this.#deadline = this.#all.host.clock.now() + NEXT_SERVER_MS;
    this.#laneTo(this.#server, server);
  }

  /** No server takes the connection. */
  #refuse(code: HostErrorCode): void {
    this.close();
    this.error = new HostError(code, 'no name server takes connections');
    this.#all.host.loop.nextTurn(this.#task);
  }

  #laneTo(index: number, server: InetAddress): Lane {
    const known = this.#lanes.get(index);
    if (known !== undefined) return known;
    const socket = this.#all.host.sockets.connect(server, { noDelay: true, share: this.#ingress });
    const upstream = new DnsUpstream(socket, this.#all.memory, this.#ingress, {
      connected: () => {
        this.#connected = true;
        this.#schedule();
      },
      received: (message) => this.#received(lane, message),
      ended: (code) => this.#laneEnded(index, lane, code),
    });
    const lane: Lane = { upstream, answered: false };
    this.#lanes.set(index, lane);
    upstream.pause(this.#paused);
    return lane;
  }

  #closeLane(index: number): void {
    this.#lanes.get(index)?.upstream.close();
    this.#lanes.delete(index);
  }

  #closeLanes(): void {
    for (const { upstream } of this.#lanes.values()) upstream.close();
    this.#lanes.clear();
  }

  #received(lane: Lane, message: Uint8Array): void {
    const id = dnsId(message, LENGTH_BYTES);
    const query = this.#queries.find(
      (q) =>
        this.#lanes.get(q.server) === lane &&
        dnsId(q.message, 0) === id &&
        isAnswer(q.message, q.questionEnd, message, LENGTH_BYTES, message.length),
    );
    if (query !== undefined) lane.answered = true;
    if (query !== undefined && isRefusal(message, LENGTH_BYTES)) {
      query.refusalCode = dnsResponseCode(message, LENGTH_BYTES);
      if (query.refusals + 1 < this.#servers.length) {
        this.#all.memory.give(this.#ingress, message.length);
        query.refusals++;
        this.#askElsewhere(query);
        this.#arm();
        return;
      }
    }
    if (query !== undefined) {
      this.#all.count(true);
      this.#forget(query);
    }
    this.#idleAt = this.#all.host.clock.now() + IDLE_MS;
    this.#answer(message);
    this.#endIfDone();
    this.#arm();
  }

  /** Its connection is over. What it left unanswered is asked again: there if it was of use, else at the next server. */
  #laneEnded(index: number, lane: Lane, code: HostErrorCode | undefined): void {
    this.#lanes.delete(index);
    if (!this.#connected) {
      this.#refusals++;
      if (this.#refusals >= this.#servers.length) this.#refuse(code ?? 'ECONNREFUSED');
      else this.#connectElsewhere();
      return;
    }
    const left = this.#queries.filter(({ server }) => server === index);
    if (lane.answered) {
      for (const query of left) this.#ask(query, index);
    } else {
      if (index === this.#server) this.#server = this.#after(index);
      for (const query of left) {
        query.refusals++;
        this.#askElsewhere(query);
      }
    }
    // Queries given up have their answer, and the guest may ask on.
    if (left.length === 0 && this.#queries.length === 0 && this.#lanes.size === 0) this.#end();
    this.#endIfDone();
    this.#arm();
  }

  #connectElsewhere(): void {
    this.#closeLanes();
    this.#server = this.#after(this.#server);
    this.#tryToConnect();
    for (const query of this.#queries) this.#ask(query, this.#server);
    this.#arm();
  }

  #giveUp(query: StreamQuery): void {
    this.#all.count(false);
    this.#forget(query);
    const reply = new Uint8Array(LENGTH_BYTES + query.message.length);
    const code = query.refusalCode < 0 ? undefined : query.refusalCode;
    const length = emitFailure(reply, LENGTH_BYTES, query.message, query.questionEnd, code);
    put16(reply, 0, length);
    // In place of the query, which was larger.
    const answer = reply.subarray(0, LENGTH_BYTES + length);
    this.#all.memory.take(this.#ingress, answer.length);
    this.#answer(answer);
  }

  #forget(query: StreamQuery): void {
    this.#queries = this.#queries.filter((other) => other !== query);
    this.#held -= query.bytes.length;
    this.#all.memory.give(this.#ingress, query.bytes.length);
    this.#idleAt = this.#all.host.clock.now() + IDLE_MS;
    this.#schedule();
  }

  #answer(message: Uint8Array): void {
    this.#answers.push(message);
    this.#unread += message.length;
    if (this.#unread >= MAX_UNREAD) this.#pause(true);
    this.#schedule();
  }

  #pause(paused: boolean): void {
    this.#paused = paused;
    for (const { upstream } of this.#lanes.values()) upstream.pause(paused);
  }

  /** The servers were not heard: their time begins anew. */
  #goOn(): void {
    const deadline = this.#all.host.clock.now() + NEXT_SERVER_MS;
    for (const query of this.#queries) query.deadline = deadline;
    this.#pause(false);
    this.#arm();
  }

  /** The guest has sent all, and has its answers: the servers may end, which ends the guest's side. */
  #endIfDone(): void {
    if (!this.#guestEnded || this.#queries.length > 0) return;
    if (this.#lanes.size === 0) this.#end();
    for (const { upstream } of this.#lanes.values()) upstream.shutdown();
  }

  #end(): void {
    this.#closeLanes();
    this.#ended = true;
    this.#schedule();
  }

  #fail(reason: string, code: string): number {
    this.#all.drop(reason);
    this.close();
    this.error = new HostError(code, 'the name server was sent what is no query');
    return 0;
  }

  #onTimer(): void {
    if (this.#connected) this.#onDeadline();
    else if (this.#attempts >= ATTEMPTS) this.#refuse('ETIMEDOUT');
    else if (this.#servers.length > 1) this.#connectElsewhere();
    // The only one may still take it.
    else this.#tryToConnect();
    this.#arm();
  }

  #onDeadline(): void {
    const now = this.#all.host.clock.now();
    if (this.#queries.length === 0 && this.#idleAt <= now) {
      this.#end();
      return;
    }
    const silent = new Set<number>();
    for (const query of this.#queries) {
      if (query.deadline > now) continue;
      silent.add(query.server);
      query.attempts++;
      query.deadline = now + NEXT_SERVER_MS;
    }
    for (const server of silent) this.#serverIsSilent(server);
    this.#endIfDone();
  }

  /** Another server may know. The only one goes on looking. */
  #serverIsSilent(index: number): void {
    const left = this.#queries.filter(({ server }) => server === index);
    const goesOn = this.#servers.length === 1 && left.some(({ attempts }) => attempts < ATTEMPTS);
    if (goesOn) {
      for (const query of left) if (query.attempts >= ATTEMPTS) this.#giveUp(query);
      return;
    }
    // What it may still answer is asked elsewhere, or given up.
    this.#closeLane(index);
    if (index === this.#server) this.#server = this.#after(index);
    for (const query of left) this.#askElsewhere(query);
  }

  #arm(): void {
    if (this.#closed || this.#ended || this.#paused) {
      this.#timer.cancel();
      return;
    }
    if (!this.#connected) {
      this.#timer.set(this.#deadline);
      return;
    }
    let next = this.#queries.length === 0 ? this.#idleAt : Number.POSITIVE_INFINITY;
    for (const { deadline } of this.#queries) next = Math.min(next, deadline);
    this.#timer.set(next);
  }

  #isReadable(): boolean {
    return this.#wantRead && (this.#answers.length > 0 || this.#ended);
  }

  #isWritable(): boolean {
    return this.#wantWrite && this.room() > 0;
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed || !this.#connected) return;
    if (this.#told && !this.#isReadable() && !this.#isWritable()) return;
    this.#scheduled = true;
    this.#all.host.loop.nextTurn(this.#task);
  }

  #tell(): void {
    this.#scheduled = false;
    if (this.error !== undefined) {
      this.onEvent('error');
      return;
    }
    if (this.#closed) return;
    if (!this.#told) {
      this.#told = true;
      this.onEvent('connected');
    }
    if (this.#isReadable()) this.onEvent('readable');
    if (!this.#closed && this.#isWritable()) this.onEvent('writable');
    this.#schedule();
  }
}
