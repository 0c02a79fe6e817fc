import type { Comparison } from './tally.ts';

export interface KnownDifference {
  /** As in docs/reference/compatibility.md. */
  readonly id: string;
  matches(comparison: Comparison): boolean;
}

export const knownDifferences: readonly KnownDifference[] = [];
