/**
 * The receiving half of an endpoint: all calls into its client, and what waits for it.
 *
 * A frame goes straight into the client, converted to what it takes, when the client is in neither receive nor send, is
 * not blocked, and nothing waits in front. Everything else is copied into the queue and delivered from the endpoint's
 * task. Senders that were told BUSY are woken when the queue is below half again.
 */
import type { Counters, DropReason, NetClient, SendResult } from './client.ts';
import { BUSY, DROPPED, TAKEN } from './client.ts';
import { Converter, neededOffloads } from './convert.ts';
import { DROP_BAD_OFFLOAD, DROP_CLIENT_FAILED, DROP_LINK_DOWN, DROP_QUEUE_FULL, DROP_REMOVED } from './drop-reasons.ts';
import type { EndpointContext, Sender } from './endpoint-context.ts';
import { FairQueue } from './fair-queue.ts';
import { Frame, GSO_NONE } from './frame.ts';
import { type BatchTask, PRODUCE } from './host.ts';
import type { Tally } from './tally.ts';

/** What a queue delivers in one turn. */
const BUDGET_FRAMES = 64;
const BUDGET_BYTES = 262_144;
/** Clients called from inside one another; further ones get their frame from the queue. */
const MAX_DEPTH = 24;

const DELIVERED = -1;
const DISCARDED = -2;

export class Inbox {
  /** The wire can carry frames: both ends present and up. */
  wireUp = false;
  /** Calls of the client's own send() that have not returned. */
  inSend = 0;
  readonly #queue: FairQueue;
  #client: NetClient | undefined;
  #offloads = 0;
  /** receive() returned false, or there is no client yet. */
  #blocked = true;
  #inReceive = false;
  /** Told BUSY on the way to this client: the peer, and former ones until the task has run. */
  readonly #waiters = new Set<Sender>();
  #scheduled = false;
  #converter: Converter | undefined;
  readonly #queued = new Frame();
  readonly #context: EndpointContext;
  readonly #name: string;
  readonly #tally: Tally;
  readonly #counters: Counters;
  readonly #task: BatchTask;

  /** @param task what schedule() has run; it calls begin() first. */
  constructor(context: EndpointContext, name: string, tally: Tally, task: BatchTask) {
    this.#context = context;
    this.#queue = new FairQueue(context.budget);
    this.#name = name;
    this.#tally = tally;
    this.#counters = tally.counters;
    this.#task = task;
  }

  get client(): NetClient | undefined {
    return this.#client;
  }

  /** Frames and bytes that wait for this client. */
  get waiting(): number {
    return this.#queue.waiting;
  }

  get bytes(): number {
    return this.#queue.bytes;
  }

  get isOverMark(): boolean {
    return this.#queue.isHigh;
  }

  attach(client: NetClient): void {
    this.#client = client;
    this.#offloads = client.offloads;
  }

  /** The client is gone. */
  detach(): void {
    this.#client = undefined;
    this.#blocked = true;
  }

