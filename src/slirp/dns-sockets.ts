/**
 * The host's sockets towards the name servers, and which query waits for an answer where.
 *
 * Who forges an answer has to guess a port and an identifier, both random (RFC 5452). So a query has a socket of its own,
 * connected to its server and closed with its last query, as long as its ingress has few; then a random one of those is
 * shared that are younger than RENEW_MS. Each query has an identifier of its own on each socket.
 *
 * Limits: MAX_SOCKETS, of which each ingress has its share; SOCKETS_EACH young ones towards one server. RESERVED of an ingress
 * are had even if it has used up its share of the host's descriptors: names work on.
 */
import type { DatagramEvent, DatagramSocket, Host, InetAddress } from '../net/host.ts';
import { Shares } from '../net/index.ts';
import { DNS_HEADER_LENGTH, dnsId, put16 } from '../wire/index.ts';
import { DNS_MAX_QUERY, type DnsQuery } from './dns-query.ts';
import { newBatch } from './udp-sender.ts';

export const MAX_SOCKETS = 256;
export const SOCKETS_EACH = 32;
export const RESERVED = 2;
/** A port that is in use for longer can be found out. */
export const RENEW_MS = 2000;
const ARENA = 65_536;

export interface DnsSocketsOwner {
  /**
   * The answer to a query, by its identifier, lies in `bytes`, which are the owner's during the call.
   * @returns whether it is one: nothing more is waited for from that server
   */
  answered(query: DnsQuery, bytes: Uint8Array, at: number, length: number): boolean;
  /** What came answers no query. */
  mismatch(): void;
  /** That server cannot be asked: nobody listens there, or there is no way. */
  unreachable(query: DnsQuery): void;
}

interface Opened {
  readonly key: string;
  readonly server: InetAddress;
  readonly ingress: number;
  readonly openedAt: number;
  /** undefined while it is being opened. */
  socket: DatagramSocket | undefined;
  /** By identifier. */
  readonly waiting: Map<number, DnsQuery>;
}

export class DnsSockets {
  readonly #host: Host;
  readonly #owner: DnsSocketsOwner;
  readonly #shares = new Shares(MAX_SOCKETS);
  /** By ingress and server. */
  readonly #groups = new Map<string, Opened[]>();
  /** Where a query was sent from, and its identifier there. */
  readonly #asked = new Map<DnsQuery, Map<Opened, number>>();
  readonly #pending = new Set<Promise<void>>();
  readonly #headroom: number;
  readonly #arena: Uint8Array;
  readonly #receive;
  readonly #send = newBatch(new Uint8Array(DNS_MAX_QUERY), 1);

  /** @param headroom bytes in front of what answered() gets that the owner may write. */
  constructor(host: Host, headroom: number, owner: DnsSocketsOwner) {
    this.#host = host;
    this.#owner = owner;
    this.#headroom = headroom;
    this.#arena = new Uint8Array(headroom + ARENA);
    this.#receive = newBatch(this.#arena.subarray(headroom), 1);
  }

  get size(): number {
    return this.#shares.used;
  }

  /** Whether an answer to it may still come. */
  isWaiting(query: DnsQuery): boolean {
    return this.#asked.has(query);
  }

  /** Sends a query to a server. Owner.unreachable() may follow at once. */
  ask(query: DnsQuery, server: InetAddress): void {
    const opened = this.#pick(query.ingress, server);
    if (opened === undefined) {
      this.#owner.unreachable(query);
      return;
    }
    this.#add(opened, query);
    if (opened.socket !== undefined) this.#transmit(opened, opened.socket, query);
  }

  /** No answer is waited for any more. */
  forget(query: DnsQuery): void {
    const asked = this.#asked.get(query);
    if (asked === undefined) return;
    this.#asked.delete(query);
    for (const [opened, id] of asked) {
      opened.waiting.delete(id);
      if (opened.waiting.size === 0) this.#close(opened);
    }
  }

