/**
 * The time of the loop that sessions may take. In one turn all of them together work for TURN_MS, so that frames and timers
 * get theirs in between, however much clients ask for; who found no time left goes on in a later turn, in the order of coming.
 *
 * A turn begins with the first work and ends when the loop comes round.
 */

/** Milliseconds of work in one turn of the loop. What is begun is finished: one command, or the reading of 4 KiB. */
const TURN_MS = 2;

export class SessionTurns {
  readonly #now: () => number;
  readonly #later: (task: () => void) => void;
  readonly #waiting: (() => void)[] = [];
  /** Of the turn under way. */
  #endsAt: number | undefined;

  /**
   * @param now monotonic milliseconds
   * @param later runs a task in a later turn of the loop, after others had theirs
   */
  constructor(now: () => number, later: (task: () => void) => void) {
    this.#now = now;
    this.#later = later;
  }

  /** Whether there is time left for another piece of work. */
  hasTime(): boolean {
    const now = this.#now();
    if (this.#endsAt === undefined) this.#begin(now);
    return now < this.#endsAt!;
  }

  /** Runs `task` in a later turn. */
  wait(task: () => void): void {
    this.#waiting.push(task);
  }

  #begin(now: number): void {
    this.#endsAt = now + TURN_MS;
    this.#later(() => this.#comeRound());
  }

  #comeRound(): void {
    this.#endsAt = undefined;
    // Who waits again while these run waits for the next turn.
    for (let left = this.#waiting.length; left > 0 && this.hasTime(); left--) this.#waiting.shift()?.();
  }
}
