/**
 * Reassembly of IP fragments (RFC 791 3.2, RFC 815's result without its hole list), for both families.
 *
 * Theory of operation. A datagram under construction is a buffer with HEADROOM in front for the first fragment's IP
 * header, and a sorted list of the ranges filled so far; ranges that touch are one, so ordinary traffic has one or two.
 * What came first wins on overlap. It is complete when the end is known (a fragment without MORE) and one range covers
 * everything. Anything that contradicts itself (two ends, data behind the end, an end beyond 65535, a length that is no
 * multiple of 8 before the end) ends the whole datagram.
 *
 * Limits: MAX_DATAGRAMS under construction, MAX_RANGES in each, MAX_BYTES in all; each ingress has its share of
 * both, and beyond it loses its own that has had no fragment for longest. TIMEOUT_MS.
 */
import type { Clock, Timer, Timers } from '../net/host.ts';
import { ORPHANS, Shares } from '../net/index.ts';
import { type FlowNode, FlowTable } from './flow-table.ts';
import type { IpAddress } from './ip-layer.ts';

export const MAX_DATAGRAMS = 64;
export const MAX_RANGES = 64;
export const MAX_BYTES = 4 * 1024 * 1024;
export const TIMEOUT_MS = 30_000;
/** Room for an IPv4 header with all options. */
export const HEADROOM = 60;
const MAX_END = 65_535;
const FIRST_SIZE = 4096;

export class Datagram implements FlowNode<Datagram> {
  readonly guest: IpAddress;
  /** The identification, and the port it came in by: nobody at another one adds to it. */
  readonly guestPort: number;
  readonly remote: IpAddress;
  /** The protocol. */
  readonly remotePort: number;
  ingress: number;
  hash = 0;
  chain: Datagram | undefined;
  older: Datagram | undefined;
  newer: Datagram | undefined;

  bytes: Uint8Array = new Uint8Array(FIRST_SIZE);
  /** Of the first fragment's IP header, which ends at HEADROOM; 0 = not there yet. */
  headerLength = 0;
  /** Payload bytes in all; -1 = not known yet. */
  end = -1;
  /** start, end, start, end, ... sorted, never touching. */
  readonly ranges: number[] = [];
  readonly expiresAt: number;

  constructor(
    source: IpAddress,
    key: number,
    destination: IpAddress,
    protocol: number,
    ingress: number,
    expiresAt: number,
  ) {
    this.guest = Uint32Array.from(source);
    this.guestPort = key;
    this.remote = Uint32Array.from(destination);
    this.remotePort = protocol;
    this.ingress = ingress;
    this.expiresAt = expiresAt;
  }

  get complete(): boolean {
    return this.headerLength > 0 && this.ranges.length === 2 && this.ranges[0] === 0 && this.ranges[1] === this.end;
  }
}

export class Reassembler {
  readonly #table: FlowTable<Datagram>;
  readonly #memory = new Shares(MAX_BYTES);
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #drop: (reason: string) => void;

  constructor(clock: Clock, timers: Timers, secret: number, drop: (reason: string) => void) {
    this.#table = new FlowTable(secret, MAX_DATAGRAMS);
    this.#clock = clock;
    this.#drop = drop;
    this.#timer = timers.create(() => this.#expire());
  }

  get size(): number {
    return this.#table.size;
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#memory.used;
  }

  /**
   * Takes one fragment's payload.
   * @param header offset of its IP header, headerLength bytes long, options included.
   * @param offset of the payload in the datagram, bytes.
   * @returns the datagram when this completed it: it is out of the table, and the caller's.
   */
  add(
    source: IpAddress,
    id: number,
    destination: IpAddress,
    protocol: number,
    ingress: number,
    bytes: Uint8Array,
    header: number,
    headerLength: number,
    length: number,
    offset: number,
    more: boolean,
  ): Datagram | undefined {
    const end = offset + length;
    let datagram = this.#table.find(source, keyOf(id, ingress), destination, protocol);
    if (end > MAX_END || length === 0 || (more && (length & 7) !== 0)) {
      this.#fail(datagram, 'fragment-length');
      return undefined;
    }
    if (datagram === undefined) datagram = this.#open(source, id, destination, protocol, ingress);
    this.#table.touch(datagram);
    if (!this.#setEnd(datagram, end, more) || !this.#reserve(datagram, end)) return undefined;
    if (offset === 0 && datagram.headerLength === 0) {
      datagram.headerLength = headerLength;
      datagram.bytes.set(bytes.subarray(header, header + headerLength), HEADROOM - headerLength);
    }
    if (!fill(datagram, bytes, header + headerLength, offset, end)) {
      this.#fail(datagram, 'fragment-pieces');
      return undefined;
    }
    if (!datagram.complete) return undefined;
    this.#remove(datagram);
    return datagram;
  }

  /** A whole packet with the same key arrived: what is under construction is void. */
  cancel(source: IpAddress, id: number, destination: IpAddress, protocol: number, ingress: number): void {
    if (this.#table.size === 0) return;
    const datagram = this.#table.find(source, keyOf(id, ingress), destination, protocol);
    if (datagram !== undefined) this.#fail(datagram, 'fragment-replaced');
  }

  /** The port is gone: what its guests began gives way first. */
  ingressGone(ingress: number): void {
    const held = this.#memory.heldBy(ingress);
    if (held === 0) return;
    this.#memory.give(ingress, held);
    this.#memory.take(ORPHANS, held);
    this.#table.orphan(ingress);
  }

  close(): void {
    this.#timer.cancel();
    this.#table.forEach((datagram) => {
      this.#remove(datagram);
    });
  }

