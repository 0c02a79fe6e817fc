/**
 * What the parts of the user network's TCP share: the table of flows, the pool, counters, the rounds in which flows send,
 * and the one place where states change and flows end.
 */
import { Frame } from '../net/frame.ts';
import { createTcpOptions } from '../wire/index.ts';
import { ChallengeLimit } from './challenge-limit.ts';
import { ChunkPool } from './chunk-pool.ts';
import { FlowTable, sameAddress } from './flow-table.ts';
import { IngressBuckets } from './ingress-buckets.ts';
import type { IpAddress, IpLayer } from './ip-layer.ts';
import { ParkedFlows } from './parked-flows.ts';
import { TcpCounters } from './tcp-counters.ts';
import type { TcpFlow, TcpState } from './tcp-flow.ts';
import { isSynchronized, NEVER } from './tcp-flow.ts';
import { Handshakes } from './tcp-handshakes.ts';
import { IsnGenerator } from './tcp-isn.ts';
import { LastWords } from './tcp-last-words.ts';
import { MAX_CONNECTING, MAX_FLOWS, STRAY_RESET_BURST, STRAY_RESETS_PER_SECOND, WAKE_SPREAD_MS } from './tcp-limits.ts';
import { Rounds } from './tcp-rounds.ts';
import { Starving } from './tcp-starving.ts';
import { TimeWait } from './tcp-time-wait.ts';
import { armTimer } from './tcp-timer.ts';
import { WakeWatch } from './tcp-wake.ts';
import { UnreadFlows } from './unread-flows.ts';
import { UploadCrowd } from './upload-crowd.ts';

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
  readonly #wake: WakeWatch;
  /** When this program last woke from a sleep that connections may not have survived. */
  wokeAt = Number.NEGATIVE_INFINITY;
  readonly options: TcpStackOptions;
  /** Flows whose handshake is not over: guests' to the outside, and forwards' to guests. */
  readonly connecting: Handshakes;
  readonly dialing: Handshakes;
  readonly parked = new ParkedFlows();
  readonly challenges = new ChallengeLimit();
  readonly strayResets = new IngressBuckets(STRAY_RESETS_PER_SECOND, STRAY_RESET_BURST);
  readonly uploads = new UploadCrowd();
  readonly unread = new UnreadFlows();
  closed = false;

  /** The one frame everything goes out with, room for headers without payload, and bytes that a header displaces. */
  readonly frame = new Frame();
  readonly scratch = new Uint8Array(256);
  readonly displaced = new Uint8Array(256);
  readonly blocks = new Uint32Array(8);
  /** Options of the segment at hand. */
  readonly segmentOptions = createTcpOptions();

  readonly #starving: Starving;
  /** Connections come in runs: one guest, one server. */
  #keptGuest: IpAddress = new Uint32Array(4);
  #keptRemote: IpAddress = new Uint32Array(4);

  constructor(ip: IpLayer, options: TcpStackOptions) {
    this.ip = ip;
    this.options = options;
    this.pool = options.pool ?? new ChunkPool();
    this.table = new FlowTable(ip.host.random.u32(), options.maxFlows ?? MAX_FLOWS);
    this.isn = new IsnGenerator(ip.host.random);
    this.rounds = new Rounds(ip.host.loop, () => this.now());
    this.#wake = new WakeWatch(ip.host, () => this.#onWake());
    this.lastWords = new LastWords(ip.host.timers, () => this.now());
    this.timeWait = new TimeWait(ip.host.timers, () => this.now());
    this.connecting = new Handshakes(options.maxConnecting ?? MAX_CONNECTING);
    this.dialing = new Handshakes(options.maxConnecting ?? MAX_CONNECTING);
    this.#starving = new Starving(this.pool, ip.host.loop, (flow) => {
      flow.starving = false;
      this.rounds.schedule(flow);
    });
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
    this.parked.add(flow);
    this.counters.parked++;
  }

  /** The way to this guest is clear again. */
  unpark(guest: IpAddress): void {
    for (const flow of this.parked.take(guest)) {
      flow.parked = false;
      this.rounds.schedule(flow);
    }
  }

  /** The pool had nothing for this flow: it is scheduled when there is. */
  starve(flow: TcpFlow): void {
    if (flow.starving) return;
    flow.starving = true;
    this.#starving.add(flow);
    this.counters.starved++;
  }

  /** A copy of a borrowed address that nobody changes; flows of the same one share it. */
  keptGuest(address: IpAddress): IpAddress {
    if (!sameAddress(this.#keptGuest, address)) this.#keptGuest = address.slice();
    return this.#keptGuest;
  }

  keptRemote(address: IpAddress): IpAddress {
    if (!sameAddress(this.#keptRemote, address)) this.#keptRemote = address.slice();
    return this.#keptRemote;
  }

  /** A flow begins. @param owner whose share of the handshakes under way it takes. */
  register(flow: TcpFlow, owner: number): void {
    this.table.add(flow);
    if (this.table.size === 1) this.#wake.start();
    this.#handshakes(flow).begin(flow, owner);
  }

  /** The handshake is over, or was given up. */
  settled(flow: TcpFlow): void {
    this.#handshakes(flow).end(flow);
  }

  /**
   * The guest comes in by this port now (after a live migration it is another one), and what its flow holds is of that
   * port's share. Only for what the guest alone can have sent.
   */
  follow(flow: TcpFlow, ingress: number): void {
    if (flow.ingress === ingress) return;
    if (flow.starving) this.#starving.remove(flow);
    this.pool.move(flow.held + flow.assembler.reservedBytes, flow.ingress, ingress);
    if (!flow.forwarded) this.connecting.move(flow, ingress);
    this.unread.move(flow, ingress);
    this.table.move(flow, ingress);
    if (flow.starving) this.#starving.add(flow);
  }

  #handshakes(flow: TcpFlow): Handshakes {
    return flow.forwarded ? this.dialing : this.connecting;
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
    this.unread.note(flow, false);
    this.table.remove(flow);
    if (this.table.size === 0) this.#wake.stop();
    if (flow.parked) this.parked.remove(flow);
    flow.parked = false;
    if (flow.starving) this.#starving.remove(flow);
    flow.starving = false;
  }

  /** Both sides of every flow are asked, at most a few at a time. */
  #onWake(): void {
    this.wokeAt = this.now();
    this.counters.wakes++;
    const gap = WAKE_SPREAD_MS / this.table.size;
    let at = this.wokeAt;
    this.table.forEach((flow) => {
      at += gap;
      if (!isSynchronized(flow)) return;
      flow.keepaliveProbes = 0;
      flow.lifeAt = at;
      armTimer(flow);
    });
  }

  releaseBuffers(flow: TcpFlow): void {
    flow.assembler.clear();
    while (flow.head !== undefined) {
      const chunk = flow.head;
      flow.head = chunk.next;
      flow.held -= chunk.size;
      this.pool.give(chunk, flow.ingress);
    }
    flow.tail = undefined;
  }
}
