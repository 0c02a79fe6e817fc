/**
 * Flows by 4-tuple (guest address and port, remote address and port), for TCP and UDP alike, capped, with their order of
 * use for each ingress and its share of the table.
 *
 * Buckets are chains through the entries themselves, and so are the lists from the longest unused to the most recently
 * used entry of an ingress: lookups and touches allocate nothing. The hash is keyed with a secret, so a guest cannot aim
 * at one bucket.
 */

import { ORPHANS, Shares } from '../net/index.ts';
import type { IpAddress } from './ip-layer.ts';

/** What an entry brings along; the last five members belong to the table. */
export interface FlowNode<T> {
  readonly guest: IpAddress;
  readonly guestPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  /** The port its guest came in by (Frame.ingress). Given at first by the owner, then changed by move() only. */
  ingress: number;
  hash: number;
  chain: T | undefined;
  older: T | undefined;
  newer: T | undefined;
}

const INITIAL_BUCKETS = 64;

/** The entries of one ingress in their order of use. */
interface Order<T> {
  oldest: T | undefined;
  newest: T | undefined;
}

export class FlowTable<T extends FlowNode<T>> {
  readonly #secret: number;
  #buckets: (T | undefined)[] = new Array<T | undefined>(INITIAL_BUCKETS).fill(undefined);
  readonly #shares: Shares;
  readonly #orders = new Map<number, Order<T>>();
  /** Packets come in runs from one ingress. */
  #recentIngress = -1;
  #recentOrder: Order<T> | undefined;

  /**
   * @param secret random uint32.
   * @param cap of entries. The table does not enforce it: who adds asks loser() first.
   */
  constructor(secret: number, cap: number) {
    this.#secret = secret;
    this.#shares = new Shares(cap);
  }

  get size(): number {
    return this.#shares.used;
  }

  /** Entries of one ingress. */
  sizeOf(ingress: number): number {
    return this.#shares.heldBy(ingress);
  }

  /** The entry of an ingress that is unused for longest; walk on through `newer`. */
  oldestOf(ingress: number): T | undefined {
    return this.#orders.get(ingress)?.oldest;
  }

