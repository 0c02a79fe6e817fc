/**
 * One end of a wire: the only place where frames are queued, converted, counted and stopped by link state.
 *
 * A frame's way: checks and link at the sender, then the peer's queue or straight to the peer's client, converted to
 * what it takes (inbox.ts). What waits, link changes and onReady are told from the end's own task at the end of a batch,
 * so no client is ever called from inside itself.
 */
import type { Counters, DropReason, NetClient, Port, SendResult } from './client.ts';
import { BUSY } from './client.ts';
import { metadataHolds } from './convert.ts';
import {
  DROP_BAD_OFFLOAD,
  DROP_LINK_DOWN,
  DROP_NO_PEER,
  DROP_REMOVED,
  DROP_TOO_LONG,
  DROP_TOO_SHORT,
} from './drop-reasons.ts';
import { type EndpointContext, type Relay, SWITCH_PORT } from './endpoint-context.ts';
import { ETHERNET_HEADER_LENGTH, type Frame, GSO_NONE, MAX_FRAME_LENGTH } from './frame.ts';
import type { BatchTask } from './host.ts';
import { Inbox } from './inbox.ts';
import { Tally } from './tally.ts';
import type { Turn } from './turns.ts';

/** Addresses one client may claim. */
const MAX_CLAIMS = 256;

const INFO_LIMIT = 255;

export interface EndpointOptions {
  /** Created by -netdev or netdev_add. */
  readonly isNetdev: boolean;
  readonly model?: string | undefined;
  /** 48-bit number: the address of a NIC. */
  readonly mac?: number | undefined;
  /** What comes in by it may claim addresses that are the yard's own. */
  readonly trusted?: boolean | undefined;
}

export class Endpoint implements Port, BatchTask {
  readonly name: string;
  /** NetClientDriver's word, or `nic`. */
  readonly driver: string;
  readonly isNetdev: boolean;
  readonly model: string | undefined;
  readonly mac: number | undefined;
  /** Unique in its network, from 1 on: Frame.ingress of what comes in here, and the key of its share wherever there are shares. */
  readonly serial: number;
  readonly counters: Counters;
  onReady: () => void = () => {};
  /** Set for hub and switch ports. */
  relay: Relay | undefined;
  /** Addresses that live behind this port, static entries while it is on the switch. */
  readonly claims: number[] = [];
  /** IPv4 addresses that nobody behind another port may claim. */
  readonly owned: number[] = [];
  readonly isTrusted: boolean;

  readonly #context: EndpointContext;
  readonly #tally: Tally;
  readonly #inbox: Inbox;
  #peer: Endpoint | undefined;
  #adminUp = true;
  #carrierUp = true;
  #orphaned = false;
  #removed = false;
  #reportedUp = true;
  #toldBusy = false;
  #wakeDue = false;
  /** Of a client that reads frames somewhere: its share of time. */
  #turn: Turn | undefined;

  constructor(context: EndpointContext, serial: number, name: string, driver: string, options: EndpointOptions) {
    this.#context = context;
    this.#tally = new Tally(name, context.trace);
    this.#inbox = new Inbox(context, name, this.#tally, this);
    this.counters = this.#tally.counters;
    this.serial = serial;
    this.name = name;
    this.driver = driver;
    this.isNetdev = options.isNetdev;
    this.model = options.model;
    this.mac = options.mac;
    this.isTrusted = options.trusted === true;
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
    return this.#inbox.client;
  }

  /** Queue of a multiqueue client. */
  get queueIndex(): number {
    return 0;
  }

  /** The client's one line, as `info network` shows it; QEMU cuts it after 255 characters. */
  info(): string {
    return this.client?.info().slice(0, INFO_LIMIT) ?? '';
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
    return this.#inbox.waiting;
  }

  get queuedBytes(): number {
    return this.#inbox.bytes;
  }

  /** What waits for this client is over the mark beyond which senders are told BUSY. */
  get isOverMark(): boolean {
    return this.#inbox.isOverMark;
  }

  /** Frames of this client that went nowhere, and frames on their way to it that were dropped. */
  get sendDropped(): number {
    return this.#tally.sendDropped;
  }

  get receiveDropped(): number {
    return this.#tally.receiveDropped;
  }

  /** The client is there: what waited is delivered. */
  attach(client: NetClient): void {
    this.#inbox.attach(client);
    if (this.relay === undefined && client.perFlowBusy !== true) {
      this.#turn = this.#context.turns.open(() => this.#turnCame());
    }
    this.#reportedUp = this.linkUp;
    this.#context.trace('client-attach', this.name, this.driver);
    this.ready();
  }