  accept(frame: Frame, from: Sender): SendResult {
    let resume = 0;
    const queue = this.#queue;
    if (
      queue.frames === 0 &&
      !this.#blocked &&
      !this.#inReceive &&
      this.inSend === 0 &&
      this.#context.depth < MAX_DEPTH
    ) {
      resume = this.#deliver(frame, 0);
      if (resume < 0) return resume === DELIVERED ? TAKEN : DROPPED;
      if (!this.wireUp) {
        if (resume > 0) return TAKEN;
        this.#tally.lost(DROP_LINK_DOWN);
        return DROPPED;
      }
    }
    // Half taken, it goes on before what others sent from within receive.
    const dropped = resume > 0 && queue.frames > 0 ? queue.pushFirst(frame, resume) : queue.push(frame);
    if (resume > 0) queue.resume = resume;
    if (!this.#blocked) this.schedule();
    if (dropped !== 0) {
      for (let count = Math.abs(dropped); count > 0; count--) this.#tally.lost(DROP_QUEUE_FULL);
    }
    if (queue.isHigh) {
      if (!this.#waiters.has(from)) {
        this.#waiters.add(from);
        this.#context.trace('busy', this.#name, from.name);
      }
      return dropped < 0 ? DROPPED : BUSY;
    }
    return dropped < 0 ? DROPPED : TAKEN;
  }

  /** The client takes frames again: what waits is delivered from the task. */
  unblock(): void {
    if (this.#client === undefined) return;
    this.#blocked = false;
    if (this.#queue.frames > 0) this.schedule();
  }

  linkChanged(up: boolean): void {
    try {
      this.#client?.linkChanged(up);
    } catch (error) {
      this.failed('linkChanged', error);
    }
  }

  failed(where: string, error: unknown): void {
    this.#context.trace('client-failed', this.#name, where);
    this.#context.host.log.error(`${this.#name}: ${where} failed`, { error });
  }

  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#context.host.loop.atBatchEnd(PRODUCE, this.#task);
  }

  /** The task runs: from now on it can be scheduled again. */
  begin(): void {
    this.#scheduled = false;
  }

  /** The task's part: delivers what waits, one turn of it, and wakes senders. */
  work(): void {
    if (!this.#blocked) this.#drain();
    if (this.#queue.isLow) this.wakeSenders();
  }

  wakeSenders(): void {
    if (this.#waiters.size === 0) return;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.wake();
  }

  purge(reason: DropReason): void {
    for (let gone = this.#queue.clear(); gone > 0; gone--) this.#tally.lost(reason);
    if (this.#waiters.size > 0) this.schedule();
  }

  /** @returns DELIVERED, DISCARDED, or the segment to go on with when the client takes frames again. */
  #deliver(frame: Frame, resume: number): number {
    const needed = neededOffloads(frame);
    if ((needed & ~this.#offloads) === 0) {
      if (!this.#enter(frame)) return 0;
      this.#received(frame.length);
      return DELIVERED;
    }
    this.#converter ??= new Converter();
    const converter = this.#converter;
    if (frame.gsoType === GSO_NONE) {
      if (!this.#enter(converter.fillChecksum(frame))) return 0;
      this.#received(frame.length);
      return DELIVERED;
    }
    const segments = converter.begin(frame);
    if (segments === 0) {
      this.#tally.lost(DROP_BAD_OFFLOAD);
      return DISCARDED;
    }
    for (let index = resume; index < segments; index++) {
      if (!this.#enter(converter.segment(index))) return index;
      if (index === 0) this.#received(frame.length);
      if (this.#client === undefined) break;
    }
    return DELIVERED;
  }

  #enter(frame: Frame): boolean {
    const client = this.#client;
    if (client === undefined) return true;
    this.#inReceive = true;
    this.#context.depth++;
    let taken = true;
    try {
      taken = client.receive(frame);
    } catch (error) {
      this.#tally.drop(DROP_CLIENT_FAILED);
      this.failed('receive', error);
    }
    this.#context.depth--;
    this.#inReceive = false;
    if (!taken) this.#blocked = true;
    return taken;
  }

  #drain(): void {
    const queue = this.#queue;
    const frame = this.#queued;
    let frames = 0;
    let bytes = 0;
    while (queue.peek(frame)) {
      if (frames >= BUDGET_FRAMES || bytes >= BUDGET_BYTES) {
        this.#scheduled = true;
        this.#context.host.loop.nextTurn(this.#task);
        return;
      }
      frames++;
      bytes += frame.length;
      const { generation } = queue;
      queue.held = true;
      const resume = this.#deliver(frame, queue.resume);
      if (queue.generation !== generation) {
        // The client went, or its link, while it was in receive.
        if (resume === 0) this.#tally.lost(DROP_REMOVED);
        return;
      }
      queue.held = false;
      if (resume >= 0) {
        queue.resume = resume;
        return;
      }
      queue.shift();
    }
  }

  #received(length: number): void {
    this.#counters.receivedFrames++;
    this.#counters.receivedBytes += length;
  }
}
