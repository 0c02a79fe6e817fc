/**
 * One end of a wire: the only place where frames are queued, converted, counted and stopped by link state.
 *
 * A frame's way: checks and link at the sender, then the peer's queue or straight to the peer's client, converted to
 * what it takes. A client is entered only when it is in neither receive nor send, is not blocked, and nothing waits in
 * front; everything else is copied into its queue and delivered from the queue's own task at the end of a batch. Link
 * changes and onReady are told from that task too, so no client is ever called from inside itself.
 *
 * Counters, per wire and before conversion: what A sent = what was dropped at A (`sendDropped`) + what B received +
 * what was dropped on the way to B (`receiveDropped`) + what waits for B.
 */
import type { Counters, DropReason, NetClient, Port, SendResult } from './client.ts';
import { BUSY, DROPPED, TAKEN } from './client.ts';
import { Converter, metadataHolds, neededOffloads } from './convert.ts';
import {
  DROP_BAD_OFFLOAD,
  DROP_CLIENT_FAILED,
  DROP_LINK_DOWN,
  DROP_NO_PEER,
  DROP_QUEUE_FULL,
  DROP_REMOVED,
  DROP_TOO_LONG,
  DROP_TOO_SHORT,
} from './drop-reasons.ts';
import { FairQueue, type QueueBudget } from './fair-queue.ts';
import { ETHERNET_HEADER_LENGTH, Frame, GSO_NONE, MAX_FRAME_LENGTH } from './frame.ts';
import { type BatchTask, type Host, PRODUCE } from './host.ts';
import type { Trace } from './trace.ts';

/** What a queue delivers in one turn. */
const BUDGET_FRAMES = 64;
const BUDGET_BYTES = 262_144;
/** Clients called from inside one another; further ones get their frame from the queue. */
const MAX_DEPTH = 24;
/** Addresses one client may claim. */
const MAX_CLAIMS = 256;

const INFO_LIMIT = 255;
/** The driver's name of the switch's own ends, which are in no list of clients. */
export const SWITCH_PORT = 'switch';

const DELIVERED = -1;
const DISCARDED = -2;

/** A hub or switch port: instead of receiving, it passes on. */
export interface Relay {
  forward(frame: Frame): SendResult;
  /** An egress that said BUSY is below half again. */
  egressReady(): void;
}

/** What all endpoints of a network share. */
export interface EndpointContext {
  readonly host: Host;
  readonly trace: Trace;
  /** How many clients are entered at this moment, one from inside the other. */
  depth: number;
  readonly budget: QueueBudget;
  claimed(endpoint: Endpoint, mac: number): void;
}

export interface EndpointOptions {
  /** Created by -netdev or netdev_add. */
  readonly isNetdev: boolean;
  readonly model?: string | undefined;
  /** 48-bit number: the address of a NIC. */
  readonly mac?: number | undefined;
}

export class Endpoint implements Port, BatchTask {
  readonly name: string;
  /** NetClientDriver's word, or `nic`. */
  readonly driver: string;
  readonly isNetdev: boolean;
  readonly model: string | undefined;
  readonly mac: number | undefined;
  /** Unique in its network; the key of its share in the queues it sends to. */
  readonly serial: number;
  readonly counters: Counters = {
    sentFrames: 0,
    sentBytes: 0,
    receivedFrames: 0,
    receivedBytes: 0,
    dropped: Object.create(null) as Record<DropReason, number>,
  };
  /** Frames of this client that went nowhere, and frames on their way to it that were dropped. */
  sendDropped = 0;
  receiveDropped = 0;
  onReady: () => void = () => {};
  /** Set for hub and switch ports. */
  relay: Relay | undefined;
  /** Addresses that live behind this port, static entries while it is on the switch. */
  readonly claims: number[] = [];

  readonly #context: EndpointContext;
  #client: NetClient | undefined;
  #offloads = 0;
  #peer: Endpoint | undefined;
  #adminUp = true;
  #carrierUp = true;
  #orphaned = false;
  #removed = false;
  /** The wire can carry frames: both ends present and up. */
  #wireUp = false;
  #reportedUp = true;

  readonly #queue: FairQueue;
  /** receive() returned false, or there is no client yet. */
  #blocked = true;
  #inReceive = false;
  #inSend = 0;
  /** Senders that were told BUSY on the way to this client. */
  readonly #waiters = new Set<Endpoint>();
  #toldBusy = false;
  #wakeDue = false;
  #scheduled = false;
  #converter: Converter | undefined;
  readonly #queued = new Frame();

  constructor(context: EndpointContext, serial: number, name: string, driver: string, options: EndpointOptions) {
    this.#context = context;
    this.#queue = new FairQueue(context.budget);
    this.serial = serial;
    this.name = name;
    this.driver = driver;
    this.isNetdev = options.isNetdev;
    this.model = options.model;
    this.mac = options.mac;
    if (options.mac !== undefined) this.claims.push(options.mac);
  }

  /** The other end of the wire, a port of the switch included. */
  get peer(): Endpoint | undefined {
    return this.#peer;
  }

