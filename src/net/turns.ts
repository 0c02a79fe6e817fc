/**
 * Time shared between the ports that frames come in by: deficit round robin, by what their frames cost and not by how many
 * they are. One guest's SYNs to closed ports cost a thousand times what another's echoes do.
 *
 * Theory of operation. The frames of one source are handled where they are read, so the time from its first frame until it
 * says that it has sent what it read is what they cost; what they cause later (a socket that opens, an answer of the
 * kernel) is charged as it is known. A source that has used up its quantum is told BUSY and stops reading; in the next
 * turn of the loop, when the others had theirs, it has the next quantum, less what it overdrew. So a frame of a quiet
 * guest waits for one quantum of each busy one at most, and a busy one that is alone loses nothing but a poll of the loop
 * in between.
 *
 * A source that nobody shares the yard with is not looked at: nobody waits for it.
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
/** Of a source that is alone. */
const NEVER = 0x3fffffff;

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

  get now(): number {
    return this.#host.clock.now();
  }

  /** Nobody waits for the only source there is. */
  get isShared(): boolean {
    return this.#sources > 1;
  }

  /** @param resume goes on reading; called outside of the source's own calls. */
  open(resume: () => void): Turn {
    this.#end();
    this.#sources++;
    return new Turn(this, resume);
  }

  close(turn: Turn): void {
    this.#end();
    this.#sources--;
    const index = this.#stopped.indexOf(turn);
    if (index >= 0) this.#stopped.splice(index, 1);
  }

  /** From now on time is that source's. */
  begin(turn: Turn): void {
    this.#end();
    this.#running = turn;
    if (this.isShared) this.#host.loop.atBatchEnd(FLUSH, this);
  }

  /** What follows is not that source's time. */
  end(turn: Turn): void {
    if (this.#running === turn) this.#end();
  }

  stop(turn: Turn): void {
    if (this.#stopped.push(turn) === 1) this.#host.loop.nextTurn(this.#goOn);
  }

  /** The batch is over. */
  run(): void {
    this.#end();
    this.#batch++;
  }

  #end(): void {
    const turn = this.#running;
    if (turn === undefined) return;
    this.#running = undefined;
    turn.ended();
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
  /** Counted down by the source, one a frame; at 0 it has to begin() before the next one, or to look() after it. */
  framesLeft = 0;
  readonly #turns: Turns;
  readonly #resume: () => void;
  #since = 0;
  /** Milliseconds used of this turn, and overdrawn in those before. */
  #debt = 0;
  #batch = -1;
  #isRunning = false;
  #isStopped = false;

  constructor(turns: Turns, resume: () => void) {
    this.#turns = turns;
    this.#resume = resume;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** A frame of this source is about to be handled, and its time has not begun. */
  begin(): void {
    const turns = this.#turns;
    turns.begin(this);
    this.#isRunning = true;
    if (!turns.isShared) {
      this.framesLeft = NEVER;
      return;
    }
    this.#since = turns.now;
    this.#credit();
    // Who overdrew by many small turns is looked at as well.
    this.framesLeft = this.#debt < turns.quantum ? LOOK_EVERY : 1;
  }

  /** It has read what there was, or what it may: what follows is not its time. */
  end(): void {
    if (this.#isRunning) this.#turns.end(this);
  }

  /** Its time is over. */
  ended(): void {
    this.#isRunning = false;
    if (this.#turns.isShared) this.#spend();
    this.framesLeft = 0;
  }

  /** What a frame of this source will cost later, milliseconds. */
  charge(ms: number): void {
    this.#debt = Math.min(MAX_DEBT_MS, this.#debt + ms);
    if (this.#isRunning && this.#turns.isShared) this.framesLeft = 1;
  }

  /** @returns whether the source has used up its turn: it is to stop, and told when it goes on. */
  look(): boolean {
    const turns = this.#turns;
    if (!this.#isRunning) {
      this.framesLeft = 0;
      return this.#isStopped;
    }
    this.framesLeft = LOOK_EVERY;
    this.#spend();
    if (this.#isStopped) return true;
    if (this.#debt < turns.quantum) return false;
    this.#isStopped = true;
    turns.stop(this);
    return true;
  }

  /** The others had their turn. */
  next(): void {
    this.#credit();
    if (this.#debt >= this.#turns.quantum && this.#turns.isShared) {
      this.#turns.stop(this);
      return;
    }
    this.#isStopped = false;
    this.#resume();
  }

  #spend(): void {
    const { now } = this.#turns;
    this.#debt = Math.min(MAX_DEBT_MS, this.#debt + now - this.#since);
    this.#since = now;
  }

  #credit(): void {
    const { batch, quantum } = this.#turns;
    if (this.#batch === batch) return;
    this.#batch = batch;
    this.#debt = Math.max(0, this.#debt - quantum);
  }
}
