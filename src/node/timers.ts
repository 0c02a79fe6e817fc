/**
 * All timers of a host behind one setTimeout: a binary heap ordered by the time an entry was filed under. Moving a
 * deadline later leaves the entry where it is and stores the value; it is filed again when its old time comes. That is the
 * common case (a retransmission timer pushed on by every ACK) and costs one assignment.
 */
import type { Clock, Timer, Timers } from '../net/index.ts';

/** setTimeout takes 31 bits of milliseconds. */
const MAX_TIMEOUT_MS = 0x7fffffff;
const NOT_FILED = -1;

export class NodeTimers implements Timers {
  readonly #heap: HeapTimer[] = [];
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #wake = (): void => this.#fire();
  #timeout: NodeJS.Timeout | undefined;
  #timeoutAt = Number.POSITIVE_INFINITY;
  #firing = false;
  #closed = false;

  constructor(clock: Clock, onError: (error: unknown) => void) {
    this.#clock = clock;
    this.#onError = onError;
  }

  create(callback: () => void): Timer {
    return new HeapTimer(this, callback);
  }

  /** Timers filed now, armed or waiting to be found moved. */
  get size(): number {
    return this.#heap.length;
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#heap) {
      timer.index = NOT_FILED;
      timer.deadlineMs = undefined;
    }
    this.#heap.length = 0;
    clearTimeout(this.#timeout);
    this.#timeout = undefined;
  }

  file(timer: HeapTimer, at: number): void {
    if (this.#closed) {
      timer.deadlineMs = undefined;
      return;
    }
    timer.filedAt = at;
    if (timer.index === NOT_FILED) {
      timer.index = this.#heap.length;
      this.#heap.push(timer);
    }
    this.#siftUp(timer);
    if (timer.index === 0 && !this.#firing) this.#arm();
  }

  remove(timer: HeapTimer): void {
    const index = timer.index;
    if (index === NOT_FILED) return;
    timer.index = NOT_FILED;
    const last = this.#heap.pop();
    if (last === undefined || last === timer) {
      if (this.#heap.length === 0 && !this.#firing) this.#arm();
      return;
    }
    last.index = index;
    this.#heap[index] = last;
    this.#siftUp(last);
    this.#siftDown(last);
  }

  #fire(): void {
    this.#timeout = undefined;
    this.#timeoutAt = Number.POSITIVE_INFINITY;
    this.#firing = true;
    const now = this.#clock.now();
    // A callback that sets its timer to a moment already past must not keep this loop going: the rest waits a turn.
    let left = this.#heap.length;
    for (let first = this.#heap[0]; first !== undefined && first.filedAt <= now; first = this.#heap[0]) {
      if (left-- === 0) break;
      const deadline = first.deadlineMs;
      if (deadline !== undefined && deadline > now) {
        first.filedAt = deadline;
        this.#siftDown(first);
        continue;
      }
      this.remove(first);
      first.deadlineMs = undefined;
      try {
        first.callback();
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#firing = false;
    this.#arm();
  }

  /** The timeout is only ever moved earlier; one that comes too early finds nothing due and is set again. */
  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined) {
      clearTimeout(this.#timeout);
      this.#timeout = undefined;
      this.#timeoutAt = Number.POSITIVE_INFINITY;
      return;
    }
    if (this.#timeout !== undefined && this.#timeoutAt <= first.filedAt) return;
    clearTimeout(this.#timeout);
    this.#timeoutAt = first.filedAt;
    const wait = Math.ceil(first.filedAt - this.#clock.now());
    this.#timeout = setTimeout(this.#wake, Math.min(Math.max(wait, 1), MAX_TIMEOUT_MS));
  }

  #siftUp(timer: HeapTimer): void {
    const heap = this.#heap;
    let index = timer.index;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex] as HeapTimer;
      if (parent.filedAt <= timer.filedAt) break;
      heap[index] = parent;
      parent.index = index;
      index = parentIndex;
    }
    heap[index] = timer;
    timer.index = index;
  }

  #siftDown(timer: HeapTimer): void {
    const heap = this.#heap;
    let index = timer.index;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as HeapTimer).filedAt < (heap[child] as HeapTimer).filedAt)
        child++;
      const below = heap[child] as HeapTimer;
      if (below.filedAt >= timer.filedAt) break;
      heap[index] = below;
      below.index = index;
      index = child;
    }
    heap[index] = timer;
    timer.index = index;
  }
}

class HeapTimer implements Timer {
  deadlineMs: number | undefined;
  filedAt = 0;
  index = NOT_FILED;
  readonly callback: () => void;
  readonly #timers: NodeTimers;

  constructor(timers: NodeTimers, callback: () => void) {
    this.#timers = timers;
    this.callback = callback;
  }

  set(deadlineMs: number): void {
    this.deadlineMs = deadlineMs;
    if (this.index === NOT_FILED || deadlineMs < this.filedAt) this.#timers.file(this, deadlineMs);
  }

  cancel(): void {
    this.deadlineMs = undefined;
    this.#timers.remove(this);
  }
}
