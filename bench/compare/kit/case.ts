import type { Report } from './report.ts';
import type { World } from './world.ts';

export interface CaseContext {
  readonly world: World;
  readonly rounds: number;
  /** Of one measurement. */
  readonly seconds: number;
  /** Fewer and smaller cells: shows that everything works, not how fast it is. */
  readonly quick: boolean;
  /** Of the hostile guest; undefined = all. */
  readonly attacks?: readonly string[] | undefined;
  progress(line: string): void;
}

/** One benchmark. What it starts belongs to the world, which is closed after it. */
export interface Case {
  readonly name: string;
  readonly title: string;
  /** Without these it does not run. */
  readonly programs: readonly string[];
  run(context: CaseContext): Promise<Report>;
}
