/** Samples, what is demanded of their medians, and the tables people read. */

export type Role = 'netyard' | 'peer' | 'yardstick';

/** One subject's samples in one cell of a benchmark. */
export interface Series {
  readonly cell: string;
  readonly subject: string;
  readonly role: Role;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly samples: number[];
}

export interface Demand {
  readonly text: string;
  readonly measured: number;
  readonly limit: number;
  readonly holds: boolean;
}

export interface Report {
  readonly name: string;
  readonly title: string;
  readonly series: readonly Series[];
  readonly demands: readonly Demand[];
  /** Measurements that failed, by name, with the reason. */
  readonly failures: readonly string[];
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Of an empty list NaN. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] as number;
  return low + ((sorted[Math.ceil(at)] as number) - low) * (at - Math.floor(at));
}

export class Collector {
  readonly name: string;
  readonly title: string;
  readonly failures: string[] = [];
  readonly #series = new Map<string, Series>();
  readonly #demands: Demand[] = [];

  constructor(name: string, title: string) {
    this.name = name;
    this.title = title;
  }

  add(cell: string, subject: string, sample: number, shape: Omit<Series, 'cell' | 'subject' | 'samples'>): void {
    const key = `${cell}\n${subject}\n${shape.unit}`;
    const series = this.#series.get(key) ?? { cell, subject, samples: [], ...shape };
    this.#series.set(key, series);
    series.samples.push(sample);
  }

  /** Runs one measurement; a failure is reported and does not end the benchmark. */
  async attempt(what: string, measure: () => Promise<void>): Promise<void> {
    try {
      await measure();
    } catch (error) {
      this.failures.push(`${what}: ${(error as Error).message.trim().slice(0, 400)}`);
      process.stderr.write(`  ${what} failed: ${(error as Error).message.trim().slice(0, 200)}\n`);
    }
  }

  medianOf(cell: string, subject: string, unit: string): number {
    return median(this.#series.get(`${cell}\n${subject}\n${unit}`)?.samples ?? []);
  }

  /** The better peer's median in that cell: NaN if no peer has one. */
  bestPeer(cell: string, unit: string): number {
    return bestPeer([...this.#series.values()].filter((series) => series.cell === cell && series.unit === unit));
  }

  /** `holds`: measured >= limit, or <= where less is better. What was not measured does not hold. */
  demand(text: string, measured: number, limit: number, better: 'more' | 'less' = 'more'): void {
    this.#demands.push({ text, measured, limit, holds: better === 'more' ? measured >= limit : measured <= limit });
  }

  report(): Report {
    const { name, title, failures } = this;
    return { name, title, series: [...this.#series.values()], demands: this.#demands, failures };
  }
}

function bestPeer(group: readonly Series[]): number {
  const medians = group.filter((series) => series.role === 'peer').map((series) => median(series.samples));
  if (medians.length === 0) return Number.NaN;
  return group[0]?.better === 'less' ? Math.min(...medians) : Math.max(...medians);
}

export function printReport(report: Report): string {
  const cells = [...new Set(report.series.map((series) => `${series.cell}\n${series.unit}`))];
  const ordered = cells.flatMap((key) => report.series.filter((series) => `${series.cell}\n${series.unit}` === key));
  const rows = ordered.map((series) => {
    const group = report.series.filter((other) => other.cell === series.cell && other.unit === series.unit);
    const ratio = series.role === 'yardstick' ? Number.NaN : median(series.samples) / bestPeer(group);
    return [
      series.cell,
      series.subject,
      number(median(series.samples)),
      `${number(Math.min(...series.samples))}..${number(Math.max(...series.samples))}`,
      series.unit,
      String(series.samples.length),
      Number.isFinite(ratio) ? ratio.toFixed(2) : '',
    ];
  });
  let text = `\n## ${report.title}\n\n`;
  text += table(['cell', 'program', 'median', 'min..max', 'unit', 'samples', 'of better peer'], rows);
  if (report.demands.length > 0) {
    const demands = report.demands.map(({ text, measured, limit, holds }) => [
      text,
      number(measured),
      number(limit),
      holds ? 'pass' : 'FAIL',
    ]);
    text += `\n${table(['demand', 'measured', 'limit', 'result'], demands)}`;
  }
  for (const failure of report.failures) text += `\nfailed: ${failure}\n`;
  return text;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] as number)).join(' | ')} |\n`;
  return line(head) + line(widths.map((width) => '-'.repeat(width))) + rows.map(line).join('');
}

function number(value: number): string {
  if (!Number.isFinite(value)) return 'none';
  if (Math.abs(value) >= 1000) return value.toFixed(0);
  return value
    .toPrecision(3)
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '');
}
