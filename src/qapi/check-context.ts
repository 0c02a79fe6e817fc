/** What the checks of single kinds need from the checker. */
import type { ObjectEntry, TypeEntry } from './entry.ts';
import type { Origin } from './source.ts';

export interface CheckContext {
  /** `q_empty`. */
  readonly empty: ObjectEntry;
  /** The type a definition refers to; `what` names the reference in the error text. */
  resolve(name: string, origin: Origin, what: string): TypeEntry;
  /** Checks an object unless that has been done; `depth` counts bases and branches on the way. */
  object(entry: ObjectEntry, depth: number): void;
  /** Counts members and branches against the cap of the whole schema. */
  count(members: number, origin: Origin): void;
}
