/**
 * The guests' Ethernet addresses, for both families: ARP and NDP feed it, paths look into it.
 *
 * Theory of operation. An entry is `resolved` (mac known), `asking` (frames wait, a request is out) or gone. It is made
 * by learn() or by the first frame towards an unknown address. While asking, frames wait for at most WAIT_MS; a second
 * request goes out half-way. A resolved entry is confirmed by further ARP and by IP packets that come from the same
 * pair; AGE_MS without that and it has to be asked for again. Paths keep entries; one that left the table has `live`
 * false and is looked up anew.
 *
 * Limits: MAX_NEIGHBOURS entries, of which each ingress has its share (its own longest unused goes), MAX_WAITING frames an entry, MAX_WAITING_BYTES in all.
 */
import type { Clock, Timer, Timers } from '../net/host.ts';
import { isMulticastMac } from '../wire/index.ts';
import { type FlowNode, FlowTable, sameAddress } from './flow-table.ts';
import type { IpAddress } from './ip-layer.ts';
import { STRANGERS } from './shares.ts';

export const MAX_NEIGHBOURS = 1024;
export const MAX_WAITING = 16;
export const MAX_WAITING_BYTES = 4 * 1024 * 1024;
export const WAIT_MS = 1000;
export const AGE_MS = 20 * 60 * 1000;
const RETRY_MS = WAIT_MS / 2;
/** A pair that was confirmed so recently is not looked up again. */
const CONFIRM_MS = 1000;

const NOWHERE: IpAddress = new Uint32Array(4);

/** A frame that waits, with what it needs to be sent later. */
export interface WaitingFrame {
  readonly bytes: Uint8Array;
  readonly flags: number;
  readonly gsoType: number;
  readonly gsoSize: number;
  readonly headerLength: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

export class Neighbour implements FlowNode<Neighbour> {
  readonly guest: IpAddress;
  readonly guestPort = 0;
  readonly remote = NOWHERE;
  readonly remotePort = 0;
  ingress: number;
  hash = 0;
  chain: Neighbour | undefined;
  older: Neighbour | undefined;
  newer: Neighbour | undefined;

  /** 48-bit number; 0 = unknown. */
  mac = 0;
  confirmedAt = 0;
  /** False once it left the table. */
  live = true;
  waiting: WaitingFrame[] = [];
  waitingSince = 0;
  askedAt = 0;

  constructor(guest: IpAddress, ingress: number) {
    this.guest = guest;
    this.ingress = ingress;
  }
}

export interface NeighbourHooks {
  /** Sends a request for the entry's address. */
  ask(neighbour: Neighbour): void;
  /** Sends a frame that waited; the entry's mac is known now. */
  send(neighbour: Neighbour, frame: WaitingFrame): void;
  drop(reason: string): void;
}

export class NeighbourTable {
  readonly #table: FlowTable<Neighbour>;
  readonly #clock: Clock;
  readonly #hooks: NeighbourHooks;
  readonly #timer: Timer;
  readonly #asking = new Set<Neighbour>();
  /** The pair that was confirmed last. */
  readonly #confirmedAddress: IpAddress = new Uint32Array(4);
  #confirmedMac = 0;
  #confirmedAt = Number.NEGATIVE_INFINITY;
  #waitingBytes = 0;

  constructor(clock: Clock, timers: Timers, secret: number, hooks: NeighbourHooks) {
    this.#table = new FlowTable(secret, MAX_NEIGHBOURS);
    this.#clock = clock;
    this.#hooks = hooks;
    this.#timer = timers.create(() => this.#onTimer());
  }

  get size(): number {
    return this.#table.size;
  }

  find(address: IpAddress): Neighbour | undefined {
    return this.#table.find(address, 0, NOWHERE, 0);
  }

  /** The entry for an address, made when there is none. */
  get(address: IpAddress): Neighbour {
    return this.find(address) ?? this.#add(address, STRANGERS);
  }

