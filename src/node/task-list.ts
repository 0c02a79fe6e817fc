/**
 * Tasks that wait for their moment, each once. Made for batches, thousands a second with a few tasks each: nothing is
 * allocated for those. (Emptying an Array or a Set lets go of its memory, and filling it again takes new one.)
 */
import type { BatchTask } from '../net/index.ts';

/** Up to here looking through all is faster than hashing. */
const FEW = 16;
/** Places kept from one batch to the next. */
const MOST_KEPT = 1024;

export class TaskList {
  #tasks: (BatchTask | undefined)[] = [];
  #spare: (BatchTask | undefined)[] = [];
  #size = 0;
  /** Those from FEW on: too many to look through. */
  #more: Set<BatchTask> | undefined;

  get size(): number {
    return this.#size;
  }

  /** @returns false if it waits already. */
  add(task: BatchTask): boolean {
    const tasks = this.#tasks;
    const size = this.#size;
    const few = Math.min(size, FEW);
    for (let i = 0; i < few; i++) if (tasks[i] === task) return false;
    if (size >= FEW) {
      this.#more ??= new Set();
      if (this.#more.has(task)) return false;
      this.#more.add(task);
    }
    tasks[size] = task;
    this.#size = size + 1;
    return true;
  }

  /** Runs them in the order they came. What is added meanwhile waits for the next call. */
  run(onError: (error: unknown) => void): void {
    const tasks = this.#tasks;
    const size = this.#size;
    this.#tasks = this.#spare;
    this.#spare = tasks;
    this.#size = 0;
    this.#more = undefined;
    for (let i = 0; i < size; i++) {
      const task = tasks[i] as BatchTask;
      tasks[i] = undefined;
      try {
        task.run();
      } catch (error) {
        onError(error);
      }
    }
    if (size > MOST_KEPT) tasks.length = MOST_KEPT;
  }
}