  #open(source: IpAddress, id: number, destination: IpAddress, protocol: number, ingress: number): Datagram {
    for (let l = this.#table.loser(ingress); l !== undefined; l = this.#table.loser(ingress)) {
      this.#fail(l, 'fragment-evicted');
    }
    const expiresAt = this.#clock.now() + TIMEOUT_MS;
    const datagram = new Datagram(source, keyOf(id, ingress), destination, protocol, ingress, expiresAt);
    this.#table.add(datagram);
    this.#memory.take(ingress, datagram.bytes.length);
    if (this.#timer.deadlineMs === undefined) this.#timer.set(expiresAt);
    return datagram;
  }

  #setEnd(datagram: Datagram, end: number, more: boolean): boolean {
    const filled = datagram.ranges.at(-1) ?? 0;
    const wrong = more
      ? datagram.end >= 0 && end > datagram.end
      : (datagram.end >= 0 && datagram.end !== end) || filled > end;
    if (wrong) {
      this.#fail(datagram, 'fragment-end');
      return false;
    }
    if (!more) datagram.end = end;
    return true;
  }

  #reserve(datagram: Datagram, end: number): boolean {
    const needed = HEADROOM + end;
    if (needed <= datagram.bytes.length) return true;
    let size = datagram.bytes.length;
    while (size < needed) size = Math.min(size * 2, HEADROOM + MAX_END + 1);
    const growth = size - datagram.bytes.length;
    while (!this.#memory.allows(datagram.ingress, growth)) {
      const loser = this.#table.oldestOf(ORPHANS) ?? this.#table.oldestOf(datagram.ingress) ?? datagram;
      this.#fail(loser, 'fragment-evicted');
      if (loser === datagram) return false;
    }
    const grown = new Uint8Array(size);
    grown.set(datagram.bytes);
    datagram.bytes = grown;
    this.#memory.take(datagram.ingress, growth);
    return true;
  }

  #fail(datagram: Datagram | undefined, reason: string): void {
    this.#drop(reason);
    if (datagram !== undefined) this.#remove(datagram);
  }

  #remove(datagram: Datagram): void {
    this.#table.remove(datagram);
    this.#memory.give(datagram.ingress, datagram.bytes.length);
    if (this.#table.size === 0) this.#timer.cancel();
  }

  #expire(): void {
    const now = this.#clock.now();
    let next = Number.POSITIVE_INFINITY;
    this.#table.forEach((datagram) => {
      if (datagram.expiresAt <= now) this.#fail(datagram, 'fragment-timeout');
      else next = Math.min(next, datagram.expiresAt);
    });
    if (this.#table.size > 0) this.#timer.set(next);
  }
}

const keyOf = (id: number, ingress: number): number => ingress * 0x1_0000 + id;

/** Copies what is not covered yet and merges the range in. false = too many ranges. */
function fill(d: Datagram, bytes: Uint8Array, from: number, start: number, end: number): boolean {
  const { ranges } = d;
  // Ranges [first, last) touch or overlap the new one.
  let first = 0;
  while (first < ranges.length && (ranges[first + 1] ?? 0) < start) first += 2;
  let last = first;
  let at = start;
  let mergedStart = start;
  let mergedEnd = end;
  while (last < ranges.length && (ranges[last] ?? 0) <= end) {
    const rangeStart = ranges[last] ?? 0;
    const rangeEnd = ranges[last + 1] ?? 0;
    if (at < rangeStart) d.bytes.set(bytes.subarray(from + at - start, from + rangeStart - start), HEADROOM + at);
    if (rangeEnd > at) at = rangeEnd;
    if (rangeStart < mergedStart) mergedStart = rangeStart;
    if (rangeEnd > mergedEnd) mergedEnd = rangeEnd;
    last += 2;
  }
  if (at < end) d.bytes.set(bytes.subarray(from + at - start, from + end - start), HEADROOM + at);
  ranges.splice(first, last - first, mergedStart, mergedEnd);
  return ranges.length <= 2 * MAX_RANGES;
}