  /** The net client at the other end: undefined when there is none, or when this one is on the switch. */
  get wired(): Endpoint | undefined {
    return this.isOnSwitch ? undefined : this.#peer;
  }

  get isOnSwitch(): boolean {
    return this.#peer?.driver === SWITCH_PORT;
  }

  get client(): NetClient | undefined {
    return this.#client;
  }

  /** Queue of a multiqueue client. */
  get queueIndex(): number {
    return 0;
  }

  /** The client's one line, as `info network` shows it; QEMU cuts it after 255 characters. */
  info(): string {
    return this.#client?.info().slice(0, INFO_LIMIT) ?? '';
  }

  get isNic(): boolean {
    return this.driver === 'nic';
  }

  get isRemoved(): boolean {
    return this.#removed;
  }

  get adminUp(): boolean {
    return this.#adminUp;
  }

  get carrierUp(): boolean {
    return this.#carrierUp;
  }

  /** The effective link: administrator's word and carrier, of this end and, when there is one, of the other. */
  get linkUp(): boolean {
    const peer = this.#peer;
    return this.#ownUp && (peer === undefined || peer.#ownUp);
  }

  get #ownUp(): boolean {
    return this.#adminUp && this.#carrierUp && !this.#orphaned;
  }

  /** Frames and bytes that wait for this client. */
  get queuedFrames(): number {
    return this.#queue.waiting;
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  /** The client is there: what waited is delivered. */
  attach(client: NetClient): void {
    this.#client = client;
    this.#offloads = client.offloads;
    this.#reportedUp = this.linkUp;
    this.#context.trace('client-attach', this.name, this.driver);
    this.ready();
  }

  send(frame: Frame): SendResult {
    return this.sendAs(this.serial, frame);
  }

  /** Sends on behalf of an ingress of the same hub or switch, which gets its own share of the peer's queue. */
  sendAs(ingress: number, frame: Frame): SendResult {
    const { length } = frame;
    this.counters.sentFrames++;
    this.counters.sentBytes += length;
    const peer = this.#peer;
    if (peer === undefined || !this.#wireUp) return this.#unsent(peer === undefined ? DROP_NO_PEER : DROP_LINK_DOWN);
    if (length < ETHERNET_HEADER_LENGTH) return this.#unsent(DROP_TOO_SHORT);
    if (length > MAX_FRAME_LENGTH || frame.offset + length > frame.bytes.length) return this.#unsent(DROP_TOO_LONG);
    if ((frame.flags !== 0 || frame.gsoType !== GSO_NONE) && !metadataHolds(frame)) {
      return this.#unsent(DROP_BAD_OFFLOAD);
    }
    this.#inSend++;
    const { relay } = peer;
    let result: SendResult;
    if (relay === undefined) {
      result = peer.#accept(ingress, frame, this);
    } else {
      peer.#count(length);
      result = relay.forward(frame);
    }
    this.#inSend--;
    if (result === BUSY) this.#toldBusy = true;
    return result;
  }

  ready(): void {
    if (this.#client === undefined) return;
    this.#blocked = false;
    if (this.#queue.frames > 0) this.#schedule();
  }

  carrier(up: boolean): void {
    if (this.#carrierUp === up) return;
    this.#carrierUp = up;
    this.refreshLink();
  }

  setAdminUp(up: boolean): void {
    if (this.#adminUp === up) return;
    this.#adminUp = up;
    this.refreshLink();
  }

  drop(reason: DropReason): void {
    const { dropped } = this.counters;
    dropped[reason] = (dropped[reason] ?? 0) + 1;
    this.#context.trace('drop', this.name, reason);
  }

  claimAddress(mac: number): void {
    if (this.claims.includes(mac) || this.claims.length >= MAX_CLAIMS) return;
    this.claims.push(mac);
    this.#context.claimed(this, mac);
  }

  /** Joins this end and a free one. The network's bookkeeping is the caller's. */
  join(peer: Endpoint): void {
    this.#peer = peer;
    peer.#peer = this;
    this.#orphaned = false;
    peer.#orphaned = false;
    this.#context.trace('wire', this.name, peer.name);
    this.refreshLink();
  }

  /** Cuts the wire; what waited at both ends is dropped. */
  cut(): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    this.#context.trace('unwire', this.name, peer.name);
    this.#peer = undefined;
    peer.#peer = undefined;
    for (const end of [this, peer]) {
      end.#purge(DROP_REMOVED);
      end.refreshLink();
      // Nobody at the other end remembers any more whom it told BUSY.
      end.#wakeDue = end.#toldBusy;
      end.#schedule();
    }
  }

  /** The netdev of this NIC was deleted: its link goes down until it is wired again. */
  orphan(): void {
    this.#orphaned = true;
    this.refreshLink();
  }

  /** No frame, call or event of this endpoint from now on. */
  retire(): void {
    this.cut();
    this.#removed = true;
    this.#client = undefined;
    this.#blocked = true;
    this.#context.trace('client-remove', this.name, this.driver);
  }

  /** The link of this wire may have changed. */
  refreshLink(): void {
    this.#refreshEnd();
    if (this.#peer !== undefined) this.#peer.#refreshEnd();
  }

  /** Someone this endpoint sends to is below half of its queue again. */
  wake(): void {
    if (this.relay !== undefined) {
      this.relay.egressReady();
      return;
    }
    if (!this.#toldBusy || this.#removed) return;
    this.#toldBusy = false;
    this.#context.trace('ready', this.name, this.#peer?.name ?? '');
    try {
      this.onReady();
    } catch (error) {
      this.#failed('onReady', error);
    }
  }

  /** The batch task: delivers what waits, tells of link changes, wakes senders. */
  run(): void {
    this.#scheduled = false;
    if (this.#removed) {
      this.#wakeSenders();
      return;
    }
    const up = this.linkUp;
    if (up !== this.#reportedUp && this.#client !== undefined) {
      this.#reportedUp = up;
      try {
        this.#client.linkChanged(up);
      } catch (error) {
        this.#failed('linkChanged', error);
      }
    }
    if (!this.#blocked) this.#drain();
    if (this.#queue.isLow) this.#wakeSenders();
    if (this.#wakeDue) {
      this.#wakeDue = false;
      this.wake();
    }
  }

  #wakeSenders(): void {
    if (this.#waiters.size === 0) return;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.wake();
  }

  #accept(ingress: number, frame: Frame, from: Endpoint): SendResult {
    let resume = 0;
    const queue = this.#queue;
    if (
      queue.frames === 0 &&
      !this.#blocked &&
      !this.#inReceive &&
      this.#inSend === 0 &&
      this.#context.depth < MAX_DEPTH
    ) {
      resume = this.#deliver(frame, 0);
      if (resume < 0) return resume === DELIVERED ? TAKEN : DROPPED;
      if (!this.#wireUp) {
        if (resume > 0) return TAKEN;
        this.#lost(DROP_LINK_DOWN);
        return DROPPED;
      }
    }
    // Half taken, it goes on before what others sent from within receive.
    const dropped = resume > 0 && queue.frames > 0 ? queue.pushFirst(frame, resume) : queue.push(ingress, frame);
    if (resume > 0) queue.resume = resume;
    if (!this.#blocked) this.#schedule();
    if (dropped !== 0) {
      for (let count = Math.abs(dropped); count > 0; count--) this.#lost(DROP_QUEUE_FULL);
    }
    if (queue.isHigh) {
      if (!this.#waiters.has(from)) {
        this.#waiters.add(from);
        this.#context.trace('busy', this.name, from.name);
      }
      return dropped < 0 ? DROPPED : BUSY;
    }
    return dropped < 0 ? DROPPED : TAKEN;
  }

  /** @returns DELIVERED, DISCARDED, or the segment to go on with when the client takes frames again. */
  #deliver(frame: Frame, resume: number): number {
    const needed = neededOffloads(frame);
    if ((needed & ~this.#offloads) === 0) {
      if (!this.#enter(frame)) return 0;
      this.#count(frame.length);
      return DELIVERED;
    }
    this.#converter ??= new Converter();
    const converter = this.#converter;
    if (frame.gsoType === GSO_NONE) {
      if (!this.#enter(converter.fillChecksum(frame))) return 0;
      this.#count(frame.length);
      return DELIVERED;
    }
    const segments = converter.begin(frame);
    if (segments === 0) {
      this.#lost(DROP_BAD_OFFLOAD);
      return DISCARDED;
    }
    for (let index = resume; index < segments; index++) {
      if (!this.#enter(converter.segment(index))) return index;
      if (index === 0) this.#count(frame.length);
      if (this.#removed) break;
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
      this.drop(DROP_CLIENT_FAILED);
      this.#failed('receive', error);
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
        this.#context.host.loop.nextTurn(this);
        return;
      }
      frames++;
      bytes += frame.length;
      const { generation } = queue;
      queue.held = true;
      const resume = this.#deliver(frame, queue.resume);
      if (queue.generation !== generation) {
        // The client went, or its link, while it was in receive.
        if (resume === 0) this.#lost(DROP_REMOVED);
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

  #purge(reason: DropReason): void {
    for (let gone = this.#queue.clear(); gone > 0; gone--) this.#lost(reason);
    if (this.#waiters.size > 0) this.#schedule();
  }

  #refreshEnd(): void {
    const up = this.linkUp;
    this.#wireUp = this.#peer !== undefined && up;
    if (!up) this.#purge(DROP_LINK_DOWN);
    if (up !== this.#reportedUp) {
      this.#context.trace('link', this.name, up);
      this.#schedule();
    }
  }

  #count(length: number): void {
    this.counters.receivedFrames++;
    this.counters.receivedBytes += length;
  }

  #lost(reason: DropReason): void {
    this.receiveDropped++;
    this.drop(reason);
  }

  #unsent(reason: DropReason): SendResult {
    this.sendDropped++;
    this.drop(reason);
    return DROPPED;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#context.host.loop.atBatchEnd(PRODUCE, this);
  }

  #failed(where: string, error: unknown): void {
    this.#context.trace('client-failed', this.name, where);
    this.#context.host.log.error(`${this.name}: ${where} failed`, { error });
  }
}
