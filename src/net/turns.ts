/**
 * Time shared between the ports that frames come in by: deficit round robin, by what their frames cost and not by how many
 * they are. One guest's SYNs to closed ports cost a thousand times what another's echoes do.
 *
 * Theory of operation. The frames of one source are handled where they are read, so the time from one look at the clock to
 * the next is what they cost; what they cause later (a socket that opens, an answer of the kernel) is charged as it is
 * known. A source that has used up its quantum is told BUSY and stops reading; in the next turn of the loop, when the
 * others had theirs, it has the next quantum, less what it overdrew. So a frame of a quiet guest waits for one quantum of
 * each busy one at most, and a busy one that is alone loses nothing but a poll of the loop in between.
 *
 * Limits: QUANTUM_US a turn; of many busy ones ROUND_US together, MIN_QUANTUM_US each. What one overdraws is capped at
 * MAX_DEBT_MS: a source is never stopped for long because a single step of it was slow.
 */
import { type BatchTask, FLUSH, type Host } from './host.ts';

export const QUANTUM_US = 500;
export const ROUND_US = 4000;
export const MIN_QUANTUM_US = 50;
export const MAX_DEBT_MS = 20;
/** Frames between two looks at the clock, which costs a third of a cheap frame. */
const LOOK_EVERY = 16;

/** All sources of one network. */
export class Turns implements BatchTask {
  readonly #host: Host;
  /** Told BUSY; they have their next turn in the next one of the loop. */
  readonly #stopped: Turn[] = [];
  readonly #goOn: BatchTask = { run: () => this.#nextRound() };
  #sources = 0;
  #running: Turn | undefined;
  /** Batches of the loop so far. */
  #batch = 0;
  #quantum = QUANTUM_US / 1000;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Milliseconds that each source has now. */
  get quantum(): number {
    return this.#quantum;
  }

  get batch(): number {
    return this.#batch;
  }

  get running(): Turn | undefined {
    return this.#running;
  }

  get now(): number {
    return this.#host.clock.now();
  }

  /** Nobody waits for the only source there is. */
  get isShared(): boolean {
    return this.#sources > 1;
  }

  /** @param resume goes on reading; called outside of the source's own calls. */
  open(resume: () => void): Turn {
    this.#sources++;
    return new Turn(this, resume);
  }

  close(turn: Turn): void {
    this.#sources--;
    if (this.#running === turn) this.#running = undefined;
    const index = this.#stopped.indexOf(turn);
    if (index >= 0) this.#stopped.splice(index, 1);
  }

  /** From now on time is that source's. */
  switchTo(turn: Turn, now: number): void {
    if (this.#running === undefined) this.#host.loop.atBatchEnd(FLUSH, this);
    else this.#running.spend(now);
    this.#running = turn;
  }

  stop(turn: Turn): void {
    if (this.#stopped.push(turn) === 1) this.#host.loop.nextTurn(this.#goOn);
  }

  /** The batch is over: what follows is nobody's. */
  run(): void {
    this.#running?.spend(this.now);
    this.#running = undefined;
    this.#batch++;
  }

  #nextRound(): void {
    this.#batch++;
    const waiting = this.#stopped.splice(0);
    this.#quantum = Math.max(MIN_QUANTUM_US, Math.min(QUANTUM_US, ROUND_US / waiting.length)) / 1000;
    for (const turn of waiting) turn.next();
  }
}

/** The account of one source. */
export class Turn {
  /** Counted down by the source, one a frame sent; at 0 it has to look(). */
  framesLeft = LOOK_EVERY;
  readonly #turns: Turns;
  readonly #resume: () => void;
  #since = 0;
  /** Milliseconds used of this turn, and overdrawn in those before. */
  #debt = 0;
  #batch = -1;
  #isStopped = false;

  constructor(turns: Turns, resume: () => void) {
    this.#turns = turns;
    this.#resume = resume;
  }

  get isRunning(): boolean {
    return this.#turns.running === this;
  }

  /** Milliseconds used and overdrawn. */
  get debt(): number {
    return this.#debt;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** A frame of this source is about to be handled, and another's was before it. */
  begin(): void {
    const { now } = this.#turns;
    this.#turns.switchTo(this, now);
    this.#since = now;
    this.framesLeft = LOOK_EVERY;
    this.#credit();
  }

  /** The time since the last look was this source's. */
  spend(now: number): void {
    this.#debt = Math.min(MAX_DEBT_MS, this.#debt + now - this.#since);
    this.#since = now;
  }

  /** What a frame of this source will cost later, milliseconds. */
  charge(ms: number): void {
    this.#debt = Math.min(MAX_DEBT_MS, this.#debt + ms);
    this.framesLeft = 0;
  }

  /** @returns whether the source has used up its turn: it is to stop, and told when it goes on. */
  look(): boolean {
    this.framesLeft = LOOK_EVERY;
    if (this.isRunning) this.spend(this.#turns.now);
    if (this.#isStopped) return true;
    if (this.#debt < this.#turns.quantum || !this.#turns.isShared) return false;
    this.#isStopped = true;
    this.#turns.stop(this);
    return true;
  }

  /** The others had their turn. */
  next(): void {
    this.#credit();
    if (this.#debt >= this.#turns.quantum) {
      this.#turns.stop(this);
      return;
    }
    this.#isStopped = false;
    this.#resume();
  }

  #credit(): void {
    const { batch, quantum } = this.#turns;
    if (this.#batch === batch) return;
    this.#batch = batch;
    this.#debt = Math.max(0, this.#debt - quantum);
  }
}
