/**
 * A capped resource, shared by the ports that guests come in by (Frame.ingress): never by addresses,
 * which a guest chooses. Whatever the others do, one ingress may hold three quarters of the cap and leaves a quarter; the
 * next one may hold three quarters of that, and so on: who comes last still finds something.
 *
 * What belonged to a port that is gone belongs to nobody (ORPHANS): it counts as used, and gives way first.
 */

/** An ingress may hold this many times what is free. */
export const SHARE_OF_FREE = 3;
/** The ingress of what nobody's port holds any more. Ports count from 1. */
export const ORPHANS = 0;
/** Whose ingress is not known yet: what strangers at a forward begin. */
export const STRANGERS = -1;

export class Shares {
  readonly cap: number;
  #used = 0;
  readonly #held = new Map<number, number>();

  /** @param cap in whatever unit is counted: entries, bytes. */
  constructor(cap: number) {
    this.cap = cap;
  }

  get used(): number {
    return this.#used;
  }

  get free(): number {
    return this.cap - this.#used;
  }

  heldBy(ingress: number): number {
    return this.#held.get(ingress) ?? 0;
  }

  /** Whether `ingress` may take so much more. */
  allows(ingress: number, amount = 1): boolean {
    const { free } = this;
    return amount <= free && this.heldBy(ingress) + amount <= SHARE_OF_FREE * free;
  }

  take(ingress: number, amount = 1): void {
    this.#used += amount;
    this.#held.set(ingress, this.heldBy(ingress) + amount);
  }

  give(ingress: number, amount = 1): void {
    const left = this.heldBy(ingress) - amount;
    this.#used -= amount;
    if (left > 0) this.#held.set(ingress, left);
    else this.#held.delete(ingress);
  }

  /** Who holds most; ORPHANS when nothing is held. */
  largest(): number {
    let found = ORPHANS;
    let most = 0;
    for (const [ingress, held] of this.#held) {
      if (held <= most) continue;
      most = held;
      found = ingress;
    }
    return found;
  }
}
