/**
 * What the parts of the user network's TCP share: the table of flows, the pool, counters, the round robin of flows that
 * have something to send, and the one place where states change and flows end.
 *
 * Output happens at the end of a batch: whoever changes a flow calls schedule(); run() gives each scheduled flow one
 * quantum in turn, until nobody has more or the turn's budget is spent, and goes on in the next turn. Only a socket that
 * has just become readable is served at once.
 */
import { Frame } from '../net/frame.ts';
import { type BatchTask, PRODUCE } from '../net/host.ts';
import { createTcpOptions } from '../wire/index.ts';
import { ChunkPool } from './chunk-pool.ts';
import { FlowTable, sameAddress } from './flow-table.ts';
import type { IpAddress, IpLayer } from './ip-layer.ts';
import { TcpCounters } from './tcp-counters.ts';
import type { GuestRecord, TcpFlow, TcpState } from './tcp-flow.ts';
import { NEVER } from './tcp-flow.ts';
import { IsnGenerator } from './tcp-isn.ts';
import {
  AT_ONCE_BYTES,
  LONE_QUANTUM,
  MAX_CONNECTING,
  MAX_FLOWS,
  MAX_TIME_WAIT,
  QUANTUM,
  TURN_BYTES,
  TURN_MS,
} from './tcp-limits.ts';

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

export class TcpCore implements BatchTask {
  readonly ip: IpLayer;
  readonly pool: ChunkPool;
  readonly table: FlowTable<TcpFlow>;
  readonly counters = new TcpCounters();
  readonly isn: IsnGenerator;
  readonly options: TcpStackOptions;
  readonly maxFlows: number;
  readonly maxConnecting: number;
  readonly guests = new Map<string, GuestRecord>();
  connecting = 0;
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

  /** One quantum of a flow's output; how much of it was used. Set by the stack. */
  produce: (flow: TcpFlow, budget: number) => number = () => 0;
  #head: TcpFlow | undefined;
  #tail: TcpFlow | undefined;
  /** Bytes that produceNow may still use in this turn: many readable sockets must not make it long. */
  #atOnce = AT_ONCE_BYTES;
  /** Sockets that became readable, in this turn and in the one before. */
  #ready = 0;
  #crowd = 0;
  readonly #starving: TcpFlow[] = [];
  /** The flows that entered TIME-WAIT last, in a ring. */
  readonly #timeWait: (TcpFlow | undefined)[] = [];
  #timeWaitNext = 0;
  /** Connections come in runs: one guest, one server. */
  #recentGuest: GuestRecord | undefined;
  #keptAddress: IpAddress = new Uint32Array(4);

  constructor(ip: IpLayer, options: TcpStackOptions) {
    this.ip = ip;
    this.options = options;
    this.pool = options.pool ?? new ChunkPool();
    this.table = new FlowTable(ip.host.random.u32());
    this.isn = new IsnGenerator(ip.host.random);
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

  /** The flow has, or may have, something to send. */
  schedule(flow: TcpFlow): void {
    if (flow.queued) return;
    this.#push(flow);
    this.ip.host.loop.atBatchEnd(PRODUCE, this);
  }

  run(): void {
    const startedAt = this.now();
    let total = 0;
    for (let flow = this.#pop(); flow !== undefined; flow = this.#pop()) {
      if (isClosed(flow)) continue;
      const quantum = this.#head === undefined ? LONE_QUANTUM : QUANTUM;
      const used = this.produce(flow, quantum);
      total += used;
      // A whole quantum used: there may be more, behind the others.
      if (used + flow.mss > quantum && !flow.queued && !isClosed(flow)) this.#push(flow);
      if (total >= TURN_BYTES || this.now() - startedAt > TURN_MS) break;
    }
    this.#atOnce = AT_ONCE_BYTES;
    this.#crowd = this.#ready;
    this.#ready = 0;
    if (this.#head !== undefined) this.ip.host.loop.nextTurn(this);
  }

  /**
   * The flow's socket has bytes at hand just now: one quantum is read in place, which saves some hosts a copy, while the
   * turn has any to give away outside the round robin; the rest goes the usual way.
   */
  produceNow(flow: TcpFlow): void {
    this.#ready++;
    if (this.#atOnce > 0) {
      const quantum = this.#crowd <= 1 ? LONE_QUANTUM : QUANTUM;
      const used = this.produce(flow, quantum);
      this.#atOnce -= used;
      this.ip.host.loop.atBatchEnd(PRODUCE, this);
      if (used + flow.mss <= quantum || isClosed(flow)) return;
    }
    this.schedule(flow);
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
      if (flow.state !== 'CLOSED') this.schedule(flow);
    }
    record.parked.length = 0;
  }

  /** The flow has entered TIME-WAIT. Returns the one that must end for it. */
  enterTimeWait(flow: TcpFlow): TcpFlow | undefined {
    const at = this.#timeWaitNext;
    const oldest = this.#timeWait[at];
    this.#timeWait[at] = flow;
    this.#timeWaitNext = (at + 1) % MAX_TIME_WAIT;
    return oldest?.state === 'TIME-WAIT' ? oldest : undefined;
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
      if (flow.state !== 'CLOSED') this.schedule(flow);
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
      record = { address: guest.slice(), key, flows: 0, connecting: 0, held: 0, parked: [] };
      this.guests.set(key, record);
    }
    this.#recentGuest = record;
    return record;
  }

  register(flow: TcpFlow): void {
    this.table.add(flow);
    flow.record.flows++;
    flow.record.connecting++;
    this.connecting++;
  }

  /** The handshake is over, or was given up. */
  settled(flow: TcpFlow): void {
    if (!flow.connecting) return;
    flow.connecting = false;
    flow.record.connecting--;
    this.connecting--;
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

  #push(flow: TcpFlow): void {
    flow.queued = true;
    flow.ringNext = undefined;
    if (this.#tail === undefined) this.#head = flow;
    else this.#tail.ringNext = flow;
    this.#tail = flow;
  }

  #pop(): TcpFlow | undefined {
    const flow = this.#head;
    if (flow === undefined) return undefined;
    this.#head = flow.ringNext;
    if (this.#head === undefined) this.#tail = undefined;
    flow.ringNext = undefined;
    flow.queued = false;
    return flow;
  }
}

const isClosed = (flow: TcpFlow): boolean => flow.state === 'CLOSED';

/** A guest's address as a map key: used when flows begin and when a guest resumes, not per segment. */
export const guestKey = (guest: IpAddress): string => `${guest[0]}.${guest[1]}.${guest[2]}.${guest[3]}`;