  async close(): Promise<void> {
    for (const group of [...this.#groups.values()]) for (const opened of [...group]) this.#close(opened);
    this.#asked.clear();
    while (this.#pending.size > 0) await Promise.all([...this.#pending]);
  }

  #pick(ingress: number, server: InetAddress): Opened | undefined {
    const key = `${ingress} ${server.host} ${server.port}`;
    // In the order in which they were opened.
    const group = this.#groups.get(key) ?? [];
    const youngSince = this.#host.clock.now() - RENEW_MS;
    let old = group.length;
    while (old > 0 && (group[old - 1] as Opened).openedAt > youngSince) old--;
    const young = group.length - old;
    if (young < SOCKETS_EACH && this.#shares.allows(ingress)) return this.#open(key, ingress, server);
    const { random } = this.#host;
    return young > 0 ? group[old + (random.u32() % young)] : group[random.u32() % Math.max(1, group.length)];
  }

  #open(key: string, ingress: number, server: InetAddress): Opened {
    const openedAt = this.#host.clock.now();
    const opened: Opened = { key, server, ingress, openedAt, socket: undefined, waiting: new Map() };
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, [opened]);
    else group.push(opened);
    const { family } = server;
    const options = this.#shares.heldBy(ingress) < RESERVED ? { family } : { family, share: ingress };
    this.#shares.take(ingress);
    this.#track(
      this.#host.sockets.datagram(options).then(
        (socket) => this.#opened(opened, socket),
        () => this.#notOpened(opened),
      ),
    );
    return opened;
  }

  #opened(opened: Opened, socket: DatagramSocket): void {
    if (opened.waiting.size === 0) {
      this.#track(socket.close());
      return;
    }
    opened.socket = socket;
    socket.onEvent = (event) => this.#onEvent(opened, socket, event);
    socket.interest(true, false);
    try {
      socket.connect(opened.server);
    } catch {
      this.#failed(opened);
      return;
    }
    for (const query of [...opened.waiting.values()]) this.#transmit(opened, socket, query);
  }

  /** The host is out of sockets: its queries go through another one of theirs. */
  #notOpened(opened: Opened): void {
    const queries = [...opened.waiting.values()];
    this.#abandon(opened);
    const other = this.#groups.get(opened.key)?.find(({ socket }) => socket !== undefined);
    for (const query of queries) {
      if (other?.socket === undefined) {
        this.#owner.unreachable(query);
      } else {
        this.#add(other, query);
        this.#transmit(other, other.socket, query);
      }
    }
  }

  #onEvent(opened: Opened, socket: DatagramSocket, event: DatagramEvent): void {
    if (opened.socket !== socket) return;
    if (event === 'readable') this.#readable(opened, socket);
    else if (event === 'error' && socket.takeError() !== undefined) this.#failed(opened);
  }

  #readable(opened: Opened, socket: DatagramSocket): void {
    const batch = this.#receive;
    while (opened.socket === socket && socket.receiveBatch(batch) > 0) {
      const at = this.#headroom + (batch.offset[0] ?? 0);
      const length = batch.length[0] ?? 0;
      const query = length < DNS_HEADER_LENGTH ? undefined : opened.waiting.get(dnsId(this.#arena, at));
      if (query === undefined) this.#owner.mismatch();
      else if (this.#owner.answered(query, this.#arena, at, length)) this.#leave(opened, query);
    }
  }

  /** Nobody listens at the server: all that wait here hear of it. */
  #failed(opened: Opened): void {
    const queries = [...opened.waiting.values()];
    this.#abandon(opened);
    for (const query of queries) this.#owner.unreachable(query);
  }

  #add(opened: Opened, query: DnsQuery): void {
    let id = this.#host.random.u32() & 0xffff;
    while (opened.waiting.has(id)) id = (id + 1) & 0xffff;
    opened.waiting.set(id, query);
    const asked = this.#asked.get(query);
    if (asked === undefined) {
      this.#asked.set(query, new Map([[opened, id]]));
      return;
    }
    const before = asked.get(opened);
    if (before !== undefined) opened.waiting.delete(before);
    asked.set(opened, id);
  }

  #transmit(opened: Opened, socket: DatagramSocket, query: DnsQuery): void {
    const id = this.#asked.get(query)?.get(opened);
    if (id === undefined || opened.socket !== socket) return;
    const batch = this.#send;
    batch.bytes.set(query.message);
    put16(batch.bytes, 0, id);
    batch.length[0] = query.message.length;
    batch.count = 1;
    socket.sendBatch(batch);
  }

  #leave(opened: Opened, query: DnsQuery): void {
    const asked = this.#asked.get(query);
    const id = asked?.get(opened);
    if (asked === undefined || id === undefined) return;
    asked.delete(opened);
    if (asked.size === 0) this.#asked.delete(query);
    opened.waiting.delete(id);
    if (opened.waiting.size === 0) this.#close(opened);
  }

  /** Ends a socket whose queries are not answered. */
  #abandon(opened: Opened): void {
    for (const query of opened.waiting.values()) {
      const asked = this.#asked.get(query);
      asked?.delete(opened);
      if (asked?.size === 0) this.#asked.delete(query);
    }
    opened.waiting.clear();
    this.#close(opened);
  }

  #close(opened: Opened): void {
    const group = this.#groups.get(opened.key);
    const index = group?.indexOf(opened) ?? -1;
    if (group === undefined || index < 0) return;
    group.splice(index, 1);
    if (group.length === 0) this.#groups.delete(opened.key);
    this.#shares.give(opened.ingress);
    opened.waiting.clear();
    const { socket } = opened;
    if (socket === undefined) return;
    opened.socket = undefined;
    socket.onEvent = () => {};
    this.#track(socket.close());
  }

  #track(promise: Promise<void>): void {
    this.#pending.add(promise);
    const done = (): void => {
      this.#pending.delete(promise);
    };
    promise.then(done, done);
  }
}
