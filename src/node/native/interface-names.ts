/**
 * Names of interfaces by their number, remembered for a moment: the text of a link-local address has one, and neighbours that
 * make up such addresses must not have sysfs read for each datagram.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { nodeClock } from '../clock.ts';

const INTERFACES = '/sys/class/net';
/** An interface renamed is known by its old name for so long. */
const KEPT_MS = 1000;
/** Beyond it all are forgotten. */
const MAX_KEPT = 64;

interface Kept {
  readonly name: string;
  readonly untilMs: number;
}

export class InterfaceNames {
  readonly #kept = new Map<number, Kept>();
  readonly #find: (index: number) => string;
  readonly #now: () => number;

  constructor(find: (index: number) => string = interfaceName, now: () => number = nodeClock.now) {
    this.#find = find;
    this.#now = now;
  }

  nameOf(index: number): string {
    const now = this.#now();
    const kept = this.#kept.get(index);
    if (kept !== undefined && now < kept.untilMs) return kept.name;
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    const name = this.#find(index);
    this.#kept.set(index, { name, untilMs: now + KEPT_MS });
    return name;
  }
}

/** `eth0` for an interface's number; the number itself where it has no name here. */
function interfaceName(index: number): string {
  try {
    for (const name of readdirSync(INTERFACES)) {
      if (Number(readFileSync(`${INTERFACES}/${name}/ifindex`, 'latin1')) === index) return name;
    }
  } catch {
    // Without sysfs the number serves.
  }
  return String(index);
}
