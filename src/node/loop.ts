/**
 * The batch loop on Node. Whoever hands over all events of a poll says where they begin and end, and the batch ends right
 * there; anything else has an immediate per turn that has work. Immediates run in libuv's check phase, after every ready
 * descriptor of the poll was served.
 *
 * A turn runs what was put off from the turn before, then PRODUCE and FLUSH in up to four rounds; what is registered after
 * that, or from inside nextTurn, waits for the next turn, so that I/O gets its chance in between.
 */
import { type BatchLoop, type BatchPhase, type BatchTask, PRODUCE } from '../net/index.ts';
import { TaskList } from './task-list.ts';

/** More rounds than this and two owners are feeding each other: the rest waits for the next turn. */
const MAX_ROUNDS = 4;

export class NodeBatchLoop implements BatchLoop {
  readonly #produce = new TaskList();
  readonly #flush = new TaskList();
  readonly #later = new TaskList();
  readonly #onError: (error: unknown) => void;
  readonly #turn = (): void => this.#runTurn();
  #immediate: NodeJS.Immediate | undefined;
  /** A turn runs, or its end is certain to come without an immediate. */
  #busy = false;
  #closed = false;

  /** @param onError told what a task threw: one broken owner must not stop the others. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  atBatchEnd(phase: BatchPhase, task: BatchTask): void {
    this.#add(phase === PRODUCE ? this.#produce : this.#flush, task);
  }

  nextTurn(task: BatchTask): void {
    this.#add(this.#later, task);
  }

  /** All events of one poll follow, until endBatch. */
  beginBatch(): void {
    this.#busy = true;
  }

  endBatch(): void {
    this.#busy = false;
    if (!this.#closed && this.#hasWork()) this.#runTurn();
  }

  /** Drops what is pending; nothing runs any more. */
  close(): void {
    this.#closed = true;
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    this.#immediate = undefined;
  }

  #add(tasks: TaskList, task: BatchTask): void {
    if (!this.#closed && tasks.add(task)) this.#callLater();
  }

  #callLater(): void {
    if (!this.#busy) this.#immediate ??= setImmediate(this.#turn);
  }

  #hasWork(): boolean {
    return this.#produce.size + this.#flush.size + this.#later.size > 0;
  }

  #runTurn(): void {
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#busy = true;
    this.#later.run(this.#onError);
    for (let round = 0; round < MAX_ROUNDS && this.#produce.size + this.#flush.size > 0; round++) {
      this.#produce.run(this.#onError);
      this.#flush.run(this.#onError);
    }
    this.#busy = false;
    if (!this.#closed && this.#hasWork()) this.#callLater();
  }
}
