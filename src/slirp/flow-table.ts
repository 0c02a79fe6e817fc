/**
 * Flows by 4-tuple (guest address and port, remote address and port), for TCP and UDP alike, with their order of use.
 *
 * Buckets are chains through the entries themselves, and so is the list from the longest unused to the most recently
 * used entry: lookups and touches allocate nothing. The hash is keyed with a secret, so a guest cannot aim at one bucket.
 */
import type { IpAddress } from './ip-layer.ts';

/** What an entry brings along; the last four members belong to the table. */
export interface FlowNode<T> {
  readonly guest: IpAddress;
  readonly guestPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  hash: number;
  chain: T | undefined;
  older: T | undefined;
  newer: T | undefined;
}

const INITIAL_BUCKETS = 64;

export class FlowTable<T extends FlowNode<T>> {
  readonly #secret: number;
  #buckets: (T | undefined)[] = new Array<T | undefined>(INITIAL_BUCKETS).fill(undefined);
  #size = 0;
  #oldest: T | undefined;
  #newest: T | undefined;

  /** @param secret random uint32. */
  constructor(secret: number) {
    this.#secret = secret;
  }

  get size(): number {
    return this.#size;
  }

  /** The entry unused for longest; walk on through `newer`. */
  get oldest(): T | undefined {
    return this.#oldest;
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
    if (this.#size >= this.#buckets.length) this.#grow();
    const hash = this.hashOf(entry.guest, entry.guestPort, entry.remote, entry.remotePort);
    entry.hash = hash;
    const index = hash & (this.#buckets.length - 1);
    entry.chain = this.#buckets[index];
    this.#buckets[index] = entry;
    this.#size++;
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
    this.#size--;
    this.#unlink(entry);
  }

  /** Makes an entry the most recently used one. */
  touch(entry: T): void {
    if (this.#newest === entry) return;
    this.#unlink(entry);
    this.#append(entry);
  }

  /** From the longest unused on. Entries may be removed meanwhile, the visited one included. */
  forEach(visit: (entry: T) => void): void {
    let entry = this.#oldest;
    while (entry !== undefined) {
      const next: T | undefined = entry.newer;
      visit(entry);
      entry = next;
    }
  }

  #append(entry: T): void {
    entry.older = this.#newest;
    entry.newer = undefined;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  #unlink(entry: T): void {
    if (entry.older === undefined) this.#oldest = entry.newer;
    else entry.older.newer = entry.newer;
    if (entry.newer === undefined) this.#newest = entry.older;
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
