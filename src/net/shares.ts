/**
 * A capped resource, shared by the ports that guests come in by (Frame.ingress): never by addresses, which a guest
 * chooses. Whatever the others do, one ingress may hold three quarters of the cap and leaves a quarter; the
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

interface Account {
  readonly ingress: number;
  held: number;
}

export class Shares {
  readonly cap: number;
  #used = 0;
  /** Of those who hold something, and the recent one. */
  readonly #accounts = new Map<number, Account>();
  /** Who took or gave last is most often the next one: a share that is empty at times is not looked up and made anew. */
  #recent: Account | undefined;

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
    const recent = this.#recent;
    if (recent !== undefined && recent.ingress === ingress) return recent.held;
    return this.#accounts.get(ingress)?.held ?? 0;
  }

  /** Whether `ingress` may take so much more. */
  allows(ingress: number, amount = 1): boolean {
    const { free } = this;
    return amount <= free && this.heldBy(ingress) + amount <= SHARE_OF_FREE * free;
  }

  take(ingress: number, amount = 1): void {
    this.#used += amount;
    this.#account(ingress).held += amount;
  }

  give(ingress: number, amount = 1): void {
    this.#used -= amount;
    this.#account(ingress).held -= amount;
  }

  /** Who holds most; ORPHANS when nothing is held. */
  largest(): number {
    let found = ORPHANS;
    let most = 0;
    for (const { ingress, held } of this.#accounts.values()) {
      if (held <= most) continue;
      most = held;
      found = ingress;
    }
    return found;
  }

  #account(ingress: number): Account {
    const before = this.#recent;
    if (before !== undefined && before.ingress === ingress) return before;
    let account = this.#accounts.get(ingress);
    if (account === undefined) {
      account = { ingress, held: 0 };
      this.#accounts.set(ingress, account);
    }
    if (before?.held === 0) this.#accounts.delete(before.ingress);
    this.#recent = account;
    return account;
  }
}
