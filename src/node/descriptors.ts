/**
 * How many sockets one host may hold. Guests cause sockets by UDP and TCP flows, strangers by connecting to forwards:
 * both may reach the process's limit of descriptors, and then nobody could connect to a monitor any more. So what is
 * opened on the way out stops first, what is accepted next, and the rest is left for monitors and files. Of what is opened,
 * each port that guests come in by has its share, and so have strangers at forwards. When memory is short nobody gets any but
 * monitors.
 */
import { readFileSync } from 'node:fs';
import { type Log, Shares } from '../net/index.ts';
import type { Heap } from './heap.ts';
import { OnceAMinute } from './once-a-minute.ts';

/** Node's own, the standard streams and a few files. */
const OTHERS = 24;
const OPENED_SHARE = 0.75;
const ACCEPTED_SHARE = 0.875;

export class DescriptorBudget {
  /** Sockets being opened: not yet in the host's list, but soon. */
  #opening = 0;
  readonly #log: Log;
  readonly #counters: { refusedOpenings: number };
  readonly #readLimit: () => number;
  #sockets: number | undefined;
  /** Of the sockets that are open for guests. */
  #shares: Shares | undefined;
  readonly #heap: Heap;
  readonly #warning = new OnceAMinute();
  readonly #warningOfShare = new OnceAMinute();

  constructor(log: Log, counters: { refusedOpenings: number }, heap: Heap, readLimit: () => number = descriptorLimit) {
    this.#heap = heap;
    this.#log = log;
    this.#counters = counters;
    this.#readLimit = readLimit;
  }

  /**
   * Counts a refusal.
   * @param open sockets that are open now
   * @param reserved it is one of those for whom the rest is left
   * @param share the port for whose guest it is, if it is for one
   */
  mayOpen(open: number, reserved = false, share?: number): boolean {
    const may =
      (reserved || !this.#heap.isShort()) &&
      (share === undefined || this.#allows(share)) &&
      this.#isBelow(open, reserved ? 1 : OPENED_SHARE);
    if (!may) this.#counters.refusedOpenings++;
    return may;
  }

  /** Asks without counting. */
  wouldOpen(open: number, share: number): boolean {
    return open + this.#opening < this.#most() * OPENED_SHARE && this.#sharesOfGuests().allows(share);
  }

  /**
   * The caller counts.
   * @param reserved it is one of those for whom the rest is left
   * @param share whose it will be, if it is for a guest
   */
  mayAccept(open: number, reserved: boolean, share?: number): boolean {
    return (
      (reserved || !this.#heap.isShort()) &&
      (share === undefined || this.#allows(share)) &&
      this.#isBelow(open, reserved ? 1 : ACCEPTED_SHARE)
    );
  }

  /** A socket is being opened. */
  begin(share: number | undefined): void {
    this.#opening++;
    if (share !== undefined) this.take(share);
  }

  /** It is in the host's list by now, or there is none. */
  begun(share: number | undefined): void {
    this.#opening--;
    if (share !== undefined) this.give(share);
  }

  /** A socket for a guest of this port is open. */
  take(share: number): void {
    this.#sharesOfGuests().take(share);
  }

  give(share: number): void {
    this.#sharesOfGuests().give(share);
  }

  #allows(share: number): boolean {
    const shares = this.#sharesOfGuests();
    if (shares.allows(share)) return true;
    if (shares.free > 0) this.#warnOfShare(shares.heldBy(share));
    else this.#warn(shares.used);
    return false;
  }

  #sharesOfGuests(): Shares {
    this.#shares ??= new Shares(Math.floor(this.#most() * OPENED_SHARE));
    return this.#shares;
  }

  #isBelow(open: number, share: number): boolean {
    if (open + this.#opening < this.#most() * share) return true;
    this.#warn(open);
    return false;
  }

  #warn(sockets: number): void {
    if (!this.#warning.isDue()) return;
    this.#log.warn(
      'few descriptors are left: new connections are refused until others end; ulimit -n raises the limit',
      { sockets, limit: this.#readLimit() },
    );
  }

  #warnOfShare(sockets: number): void {
    if (!this.#warningOfShare.isDue()) return;
    this.#log.warn(
      'a share of the descriptors is used up: new connections of its port, or of strangers at forwards, are refused until others end',
      { sockets, limit: this.#readLimit() },
    );
  }

  /** Read at the first socket: a start without any does not pay for it. */
  #most(): number {
    this.#sockets ??= Math.max(0, this.#readLimit() - OTHERS);
    return this.#sockets;
  }
}

/** The soft limit, which Node raised to the hard one at its start. Infinity where it cannot be read. */
function descriptorLimit(): number {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return found === undefined ? Number.POSITIVE_INFINITY : Number(found);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