  /** ARP or NDP said so. The caller has refused addresses of our own. */
  learn(address: IpAddress, mac: number, ingress: number): void {
    if (mac === 0 || isMulticastMac(mac)) {
      this.#hooks.drop('neighbour-bad-mac');
      return;
    }
    const neighbour = this.find(address) ?? this.#add(address, ingress);
    this.#table.move(neighbour, ingress);
    this.#table.touch(neighbour);
    neighbour.mac = mac;
    neighbour.confirmedAt = this.#clock.now();
    this.#release(neighbour);
  }

  /** A packet came from this pair: the entry is alive. Nothing is learnt from it. */
  confirm(address: IpAddress, mac: number): void {
    const now = this.#clock.now();
    const known = mac === this.#confirmedMac && sameAddress(address, this.#confirmedAddress);
    if (known && now - this.#confirmedAt < CONFIRM_MS) return;
    this.#confirmedMac = mac;
    this.#confirmedAddress.set(address);
    this.#confirmedAt = now;
    const neighbour = this.find(address);
    if (neighbour !== undefined && neighbour.mac === mac) neighbour.confirmedAt = now;
  }

  /** The mac if it is known and fresh, else 0. */
  macOf(neighbour: Neighbour): number {
    if (neighbour.mac !== 0 && this.#clock.now() - neighbour.confirmedAt > AGE_MS) neighbour.mac = 0;
    return neighbour.mac;
  }

  /** Keeps a frame (already copied) until the address is known; asks for it. False: too many wait. */
  wait(neighbour: Neighbour, frame: WaitingFrame): boolean {
    if (neighbour.waiting.length >= MAX_WAITING || this.#waitingBytes + frame.bytes.length > MAX_WAITING_BYTES) {
      this.#hooks.drop('neighbour-queue-full');
      return false;
    }
    const now = this.#clock.now();
    neighbour.waiting.push(frame);
    this.#waitingBytes += frame.bytes.length;
    if (this.#asking.has(neighbour)) return true;
    this.#asking.add(neighbour);
    neighbour.waitingSince = now;
    this.#ask(neighbour, now);
    return true;
  }

  ingressGone(ingress: number): void {
    this.#table.orphan(ingress);
  }

  close(): void {
    this.#timer.cancel();
    this.#asking.clear();
    this.#table.forEach((neighbour) => {
      this.#remove(neighbour);
    });
    this.#waitingBytes = 0;
  }

  #add(address: IpAddress, ingress: number): Neighbour {
    for (let l = this.#table.loser(ingress); l !== undefined; l = this.#table.loser(ingress)) {
      this.#hooks.drop('neighbour-evicted');
      this.#remove(l);
    }
    const neighbour = new Neighbour(Uint32Array.from(address), ingress);
    this.#table.add(neighbour);
    return neighbour;
  }

  #remove(neighbour: Neighbour): void {
    neighbour.live = false;
    this.#discard(neighbour);
    this.#table.remove(neighbour);
  }

  #discard(neighbour: Neighbour): void {
    this.#asking.delete(neighbour);
    for (const frame of neighbour.waiting) {
      this.#waitingBytes -= frame.bytes.length;
      this.#hooks.drop('neighbour-unresolved');
    }
    neighbour.waiting = [];
  }

  #release(neighbour: Neighbour): void {
    this.#asking.delete(neighbour);
    if (neighbour.waiting.length === 0) return;
    const frames = neighbour.waiting;
    neighbour.waiting = [];
    for (const frame of frames) {
      this.#waitingBytes -= frame.bytes.length;
      this.#hooks.send(neighbour, frame);
    }
  }

  #ask(neighbour: Neighbour, now: number): void {
    neighbour.askedAt = now;
    this.#hooks.ask(neighbour);
    if (this.#timer.deadlineMs === undefined) this.#timer.set(now + RETRY_MS);
  }

  #onTimer(): void {
    const now = this.#clock.now();
    for (const neighbour of this.#asking) {
      if (now - neighbour.waitingSince >= WAIT_MS) this.#discard(neighbour);
      else if (now - neighbour.askedAt >= RETRY_MS) this.#ask(neighbour, now);
    }
    if (this.#asking.size > 0 && this.#timer.deadlineMs === undefined) this.#timer.set(now + RETRY_MS / 2);
  }
}
