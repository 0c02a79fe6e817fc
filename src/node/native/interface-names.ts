/**
 * Names of interfaces by their number, remembered for a moment: the text of a link-local address has one, and neighbours that
 * make up such addresses must not have sysfs read for each datagram.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { nodeClock } from '../clock.ts';

const INTERFACES = '/sys/class/net';
/** Of our network namespace, which that of a mounted sysfs may not be: address, number in hex, ..., name. */
const INTERFACES_IPV6 = '/proc/net/if_inet6';
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

/** The number of an interface; undefined = there is none of that name. */
export function interfaceNumber(name: string): number | undefined {
  const known = ipv6Interfaces().find((other) => other.name === name);
  if (known !== undefined) return known.index;
  try {
    return Number(readFileSync(`${INTERFACES}/${name}/ifindex`, 'latin1'));
  } catch {
    return undefined;
  }
}

function ipv6Interfaces(): { index: number; name: string }[] {
  try {
    return parseInterfaces(readFileSync(INTERFACES_IPV6, 'latin1'));
  } catch {
    // A kernel without IPv6.
    return [];
  }
}

export function parseInterfaces(table: string): { index: number; name: string }[] {
  return table.split('\n').flatMap((line) => {
    const [, index, , , , name] = line.trim().split(/\s+/);
    return index === undefined || name === undefined ? [] : [{ index: Number.parseInt(index, 16), name }];
  });
}

/** `eth0` for an interface's number; the number itself where it has no name here. */
function interfaceName(index: number): string {
  const known = ipv6Interfaces().find((other) => other.index === index);
  if (known !== undefined) return known.name;
  try {
    for (const name of readdirSync(INTERFACES)) {
      if (Number(readFileSync(`${INTERFACES}/${name}/ifindex`, 'latin1')) === index) return name;
    }
  } catch {
    // Without sysfs the number serves.
  }
  return String(index);
}