  /**
   * What has to be removed before an entry of `ingress` may be added; undefined = there is room. What belongs to nobody
   * goes first, then the ingress's own; another's only where it has more.
   */
  loser(ingress: number): T | undefined {
    if (this.#shares.allows(ingress)) return undefined;
    return this.oldestOf(ORPHANS) ?? this.oldestOf(ingress) ?? this.oldestOf(this.#shares.largest());
  }

  /** Whose entries are to go when some must: what belongs to nobody, else who has most. */
  crowder(): number {
    return this.oldestOf(ORPHANS) === undefined ? this.#shares.largest() : ORPHANS;
  }

  /** The guest of an entry comes in by another port now. */
  move(entry: T, ingress: number): void {
    if (entry.ingress === ingress) return;
    this.#unlink(entry);
    this.#shares.give(entry.ingress);
    entry.ingress = ingress;
    this.#shares.take(ingress);
    this.#append(entry);
  }

  /** The port is gone: its entries belong to nobody. */
  orphan(ingress: number): void {
    for (let entry = this.oldestOf(ingress); entry !== undefined; entry = this.oldestOf(ingress)) {
      this.move(entry, ORPHANS);
    }
  }

  find(guest: IpAddress, guestPort: number, remote: IpAddress, remotePort: number): T | undefined {
    const hash = this.hashOf(guest, guestPort, remote, remotePort);
    let entry = this.#buckets[hash & (this.#buckets.length - 1)];
    while (entry !== undefined) {
      if (
        entry.hash === hash &&
        entry.guestPort === guestPort &&
        entry.remotePort === remotePort &&
        sameAddress(entry.guest, guest) &&
        sameAddress(entry.remote, remote)
      ) {
        return entry;
      }
      entry = entry.chain;
    }
    return undefined;
  }

  /** uint32, keyed with the table's secret. */
  hashOf(guest: IpAddress, guestPort: number, remote: IpAddress, remotePort: number): number {
    let h = this.#secret;
    for (let i = 0; i < 4; i++) h = mix(h, guest[i]!);
    for (let i = 0; i < 4; i++) h = mix(h, remote[i]!);
    return mix(h, (guestPort << 16) | remotePort) >>> 0;
  }

  /** The caller has made sure that no entry with this key is present. */
  add(entry: T): void {
    if (this.size >= this.#buckets.length) this.#grow();
    const hash = this.hashOf(entry.guest, entry.guestPort, entry.remote, entry.remotePort);
    entry.hash = hash;
    const index = hash & (this.#buckets.length - 1);
    entry.chain = this.#buckets[index];
    this.#buckets[index] = entry;
    this.#shares.take(entry.ingress);
    this.#append(entry);
  }

  remove(entry: T): void {
    const index = entry.hash & (this.#buckets.length - 1);
    let previous: T | undefined;
    let at = this.#buckets[index];
    while (at !== undefined && at !== entry) {
      previous = at;
      at = at.chain;
    }
    if (at === undefined) return;
    if (previous === undefined) this.#buckets[index] = entry.chain;
    else previous.chain = entry.chain;
    entry.chain = undefined;
    this.#shares.give(entry.ingress);
    this.#unlink(entry);
  }

  /** Makes an entry the most recently used one of its ingress. */
  touch(entry: T): void {
    if (entry.newer === undefined) return;
    this.#unlink(entry);
    this.#append(entry);
  }

  /** Ingress by ingress, each from the longest unused on. Entries may be removed meanwhile, the visited one included. */
  forEach(visit: (entry: T) => void): void {
    for (const order of this.#orders.values()) {
      let entry = order.oldest;
      while (entry !== undefined) {
        const next: T | undefined = entry.newer;
        visit(entry);
        entry = next;
      }
    }
  }

  #orderOf(ingress: number): Order<T> {
    if (this.#recentIngress === ingress && this.#recentOrder !== undefined) return this.#recentOrder;
    // The one that was empty and stayed for its ingress's next entry.
    if (this.#recentOrder !== undefined && this.#recentOrder.oldest === undefined)
      this.#orders.delete(this.#recentIngress);
    let order = this.#orders.get(ingress);
    if (order === undefined) {
      order = { oldest: undefined, newest: undefined };
      this.#orders.set(ingress, order);
    }
    this.#recentIngress = ingress;
    this.#recentOrder = order;
    return order;
  }

  #append(entry: T): void {
    const order = this.#orderOf(entry.ingress);
    entry.older = order.newest;
    entry.newer = undefined;
    if (order.newest === undefined) order.oldest = entry;
    else order.newest.newer = entry;
    order.newest = entry;
  }

  #unlink(entry: T): void {
    const order = this.#orderOf(entry.ingress);
    if (entry.older === undefined) order.oldest = entry.newer;
    else entry.older.newer = entry.newer;
    if (entry.newer === undefined) order.newest = entry.older;
    else entry.newer.older = entry.older;
    entry.older = undefined;
    entry.newer = undefined;
  }

  #grow(): void {
    const old = this.#buckets;
    const mask = old.length * 2 - 1;
    const buckets = new Array<T | undefined>(old.length * 2).fill(undefined);
    for (const head of old) {
      let entry = head;
      while (entry !== undefined) {
        const next: T | undefined = entry.chain;
        entry.chain = buckets[entry.hash & mask];
        buckets[entry.hash & mask] = entry;
        entry = next;
      }
    }
    this.#buckets = buckets;
  }
}

export const sameAddress = (a: IpAddress, b: IpAddress): boolean =>
  a[3] === b[3] && a[2] === b[2] && a[1] === b[1] && a[0] === b[0];

function mix(h: number, word: number): number {
  h = Math.imul(h ^ word, 0x9e3779b1);
  h ^= h >>> 15;
  h = Math.imul(h, 0x85ebca77);
  return h ^ (h >>> 13);
}
