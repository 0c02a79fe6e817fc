/**
 * TIME-WAIT: what is left of a connection that both sides have closed, so that a FIN that is sent again is acknowledged
 * (RFC 9293 §3.6.1). Records are rows of typed arrays, linked in the order they entered: at thousands of connections a
 * second objects that live this long would be most of what the garbage collector has to do. One timer ends all whose time
 * is over. Each ingress has its share of the rows, and beyond it its own oldest gives way.
 */
import type { Timer, Timers } from '../net/host.ts';
import { Shares } from '../net/index.ts';
import { seqDiff } from '../wire/index.ts';
import type { IpAddress } from './ip-layer.ts';
import type { TcpFlow } from './tcp-flow.ts';
import { DUBIOUS_ACKS, MAX_TIME_WAIT, TIME_WAIT_MS, TIME_WAIT_STEP_MS } from './tcp-limits.ts';
import { MAX_WINDOW_FIELD } from './tcp-segment.ts';

/** A row, as others see it. One object, reused: valid until the next call. */
export interface TimeWaitRecord {
  readonly guest: IpAddress;
  guestPort: number;
  readonly remote: IpAddress;
  remotePort: number;
  forwarded: boolean;
  rcvNxt: number;
  sndNxt: number;
  /** Field of the last segment. */
  window: number;
}

const NONE = -1;
const WORDS = 8;
const BUCKETS = MAX_TIME_WAIT;

