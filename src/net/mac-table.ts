/**
 * Ethernet addresses and the ports behind them: open addressing over typed arrays, keyed by the 48-bit number in two
 * parts, no allocation on look-up. Learned entries age, are capped in all and per port, and move between ports at most
 * once a second; static ones do none of that.
 */

/** Entries of the whole table; a switch in a yard joins hundreds of guests, not a campus. */
export const TABLE_CAP = 8192;
/** Learned entries of one port, so that one guest cannot fill the table with invented addresses. */
export const PORT_CAP = 1024;
export const AGE_LIMIT_MS = 300_000;
export const MOVE_INTERVAL_MS = 1000;

const FIRST_SLOTS = 256;
const EMPTY = -1;

export interface MacEntry {
  readonly mac: number;
  /** Serial of the port. */
  readonly port: number;
  readonly isStatic: boolean;
  readonly ageMs: number;
}

export class MacTable {
  #slots = 0;
  #low = new Int32Array(0);
  #high = new Int32Array(0);
  #port = new Int32Array(0);
  #static = new Uint8Array(0);
  #seen = new Float64Array(0);
  #moved = new Float64Array(0);
  #count = 0;
  readonly #perPort = new Map<number, number>();
  /** Addresses not learned because a cap was reached. */
  full = 0;
  /** Moves refused because the address moved less than a second ago. */
  movesRefused = 0;
  moves = 0;
  /** Frames from an address that belongs to another port for good. */
  staticConflicts = 0;

  constructor() {
    this.#allocate(FIRST_SLOTS);
  }

  get size(): number {
    return this.#count;
  }

