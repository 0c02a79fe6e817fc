/** What the soak writes down: how much work each workload did, and the daemon's memory and descriptors over time. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { pause } from './timing.ts';

const SAMPLE_MS = 1000;
const LINE_EVERY = 10;
/** Memory that the collector may hold on top: it need not return what it could. */
const SLACK_KIB = 16 * 1024;
const GROWTH = 1.1;

/** Counts by name; a name announced and never counted is a workload that did nothing. */
export class Ledger {
  readonly counts = new Map<string, number>();

  expect(...names: string[]): void {
    for (const name of names) this.counts.set(name, this.counts.get(name) ?? 0);
  }

  add(name: string, count = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  idle(): string[] {
    return [...this.counts].filter(([, count]) => count === 0).map(([name]) => `nothing happened: ${name}`);
  }

  toString(): string {
    return [...this.counts].map(([name, count]) => `${name} ${count}`).join(', ');
  }
}

/** What each open descriptor of a process leads to, its number in front. */
export function openDescriptors(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [`${fd}=${readlinkSync(`/proc/${pid}/fd/${fd}`)}`];
    } catch {
      return [];
    }
  });
}

export class Samples {
  readonly #pid: number;
  readonly #ledger: Ledger;
  readonly #rss: number[] = [];

  constructor(pid: number, ledger: Ledger) {
    this.#pid = pid;
    this.#ledger = ledger;
  }

  async run(signal: AbortSignal, seconds: number): Promise<void> {
    const start = performance.now();
    for (let n = 1; !signal.aborted; n++) {
      await pause(SAMPLE_MS, signal);
      this.#rss.push(residentKib(this.#pid));
      if (n % LINE_EVERY !== 0) continue;
      const at = Math.round((performance.now() - start) / 1000);
      const rss = (this.#rss.at(-1)! / 1024).toFixed(1);
      console.log(
        `${at}/${seconds} s: RSS ${rss} MiB, ${openDescriptors(this.#pid).length} descriptors; ${this.#ledger}`,
      );
    }
  }

  /** Memory is flat when the last third needs no more than the middle one; the first is the warm-up. */
  growth(): string[] {
    const third = Math.floor(this.#rss.length / 3);
    if (third < 5) return ['too short to say anything about memory'];
    const middle = median(this.#rss.slice(third, 2 * third));
    const last = median(this.#rss.slice(2 * third));
    console.log(
      `RSS: middle third ${Math.round(middle / 1024)} MiB, last third ${Math.round(last / 1024)} MiB (medians)`,
    );
    return last <= middle * GROWTH + SLACK_KIB ? [] : [`memory grew from ${middle} to ${last} KiB`];
  }
}

function residentKib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
