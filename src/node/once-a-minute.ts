/** What the log is told of a shortage when it begins, and again each minute while it lasts. */
import { nodeClock } from './clock.ts';

const PAUSE_MS = 60_000;

export class OnceAMinute {
  #saidAt = Number.NEGATIVE_INFINITY;

  /** Whether it is to be said now; it then counts as said. */
  isDue(): boolean {
    const now = nodeClock.now();
    if (now - this.#saidAt < PAUSE_MS) return false;
    this.#saidAt = now;
    return true;
  }
}