  /** The port's serial, or -1 when unknown or too old. */
  find(high: number, low: number, now: number): number {
    const slot = this.#find(high, low);
    if (slot < 0) return EMPTY;
    if (this.#static[slot] === 0 && now - this.#seen[slot]! > AGE_LIMIT_MS) return EMPTY;
    return this.#port[slot]!;
  }

  /** A frame came from this address at this port. @returns true when the address moved from another port. */
  learn(high: number, low: number, port: number, now: number): boolean {
    const slot = this.#find(high, low);
    if (slot < 0) {
      this.#insert(high, low, port, now);
      return false;
    }
    if (this.#port[slot] === port) {
      this.#seen[slot] = now;
      return false;
    }
    if (this.#static[slot] !== 0) {
      this.staticConflicts++;
      return false;
    }
    if (now - this.#moved[slot]! < MOVE_INTERVAL_MS && now - this.#seen[slot]! <= AGE_LIMIT_MS) {
      this.movesRefused++;
      return false;
    }
    this.#adjust(this.#port[slot]!, -1);
    this.#adjust(port, 1);
    this.#port[slot] = port;
    this.#seen[slot] = now;
    this.#moved[slot] = now;
    this.moves++;
    return true;
  }

  /** An address that lives behind this port for good. The first port to claim it keeps it. */
  claim(high: number, low: number, port: number, now: number): boolean {
    let slot = this.#find(high, low);
    if (slot >= 0 && this.#static[slot] !== 0) {
      if (this.#port[slot] === port) return true;
      this.staticConflicts++;
      return false;
    }
    if (slot >= 0) {
      this.#adjust(this.#port[slot]!, -1);
    } else {
      if (this.#count >= TABLE_CAP) this.expire(now);
      if (this.#count >= TABLE_CAP) {
        this.full++;
        return false;
      }
      slot = this.#place(high, low);
    }
    this.#port[slot] = port;
    this.#static[slot] = 1;
    this.#seen[slot] = now;
    return true;
  }

  /** Forgets what is behind a port: the learned entries, or all. */
  forget(port: number, alsoStatic: boolean): void {
    this.#removeWhere((slot) => this.#port[slot] === port && (alsoStatic || this.#static[slot] === 0));
  }

  /** Forgets what is too old. */
  expire(now: number): void {
    this.#removeWhere((slot) => this.#static[slot] === 0 && now - this.#seen[slot]! > AGE_LIMIT_MS);
  }

  entries(now: number): MacEntry[] {
    this.expire(now);
    const list: MacEntry[] = [];
    for (let slot = 0; slot < this.#slots; slot++) {
      if (this.#port[slot] === EMPTY) continue;
      list.push({
        mac: this.#high[slot]! * 0x1_0000_0000 + (this.#low[slot]! >>> 0),
        port: this.#port[slot]!,
        isStatic: this.#static[slot] !== 0,
        ageMs: now - this.#seen[slot]!,
      });
    }
    return list.sort((a, b) => a.mac - b.mac);
  }

  #insert(high: number, low: number, port: number, now: number): void {
    if (this.#count >= TABLE_CAP || (this.#perPort.get(port) ?? 0) >= PORT_CAP) {
      // Looking for old entries costs a pass over the table: once for every 64 refusals is enough.
      if ((this.full++ & 63) === 0) this.expire(now);
      if (this.#count >= TABLE_CAP || (this.#perPort.get(port) ?? 0) >= PORT_CAP) return;
    }
    const slot = this.#place(high, low);
    this.#port[slot] = port;
    this.#static[slot] = 0;
    this.#seen[slot] = now;
    this.#moved[slot] = -MOVE_INTERVAL_MS;
    this.#adjust(port, 1);
  }

  #find(high: number, low: number): number {
    const mask = this.#slots - 1;
    for (let slot = hash(high, low) & mask; ; slot = (slot + 1) & mask) {
      if (this.#port[slot] === EMPTY) return EMPTY;
      if (this.#low[slot] === low && this.#high[slot] === high) return slot;
    }
  }

  /** A free slot for a key that is not there; grows at three quarters. */
  #place(high: number, low: number): number {
    if (this.#count * 4 >= this.#slots * 3) this.#rebuild(this.#slots * 2, () => true);
    const mask = this.#slots - 1;
    let slot = hash(high, low) & mask;
    while (this.#port[slot] !== EMPTY) slot = (slot + 1) & mask;
    this.#low[slot] = low;
    this.#high[slot] = high;
    this.#count++;
    return slot;
  }

  #removeWhere(gone: (slot: number) => boolean): void {
    for (let slot = 0; slot < this.#slots; slot++) {
      if (this.#port[slot] !== EMPTY && gone(slot)) {
        this.#rebuild(this.#slots, (s) => !gone(s));
        return;
      }
    }
  }

  #rebuild(slots: number, keep: (slot: number) => boolean): void {
    const old = { low: this.#low, high: this.#high, port: this.#port, static: this.#static };
    const { seen, moved } = { seen: this.#seen, moved: this.#moved };
    const kept: number[] = [];
    for (let slot = 0; slot < old.port.length; slot++) if (old.port[slot] !== EMPTY && keep(slot)) kept.push(slot);
    this.#allocate(slots);
    this.#count = 0;
    this.#perPort.clear();
    for (const from of kept) {
      const slot = this.#place(old.high[from]!, old.low[from]!);
      this.#port[slot] = old.port[from]!;
      this.#static[slot] = old.static[from]!;
      this.#seen[slot] = seen[from]!;
      this.#moved[slot] = moved[from]!;
      if (old.static[from] === 0) this.#adjust(old.port[from]!, 1);
    }
  }

  #allocate(slots: number): void {
    this.#slots = slots;
    this.#low = new Int32Array(slots);
    this.#high = new Int32Array(slots);
    this.#port = new Int32Array(slots).fill(EMPTY);
    this.#static = new Uint8Array(slots);
    this.#seen = new Float64Array(slots);
    this.#moved = new Float64Array(slots);
  }

  #adjust(port: number, by: number): void {
    this.#perPort.set(port, (this.#perPort.get(port) ?? 0) + by);
  }
}

function hash(high: number, low: number): number {
  let h = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
  h ^= h >>> 15;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 13);
}
