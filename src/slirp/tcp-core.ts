/**
 * What the parts of the user network's TCP share: the table of flows, the pool, counters, the rounds in which flows send,
 * and the one place where states change and flows end.
 */
import { Frame } from '../net/frame.ts';
import { createTcpOptions } from '../wire/index.ts';
import { ChunkPool } from './chunk-pool.ts';
import { FlowTable, sameAddress } from './flow-table.ts';
import type { IpAddress, IpLayer } from './ip-layer.ts';
import { TcpCounters } from './tcp-counters.ts';
import type { GuestRecord, TcpFlow, TcpState } from './tcp-flow.ts';
import { NEVER } from './tcp-flow.ts';
import { IsnGenerator } from './tcp-isn.ts';
import { LastWords } from './tcp-last-words.ts';
import { MAX_CONNECTING, MAX_FLOWS } from './tcp-limits.ts';
import { Rounds } from './tcp-rounds.ts';
import { TimeWait } from './tcp-time-wait.ts';

export interface TcpStackOptions {
  /** Shared with others of the yard; a pool of its own otherwise. */
  pool?: ChunkPool;
  maxFlows?: number;
  maxConnecting?: number;
  /** For tests: the initial sequence number of every connection. */
  initialSequence?: () => number;
  /** Called at every change of state. */
  trace?: (flow: TcpFlow, from: TcpState, to: TcpState) => void;
}

export class TcpCore {
  readonly ip: IpLayer;
  readonly pool: ChunkPool;
  readonly table: FlowTable<TcpFlow>;
  readonly counters = new TcpCounters();
  readonly isn: IsnGenerator;
  readonly rounds: Rounds;
  readonly timeWait: TimeWait;
  readonly lastWords: LastWords;
  readonly options: TcpStackOptions;
  readonly maxFlows: number;
  readonly maxConnecting: number;
  readonly guests = new Map<string, GuestRecord>();
  /** Flows whose handshake is not over: guests' to the outside, and forwards' to guests. */
  connecting = 0;
  dialing = 0;
  closed = false;

  /** The one frame everything goes out with, room for headers without payload, and bytes that a header displaces. */
  readonly frame = new Frame();
  readonly scratch = new Uint8Array(256);
  readonly displaced = new Uint8Array(256);
  readonly blocks = new Uint32Array(8);
  /** Options of the segment at hand. */
  readonly segmentOptions = createTcpOptions();
  challengeCount = 0;
  challengeAt = 0;

  readonly #starving: TcpFlow[] = [];
  /** Connections come in runs: one guest, one server. */
  #recentGuest: GuestRecord | undefined;
  #keptAddress: IpAddress = new Uint32Array(4);

  constructor(ip: IpLayer, options: TcpStackOptions) {
    this.ip = ip;
    this.options = options;
    this.pool = options.pool ?? new ChunkPool();
    this.table = new FlowTable(ip.host.random.u32(), options.maxFlows ?? MAX_FLOWS);
    this.isn = new IsnGenerator(ip.host.random);
    this.rounds = new Rounds(ip.host.loop, () => this.now());
    this.lastWords = new LastWords(ip.host.timers, () => this.now());
    this.timeWait = new TimeWait(ip.host.timers, () => this.now());
    this.maxFlows = options.maxFlows ?? MAX_FLOWS;
    this.maxConnecting = options.maxConnecting ?? MAX_CONNECTING;
  }

  now(): number {
    return this.ip.host.clock.now();
  }

  initialSequence(flow: TcpFlow): number {
    const { initialSequence } = this.options;
    if (initialSequence !== undefined) return initialSequence() >>> 0;
    return this.isn.next(flow.guest, flow.guestPort, flow.remote, flow.remotePort, this.now());
  }

  /** The only place where a flow's state changes. */
  setState(flow: TcpFlow, to: TcpState): void {
    const from = flow.state;
    if (from === to) return;
    flow.state = to;
    this.options.trace?.(flow, from, to);
  }

  /** The way to the flow's guest is not clear: it waits for resumeGuest. */
  park(flow: TcpFlow): void {
    if (flow.parked) return;
    flow.parked = true;
    flow.record.parked.push(flow);
    this.counters.parked++;
  }

  unpark(record: GuestRecord): void {
    for (const flow of record.parked) {
      flow.parked = false;
      if (flow.state !== 'CLOSED') this.rounds.schedule(flow);
    }
    record.parked.length = 0;
  }

  /** The pool had nothing for this flow: it is scheduled when there is. */
  starve(flow: TcpFlow): void {
    if (flow.starving) return;
    flow.starving = true;
    this.#starving.push(flow);
    this.counters.starved++;
    this.pool.wait(this);
  }

  /** The pool has room again. */
  relieve(): void {
    const waiting = this.#starving.splice(0);
    for (const flow of waiting) {
      flow.starving = false;
      if (flow.state !== 'CLOSED') this.rounds.schedule(flow);
    }
  }

  /** A copy of a borrowed address that nobody changes; flows to the same one share it. */
  keptAddress(address: IpAddress): IpAddress {
    if (!sameAddress(this.#keptAddress, address)) this.#keptAddress = address.slice();
    return this.#keptAddress;
  }

  guestRecord(guest: IpAddress): GuestRecord {
    const recent = this.#recentGuest;
    if (recent !== undefined && recent.flows > 0 && sameAddress(recent.address, guest)) return recent;
    const key = guestKey(guest);
    let record = this.guests.get(key);
    if (record === undefined) {
      record = { address: guest.slice(), key, flows: 0, connecting: 0, dialing: 0, held: 0, parked: [] };
      this.guests.set(key, record);
    }
    this.#recentGuest = record;
    return record;
  }

  register(flow: TcpFlow): void {
    this.table.add(flow);
    flow.record.flows++;
    this.#count(flow, 1);
  }

  /** The handshake is over, or was given up. */
  settled(flow: TcpFlow): void {
    if (!flow.connecting) return;
    flow.connecting = false;
    this.#count(flow, -1);
  }

  #count(flow: TcpFlow, by: number): void {
    const stage = flow.forwarded ? 'dialing' : 'connecting';
    flow.record[stage] += by;
    this[stage] += by;
  }

  /** Frees all that a flow holds but its socket, which the caller has closed or reset. */
  remove(flow: TcpFlow): void {
    if (flow.state === 'CLOSED') return;
    this.settled(flow);
    this.setState(flow, 'CLOSED');
    flow.timer?.cancel();
    flow.timer = undefined;
    flow.timerAt = NEVER;
    flow.quote = undefined;
    this.releaseBuffers(flow);
    this.table.remove(flow);
    const { record } = flow;
    record.flows--;
    if (flow.parked) {
      flow.parked = false;
      const at = record.parked.indexOf(flow);
      if (at >= 0) record.parked.splice(at, 1);
    }
    if (record.flows === 0) this.guests.delete(record.key);
  }

  releaseBuffers(flow: TcpFlow): void {
    flow.assembler.clear();
    while (flow.head !== undefined) {
      const chunk = flow.head;
      flow.head = chunk.next;
      this.pool.give(chunk);
    }
    flow.tail = undefined;
    flow.record.held -= flow.held;
    flow.held = 0;
  }
}

/** A guest's address as a map key: used when flows begin and when a guest resumes, not per segment. */
export const guestKey = (guest: IpAddress): string => `${guest[0]}.${guest[1]}.${guest[2]}.${guest[3]}`;
