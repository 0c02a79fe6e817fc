/**
 * The round robin of flows that have something to send. Output happens at the end of a batch: whoever changes a flow
 * schedules it; run() gives one quantum at a time, in turn over the ports that guests come in by and over the flows of
 * each, until nobody has more or the turn's budget is spent, and goes on in the next turn. Only a socket that has just become readable is served at once.
 *
 * An ACK of its own goes last, after the batch's writes have left for the host: whoever they are for works meanwhile.
 */
import { type BatchLoop, type BatchTask, FLUSH, PRODUCE } from '../net/host.ts';
import type { TcpFlow } from './tcp-flow.ts';
import { AT_ONCE_BYTES, LONE_QUANTUM, QUANTUM, TURN_BYTES, TURN_MS } from './tcp-limits.ts';

/** Empty rings are kept up to here: most ports have something to send again soon. */
const KEPT_RINGS = 64;

/** The flows of one port that wait for their turn. */
interface Ring {
  readonly ingress: number;
  head: TcpFlow | undefined;
  tail: TcpFlow | undefined;
  /** The next port in turn. */
  next: Ring | undefined;
}

export class Rounds implements BatchTask {
  /** One quantum of a flow's output; how much of it was used. Set by the stack. */
  produce: (flow: TcpFlow, budget: number) => number = () => 0;
  /** Sends a due ACK. Set by the stack. */
  acknowledge: (flow: TcpFlow) => void = () => {};
  readonly #loop: BatchLoop;
  readonly #now: () => number;
  readonly #rings = new Map<number, Ring>();
  /** Those that are not empty, in turn. */
  #first: Ring | undefined;
  #last: Ring | undefined;
  /** Bytes that produceNow may still use in this turn: many readable sockets must not make it long. */
  #atOnce = AT_ONCE_BYTES;
  /** Sockets that became readable in this turn; the most of late, which a quieter turn lowers by one. */
  #ready = 0;
  #crowd = 0;
  /** The first `#owing`: an Array that is emptied lets go of its memory. */
  readonly #unacknowledged: (TcpFlow | undefined)[] = [];
  #owing = 0;
  readonly #acknowledging: BatchTask = { run: () => this.#acknowledgeAll() };

  constructor(loop: BatchLoop, now: () => number) {
    this.#loop = loop;
    this.#now = now;
  }

  /** The flow has, or may have, something to send. */
  schedule(flow: TcpFlow): void {
    if (flow.queued) return;
    this.#push(flow);
    this.#loop.atBatchEnd(PRODUCE, this);
  }

  run(): void {
    const startedAt = this.#now();
    let total = 0;
    try {
      for (let flow = this.#pop(); flow !== undefined; flow = this.#pop()) {
        if (isClosed(flow)) continue;
        const quantum = this.#first === undefined && this.#crowd <= 1 ? LONE_QUANTUM : QUANTUM;
        const used = this.produce(flow, quantum);
        total += used;
        // A whole quantum used: there may be more, behind the others.
        if (used + flow.mss > quantum && !flow.queued && !isClosed(flow)) this.#push(flow);
        if (total >= TURN_BYTES || this.#now() - startedAt > TURN_MS) break;
      }
    } finally {
      // Also behind a flow that threw.
      this.#atOnce = AT_ONCE_BYTES;
      if (this.#ready > 0) this.#crowd = Math.max(this.#ready, this.#crowd - 1);
      this.#ready = 0;
      if (this.#first !== undefined) this.#loop.nextTurn(this);
    }
  }

  /**
   * The flow's socket has bytes at hand just now: one quantum is read in place, which saves some hosts a copy, while the
   * turn has any to give away outside the round robin; the rest goes the usual way.
   */
  produceNow(flow: TcpFlow): void {
    this.#ready++;
    if (this.#atOnce > 0) {
      const quantum = this.#crowd <= 1 && this.#ready <= 1 ? LONE_QUANTUM : QUANTUM;
      const used = this.produce(flow, quantum);
      this.#atOnce -= used;
      this.#loop.atBatchEnd(PRODUCE, this);
      if (used + flow.mss <= quantum || isClosed(flow)) return;
    }
    this.schedule(flow);
  }

  acknowledgeLast(flow: TcpFlow): void {
    if (flow.ackQueued) return;
    flow.ackQueued = true;
    this.#unacknowledged[this.#owing++] = flow;
    this.#loop.atBatchEnd(FLUSH, this.#acknowledging);
  }

  #acknowledgeAll(): void {
    const flows = this.#unacknowledged;
    let done = 0;
    try {
      while (done < this.#owing) {
        const flow = flows[done] as TcpFlow;
        flows[done++] = undefined;
        flow.ackQueued = false;
        if (flow.ackPending && !flow.parked && !isClosed(flow)) this.acknowledge(flow);
      }
    } finally {
      // Those behind a flow that threw keep their turn.
      if (done < this.#owing) {
        flows.copyWithin(0, done, this.#owing);
        this.#loop.atBatchEnd(FLUSH, this.#acknowledging);
      }
      this.#owing -= done;
    }
  }

  #push(flow: TcpFlow): void {
    flow.queued = true;
    flow.ringNext = undefined;
    const ring = this.#ringOf(flow.ingress);
    if (ring.tail === undefined) {
      ring.head = flow;
      this.#append(ring);
    } else {
      ring.tail.ringNext = flow;
    }
    ring.tail = flow;
  }

  #pop(): TcpFlow | undefined {
    const ring = this.#first;
    const flow = ring?.head;
    if (ring === undefined || flow === undefined) return undefined;
    this.#first = ring.next;
    if (this.#first === undefined) this.#last = undefined;
    ring.head = flow.ringNext;
    if (ring.head !== undefined) {
      this.#append(ring);
    } else {
      ring.tail = undefined;
      if (this.#rings.size > KEPT_RINGS) this.#rings.delete(ring.ingress);
    }
    flow.ringNext = undefined;
    flow.queued = false;
    return flow;
  }

  #ringOf(ingress: number): Ring {
    let ring = this.#rings.get(ingress);
    if (ring === undefined) {
      ring = { ingress, head: undefined, tail: undefined, next: undefined };
      this.#rings.set(ingress, ring);
    }
    return ring;
  }

  #append(ring: Ring): void {
    ring.next = undefined;
    if (this.#last === undefined) this.#first = ring;
    else this.#last.next = ring;
    this.#last = ring;
  }
}

const isClosed = (flow: TcpFlow): boolean => flow.state === 'CLOSED';