  send(frame: Frame): SendResult {
    frame.ingress = this.serial;
    const turn = this.#turn;
    if (turn === undefined) return this.relayed(frame);
    if (turn.framesLeft <= 0) turn.begin();
    const result = this.relayed(frame);
    if (--turn.framesLeft > 0) return result;
    return turn.look() ? BUSY : result;
  }

  /** Sends what came in by another port of the same hub or switch: Frame.ingress has its own share of the peer's queue. */
  relayed(frame: Frame): SendResult {
    const { length } = frame;
    this.counters.sentFrames++;
    this.counters.sentBytes += length;
    const peer = this.#peer;
    const inbox = this.#inbox;
    if (peer === undefined) return this.#tally.unsent(DROP_NO_PEER);
    if (!inbox.wireUp) return this.#tally.unsent(DROP_LINK_DOWN);
    if (length < ETHERNET_HEADER_LENGTH) return this.#tally.unsent(DROP_TOO_SHORT);
    if (length > MAX_FRAME_LENGTH || frame.offset + length > frame.bytes.length) {
      return this.#tally.unsent(DROP_TOO_LONG);
    }
    if ((frame.flags !== 0 || frame.gsoType !== GSO_NONE) && !metadataHolds(frame)) {
      return this.#tally.unsent(DROP_BAD_OFFLOAD);
    }
    inbox.inSend++;
    const { relay } = peer;
    let result: SendResult;
    if (relay === undefined) {
      result = peer.#inbox.accept(frame, this);
    } else {
      const { counters } = peer;
      counters.receivedFrames++;
      counters.receivedBytes += length;
      result = relay.forward(frame);
    }
    inbox.inSend--;
    if (result === BUSY) this.#toldBusy = true;
    return result;
  }

  ready(): void {
    this.#inbox.unblock();
  }

  sent(): void {
    this.#turn?.end();
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
    this.#tally.drop(reason);
  }

  charge(ingress: number, ms: number): void {
    this.#context.charge(ingress, ms);
  }

  nameOf(ingress: number): string | undefined {
    return this.#context.nameOf(ingress);
  }

  /** What this port's frames cost elsewhere. */
  charged(ms: number): void {
    this.#turn?.charge(ms);
  }

  claimAddress(mac: number): void {
    if (this.claims.includes(mac) || this.claims.length >= MAX_CLAIMS) return;
    this.claims.push(mac);
    this.#context.claimed(this, mac);
  }

  ownAddress(address: number): void {
    if (this.owned.includes(address) || this.owned.length >= MAX_CLAIMS) return;
    this.owned.push(address);
    this.#context.owned(this, address);
  }

  /** Joins this end, which may be a port of the switch, and a free one. The network's bookkeeping is the caller's. */
  join(peer: Endpoint): void {
    this.#peer = peer;
    peer.#peer = this;
    this.#orphaned = false;
    peer.#orphaned = false;
    if (this.driver === SWITCH_PORT) this.#tally.showDropsAt(peer.#tally);
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
      end.#inbox.purge(DROP_REMOVED);
      end.refreshLink();
      // Nobody at the other end remembers any more whom it told BUSY.
      end.#wakeDue = end.#toldBusy;
      end.#inbox.schedule();
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
    if (this.#turn !== undefined) this.#context.turns.close(this.#turn);
    this.#turn = undefined;
    this.#inbox.detach();
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
    if (this.#turn?.isStopped !== true) this.#goOn();
  }

  /** As wake(), but not from inside a call of this client: from the end's own task. */
  wakeSoon(): void {
    if (!this.#toldBusy || this.#wakeDue) return;
    this.#wakeDue = true;
    this.#inbox.schedule();
  }

  /** It was stopped for what its frames cost, and the others had their turn. */
  #turnCame(): void {
    if (!this.#toldBusy) this.#goOn();
  }

  #goOn(): void {
    try {
      this.onReady();
    } catch (error) {
      this.#inbox.failed('onReady', error);
    }
  }

  /** The batch task: delivers what waits, tells of link changes, wakes senders. */
  run(): void {
    this.#inbox.begin();
    if (this.#removed) {
      this.#inbox.wakeSenders();
      return;
    }
    const up = this.linkUp;
    if (up !== this.#reportedUp && this.#inbox.client !== undefined) {
      this.#reportedUp = up;
      this.#inbox.linkChanged(up);
    }
    this.#inbox.work();
    if (this.#wakeDue) {
      this.#wakeDue = false;
      this.wake();
    }
  }

  #refreshEnd(): void {
    const up = this.linkUp;
    this.#inbox.wireUp = this.#peer !== undefined && up;
    if (!up) this.#inbox.purge(DROP_LINK_DOWN);
    if (up !== this.#reportedUp) {
      this.#context.trace('link', this.name, up);
      this.#inbox.schedule();
    }
  }
}