export class TimeWait {
  readonly #timer: Timer;
  readonly #now: () => number;
  /** Guest and remote address. */
  readonly #addresses = new Uint32Array(WORDS * MAX_TIME_WAIT);
  readonly #ports = new Uint32Array(MAX_TIME_WAIT);
  readonly #hashes = new Uint32Array(MAX_TIME_WAIT);
  readonly #rcvNxt = new Uint32Array(MAX_TIME_WAIT);
  readonly #sndNxt = new Uint32Array(MAX_TIME_WAIT);
  readonly #window = new Uint16Array(MAX_TIME_WAIT);
  readonly #forwarded = new Uint8Array(MAX_TIME_WAIT);
  /** ACKs that the row may still cause. */
  readonly #answers = new Uint8Array(MAX_TIME_WAIT);
  readonly #endsAt = new Float64Array(MAX_TIME_WAIT);
  readonly #buckets = new Int16Array(BUCKETS).fill(NONE);
  readonly #chain = new Int16Array(MAX_TIME_WAIT);
  readonly #ingress = new Int32Array(MAX_TIME_WAIT);
  readonly #shares = new Shares(MAX_TIME_WAIT);
  readonly #older = new Int16Array(MAX_TIME_WAIT);
  /** Of a free row: the next free one. */
  readonly #newer = Int16Array.from({ length: MAX_TIME_WAIT }, (_, row) => (row + 1 < MAX_TIME_WAIT ? row + 1 : NONE));
  readonly #record: TimeWaitRecord = {
    guest: new Uint32Array(4),
    guestPort: 0,
    remote: new Uint32Array(4),
    remotePort: 0,
    forwarded: false,
    rcvNxt: 0,
    sndNxt: 0,
    window: 0,
  };
  #oldest = NONE;
  #newest = NONE;
  #free = 0;

  constructor(timers: Timers, now: () => number) {
    this.#timer = timers.create(() => this.#expire());
    this.#now = now;
  }

  get size(): number {
    return this.#shares.used;
  }

  /** Notes a flow of the table that is in TIME-WAIT and has nothing left to say. The caller removes it. */
  enter(flow: TcpFlow): void {
    const { ingress } = flow;
    if (!this.#shares.allows(ingress)) this.end(this.#oldestOf(ingress));
    const row = this.#free;
    this.#free = this.#newer[row]!;
    this.#shares.take(ingress);
    this.#ingress[row] = ingress;
    this.#older[row] = this.#newest;
    this.#newer[row] = NONE;
    if (this.#newest === NONE) this.#oldest = row;
    else this.#newer[this.#newest] = row;
    this.#newest = row;
    this.#addresses.set(flow.guest, row * WORDS);
    this.#addresses.set(flow.remote, row * WORDS + 4);
    this.#ports[row] = (flow.guestPort << 16) | flow.remotePort;
    this.#hashes[row] = flow.hash;
    this.#rcvNxt[row] = flow.rcvNxt;
    this.#sndNxt[row] = flow.sndNxt;
    this.#window[row] = Math.min(seqDiff(flow.rcvEdge, flow.rcvNxt) >>> flow.rcvShift, MAX_WINDOW_FIELD);
    this.#forwarded[row] = flow.forwarded ? 1 : 0;
    this.#answers[row] = DUBIOUS_ACKS;
    // Many rows, one wake-up.
    const endsAt = Math.ceil((this.#now() + TIME_WAIT_MS) / TIME_WAIT_STEP_MS) * TIME_WAIT_STEP_MS;
    this.#endsAt[row] = endsAt;
    const bucket = flow.hash % BUCKETS;
    this.#chain[row] = this.#buckets[bucket]!;
    this.#buckets[bucket] = row;
    if (this.#oldest === row) this.#timer.set(endsAt);
  }

  /** @param hash the flow table's for these four. @returns a row, or -1. */
  find(hash: number, guest: IpAddress, guestPort: number, remote: IpAddress, remotePort: number): number {
    if (this.#oldest === NONE) return NONE;
    const ports = ((guestPort << 16) | remotePort) >>> 0;
    let row = this.#buckets[hash % BUCKETS]!;
    while (row !== NONE) {
      if (this.#hashes[row] === hash && this.#ports[row] === ports && this.#isOf(row, guest, remote)) return row;
      row = this.#chain[row]!;
    }
    return NONE;
  }

  read(row: number): TimeWaitRecord {
    const record = this.#record;
    const at = row * WORDS;
    for (let i = 0; i < 4; i++) {
      record.guest[i] = this.#addresses[at + i]!;
      record.remote[i] = this.#addresses[at + 4 + i]!;
    }
    record.guestPort = this.#ports[row]! >>> 16;
    record.remotePort = this.#ports[row]! & 0xffff;
    record.forwarded = this.#forwarded[row] === 1;
    record.rcvNxt = this.#rcvNxt[row]!;
    record.sndNxt = this.#sndNxt[row]!;
    record.window = this.#window[row]!;
    return record;
  }

  /** Whether one more ACK may be sent for this row: a guest that repeats its FIN needs a few. */
  mayAnswer(row: number): boolean {
    if (this.#answers[row] === 0) return false;
    this.#answers[row]!--;
    return true;
  }

  /** Ends a row before its time. */
  end(row: number): void {
    const bucket = this.#hashes[row]! % BUCKETS;
    if (this.#buckets[bucket] === row) {
      this.#buckets[bucket] = this.#chain[row]!;
    } else {
      let at = this.#buckets[bucket]!;
      while (this.#chain[at] !== row) at = this.#chain[at]!;
      this.#chain[at] = this.#chain[row]!;
    }
    const older = this.#older[row]!;
    const newer = this.#newer[row]!;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    this.#newer[row] = this.#free;
    this.#free = row;
    this.#shares.give(this.#ingress[row]!);
  }

  /** The last first. */
  forEach(visit: (record: TimeWaitRecord) => void): void {
    for (let row = this.#newest; row !== NONE; row = this.#older[row]!) visit(this.read(row));
  }

  close(): void {
    while (this.#oldest !== NONE) this.end(this.#oldest);
    this.#timer.cancel();
  }

  #isOf(row: number, guest: IpAddress, remote: IpAddress): boolean {
    const addresses = this.#addresses;
    const at = row * WORDS;
    for (let i = 0; i < 4; i++) {
      if (addresses[at + i] !== guest[i] || addresses[at + 4 + i] !== remote[i]) return false;
    }
    return true;
  }

  #expire(): void {
    const now = this.#now();
    while (this.#oldest !== NONE) {
      const endsAt = this.#endsAt[this.#oldest]!;
      if (endsAt > now) {
        this.#timer.set(endsAt);
        return;
      }
      this.end(this.#oldest);
    }
  }

  /** Where it has none, what others have must go. */
  #oldestOf(ingress: number): number {
    let row = this.#oldest;
    while (row !== NONE && this.#ingress[row] !== ingress) row = this.#newer[row]!;
    return row === NONE ? this.#oldest : row;
  }
}
