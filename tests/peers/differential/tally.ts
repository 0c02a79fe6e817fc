/** Counts of what was compared, what was equal, and which known difference explains the rest. */
import { type KnownDifference, knownDifferences } from './known-differences.ts';

export type Area =
  | 'netdev_add'
  | 'user options'
  | 'option text'
  | 'other requests'
  | 'first request'
  | 'faulty request'
  | 'command line'
  | 'history'
  | 'monitor line';

export interface Comparison {
  readonly area: Area;
  /** The request, argument or line; for states also what went before. */
  readonly input: string;
  readonly qemu: string;
  readonly ours: string;
}

export class Tally {
  readonly #cases = new Map<Area, number>();
  readonly #equal = new Map<Area, number>();
  readonly #known = new Map<KnownDifference, number>();
  readonly #unknown: Comparison[] = [];

  add(comparison: Comparison): void {
    const { area, input, qemu, ours } = comparison;
    count(this.#cases, area);
    if (qemu === ours || bothSurplus(input, qemu, ours)) {
      count(this.#equal, area);
      return;
    }
    const known = knownDifferences.find((difference) => difference.matches(comparison));
    if (known === undefined) this.#unknown.push(comparison);
    else count(this.#known, known);
  }

  /** Differences that nothing explains, as text; empty = none. */
  unexplained(area: Area): string {
    return this.#unknown
      .filter((comparison) => comparison.area === area)
      .map(({ input, qemu, ours }) => `${input}\n  QEMU:    ${indent(qemu)}\n  netyard: ${indent(ours)}`)
      .join('\n');
  }

  /** Ids of known differences that no case showed. */
  stale(): string[] {
    return knownDifferences.filter((difference) => !this.#known.has(difference)).map((difference) => difference.id);
  }

  report(): string {
    const lines = [...this.#cases].map(([area, cases]) => {
      return `${area}: ${cases} cases, ${this.#equal.get(area) ?? 0} equal`;
    });
    for (const difference of knownDifferences) {
      lines.push(`  ${String(this.#known.get(difference) ?? 0).padStart(4)} ${difference.id}`);
    }
    lines.push(`  ${String(this.#unknown.length).padStart(4)} unexplained`);
    return lines.join('\n');
  }
}

/** Which of several surplus members an error names is free. */
function bothSurplus(input: string, qemu: string, ours: string): boolean {
  const [theirs, mine] = [qemu, ours].map((text) => /Invalid parameter '([^']*)'/.exec(text)?.[1]);
  if (theirs === undefined || mine === undefined) return false;
  // `ipv6-net` is two members to the checks.
  const given = input.replaceAll(/\bipv6-net\b/g, 'ipv6-net ipv6-prefix ipv6-prefixlen');
  return given.includes(theirs) && given.includes(mine) && qemu.replace(`'${theirs}'`, `'${mine}'`) === ours;
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

const indent = (text: string): string => text.trimEnd().replaceAll('\n', '\n           ');
