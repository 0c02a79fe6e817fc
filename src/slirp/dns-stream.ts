/**
 * DNS over TCP for the virtual name server (RFC 7766), as a socket of the host side: what a guest writes is read as queries,
 * and each is asked until some server answers it.
 *
 * Theory of operation. The connection is accepted when one to a name server (dns-upstream.ts) is: the first in the host's
 * order that takes it within NEXT_SERVER_MS. All queries go there, whatever their order of answers. When that connection fails, ends with queries unanswered, a query is not
 * answered in NEXT_SERVER_MS, or is refused (SERVFAIL, REFUSED, NOTIMP), the next server takes its place and gets what is
 * unanswered. A query that every server refused is answered with the last refusal; one that none answered, with SERVFAIL.
 * What comes beside answers to queries is passed on: a transfer has many messages. The server's end of a connection on
 * which nothing is unanswered is the guest's, too; an idle one ends after IDLE_MS.
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
import { DNS_HEADER_LENGTH, dnsId, dnsIsResponse, dnsQuestionEnd, dnsResponseCode, put16 } from '../wire/index.ts';
import { ATTEMPTS, DNS_MAX_QUERY, emitFailure, isAnswer, isRefusal, NEXT_SERVER_MS } from './dns-query.ts';
import { DnsUpstream, LENGTH_BYTES } from './dns-upstream.ts';
import { Shares } from './shares.ts';

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
  attempts: number;
  /** Servers that refused it, or could not be asked. */
  refusals: number;
  refusalCode: number;
  deadline: number;
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
  #upstream: DnsUpstream | undefined;
  #server = 0;
  /** For the guest, the first from #answerAt on. */
  readonly #answers: Uint8Array[] = [];
  #answerAt = 0;
  #unread = 0;
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
    this.#upstream?.pause(this.#unread >= MAX_UNREAD);
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
    this.#upstream?.shutdown();
    this.#endIfDone();
  }

  reset(): void {
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer.cancel();
    this.#upstream?.close();
    this.#upstream = undefined;
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
    const query = { bytes: partial, message, questionEnd, attempts: 0, refusals: 0, refusalCode: -1, deadline: 0 };
    this.#queries.push(query);
    this.#ask(query);
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

  #ask(query: StreamQuery): void {
    query.attempts++;
    query.deadline = this.#all.host.clock.now() + NEXT_SERVER_MS;
    const server = this.#servers[this.#server];
    if (server === undefined) {
      this.#giveUp(query);
      return;
    }
    this.#upstream ??= this.#connect(server);
    this.#upstream.send(query.bytes);
  }

  #tryToConnect(): void {
    const server = this.#servers[this.#server];
    if (server === undefined) {
      this.#refuse('ECONNREFUSED');
      return;
    }
    this.#attempts++;
    this.#deadline = this.#all.host.clock.now() + NEXT_SERVER_MS;
    this.#upstream ??= this.#connect(server);
  }

  /** No server takes the connection. */
  #refuse(code: HostErrorCode): void {
    this.close();
    this.error = new HostError(code, 'no name server takes connections');
    this.#all.host.loop.nextTurn(this.#task);
  }

  #connect(server: InetAddress): DnsUpstream {
    const socket = this.#all.host.sockets.connect(server, { noDelay: true, share: this.#ingress });
    const upstream = new DnsUpstream(socket, this.#all.memory, this.#ingress, {
      connected: () => {
        this.#connected = true;
        this.#schedule();
      },
      received: (message) => this.#received(message),
      ended: (code) => this.#serverEnded(code),
    });
    upstream.pause(this.#unread >= MAX_UNREAD);
    return upstream;
  }

  #received(message: Uint8Array): void {
    const id = dnsId(message, LENGTH_BYTES);
    const query = this.#queries.find(
      (q) => dnsId(q.message, 0) === id && isAnswer(q.message, q.questionEnd, message, LENGTH_BYTES, message.length),
    );
    if (query !== undefined && isRefusal(message, LENGTH_BYTES)) {
      query.refusalCode = dnsResponseCode(message, LENGTH_BYTES);
      if (query.refusals + 1 < this.#servers.length) {
        this.#all.memory.give(this.#ingress, message.length);
        query.refusals++;
        this.#askNextServer();
        return;
      }
    }
    if (query !== undefined) {
      this.#all.count(true);
      this.#forget(query);
    }
    this.#idleAt = this.#all.host.clock.now() + IDLE_MS;
    this.#answer(message);
    this.#arm();
  }

  /** Its connection is over. What it left unanswered the next one is asked. */
  #serverEnded(code: HostErrorCode | undefined): void {
    this.#upstream = undefined;
    if (!this.#connected) {
      this.#refusals++;
      if (this.#refusals >= this.#servers.length) this.#refuse(code ?? 'ECONNREFUSED');
      else this.#askNextServer();
      return;
    }
    if (this.#queries.length === 0) {
      this.#ended = true;
      this.#schedule();
      return;
    }
    for (const query of this.#queries) query.refusals++;
    this.#askNextServer();
  }

  #askNextServer(): void {
    this.#upstream?.close();
    this.#upstream = undefined;
    this.#server = (this.#server + 1) % Math.max(1, this.#servers.length);
    if (!this.#connected) this.#tryToConnect();
    for (const query of [...this.#queries]) {
      if (query.attempts >= ATTEMPTS || query.refusals >= this.#servers.length) this.#giveUp(query);
      else this.#ask(query);
    }
    if (this.#guestEnded) this.#upstreamNow()?.shutdown();
    this.#endIfDone();
    this.#arm();
  }

  /** Another call may have changed it. */
  #upstreamNow(): DnsUpstream | undefined {
    return this.#upstream;
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
    this.#schedule();
  }

  #answer(message: Uint8Array): void {
    this.#answers.push(message);
    this.#unread += message.length;
    this.#upstream?.pause(this.#unread >= MAX_UNREAD);
    this.#schedule();
  }

  /** The guest has sent all, and nobody will answer any more. */
  #endIfDone(): void {
    if (!this.#guestEnded || this.#queries.length > 0 || this.#upstream !== undefined) return;
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
    else if (this.#servers.length > 1) this.#askNextServer();
    // The only one may still take it.
    else this.#tryToConnect();
    this.#arm();
  }

  #onDeadline(): void {
    const now = this.#all.host.clock.now();
    const overdue = this.#queries.filter(({ deadline }) => deadline <= now);
    if (this.#queries.length === 0 && this.#idleAt <= now) {
      this.#upstream?.close();
      this.#upstream = undefined;
      this.#ended = true;
      this.#schedule();
      return;
    }
    for (const query of overdue) {
      if (query.attempts >= ATTEMPTS) this.#giveUp(query);
    }
    if (overdue.some(({ attempts }) => attempts < ATTEMPTS)) this.#serverIsSilent(now);
    else if (overdue.length > 0 && this.#queries.length === 0) this.#dropServer();
  }

  /** Another server may know. The only one goes on looking. */
  #serverIsSilent(now: number): void {
    if (this.#servers.length > 1) {
      this.#askNextServer();
      return;
    }
    for (const query of this.#queries) {
      if (query.deadline > now) continue;
      query.attempts++;
      query.deadline = now + NEXT_SERVER_MS;
    }
  }

  /** What it may still answer has been given up. */
  #dropServer(): void {
    this.#upstream?.close();
    this.#upstream = undefined;
    this.#idleAt = this.#all.host.clock.now() + IDLE_MS;
    this.#endIfDone();
  }

  #arm(): void {
    if (this.#closed || this.#ended) {
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
