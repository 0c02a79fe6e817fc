/**
 * Virtual time: a clock that only moves when told, timers, the batch loop, and a queue of things that happen later.
 * One turn = due events, due timers, level-triggered readiness, nextTurn tasks, batch ends, as a real host's poll.
 */
import {
  type BatchLoop,
  type BatchPhase,
  type BatchTask,
  type Clock,
  PRODUCE,
  type Timer,
  type Timers,
} from '../../src/net/host.ts';

const MAX_ROUNDS = 4;
/** More turns than this without time moving is a busy loop in the code under test. */
const MAX_TURNS = 200_000;
const WALL_START_MICROS = 1_780_000_000_000_000;

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Something with level-triggered events: returns whether its condition held (it is asked again next turn). */
export interface Pollable {
  poll(): boolean;
}

export class VirtualLoop implements BatchLoop, Clock, Timers {
  #now = 1000;
  #suspendedMs = 0;
  #order = 0;
  readonly #events = new Heap();
  readonly #timerEntries = new Heap();
  readonly #armed = new Set<VirtualTimer>();
  readonly #hot = new Set<Pollable>();
  readonly #tasks: [Set<BatchTask>, Set<BatchTask>] = [new Set(), new Set()];
  #later = new Set<BatchTask>();
  #running = false;
  /** Turns in which something happened, since the start. */
  turns = 0;

  now(): number {
    return this.#now;
  }

  wallMicros(): number {
    return WALL_START_MICROS + Math.round((this.#now + this.#suspendedMs) * 1000);
  }

  create(callback: () => void): Timer {
    return new VirtualTimer(this, callback);
  }

  atBatchEnd(phase: BatchPhase, task: BatchTask): void {
    this.#tasks[phase === PRODUCE ? 0 : 1].add(task);
  }

  nextTurn(task: BatchTask): void {
    this.#later.add(task);
  }

  /** Runs `run` after `delayMs`, in the order of time, then of calls. */
  after(delayMs: number, run: () => void): void {
    this.#events.push({ at: this.#now + delayMs, order: this.#order++, run });
  }

  /** The pollable may have an event to report. */
  wake(pollable: Pollable): void {
    this.#hot.add(pollable);
  }

  arm(timer: VirtualTimer, needsEntry: boolean): void {
    this.#armed.add(timer);
    if (needsEntry) this.#enter(timer, timer.deadlineMs ?? 0);
  }

  disarm(timer: VirtualTimer): void {
    this.#armed.delete(timer);
  }

  /** Runs everything that is due at the present moment. Throws when that never ends. */
  runUntilIdle(): void {
    for (let turns = 0; this.#turn(); turns++) {
      if (turns > MAX_TURNS) throw new RangeError('the loop does not become idle: something is busy without end');
    }
  }

  /** Moves time on, stopping at everything that is due in between. */
  advance(ms: number): void {
    const target = this.#now + ms;
    this.runUntilIdle();
    for (let next = this.nextDue(); next !== undefined && next <= target; next = this.nextDue()) {
      if (next > this.#now) this.#now = next;
      this.runUntilIdle();
    }
    if (target > this.#now) this.#now = target;
  }

  /** The moment of the next event or timer. */
  nextDue(): number | undefined {
    this.#dropStale();
    const event = this.#events.peek()?.at;
    const timer = this.#timerEntries.peek()?.at;
    if (event === undefined) return timer;
    return timer === undefined ? event : Math.min(event, timer);
  }

  /** The machine sleeps: only the wall clock goes on. */
  suspend(ms: number): void {
    this.#suspendedMs += ms;
  }

  jump(to: number): void {
    if (to > this.#now) this.#now = to;
  }

  /** What is still armed or pending, in words. */
  pending(): string[] {
    const found: string[] = [];
    for (const timer of this.#armed) found.push(`timer due in ${(timer.deadlineMs ?? 0) - this.#now} ms`);
    if (this.#tasks[0].size > 0) found.push(`${this.#tasks[0].size} PRODUCE tasks`);
    if (this.#tasks[1].size > 0) found.push(`${this.#tasks[1].size} FLUSH tasks`);
    if (this.#later.size > 0) found.push(`${this.#later.size} nextTurn tasks`);
    return found;
  }

  #turn(): boolean {
    if (this.#running) throw new RangeError('the loop was entered from inside itself');
    this.#running = true;
    try {
      let busy = this.#runEvents();
      if (this.#runTimers()) busy = true;
      if (this.#runReadiness()) busy = true;
      if (this.#runLater()) busy = true;
      if (this.#runBatch()) busy = true;
      if (busy) this.turns++;
      return busy;
    } finally {
      this.#running = false;
    }
  }

  #runEvents(): boolean {
    let busy = false;
    const limit = this.#order;
    for (
      let e = this.#events.peek();
      e !== undefined && e.at <= this.#now && e.order < limit;
      e = this.#events.peek()
    ) {
      this.#events.pop();
      e.run();
      busy = true;
    }
    return busy;
  }

  #runTimers(): boolean {
    let busy = false;
    const limit = this.#order;
    for (;;) {
      this.#dropStale();
      const entry = this.#timerEntries.peek();
      if (entry === undefined || entry.at > this.#now || entry.order >= limit) return busy;
      this.#timerEntries.pop();
      entry.run();
      busy = true;
    }
  }

  #runReadiness(): boolean {
    if (this.#hot.size === 0) return false;
    let busy = false;
    for (const pollable of [...this.#hot]) {
      if (pollable.poll()) busy = true;
      else this.#hot.delete(pollable);
    }
    return busy;
  }

  #runLater(): boolean {
    const tasks = this.#later;
    if (tasks.size === 0) return false;
    this.#later = new Set();
    for (const task of tasks) task.run();
    return true;
  }

  #runBatch(): boolean {
    let busy = false;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      if (this.#tasks[0].size + this.#tasks[1].size === 0) break;
      busy = true;
      for (const tasks of this.#tasks) {
        const now = [...tasks];
        tasks.clear();
        for (const task of now) task.run();
      }
    }
    return busy;
  }

  #enter(timer: VirtualTimer, at: number): void {
    timer.entryAt = at;
    const entry: TimerEntry = { at, order: this.#order++, timer, run: () => timer.fire() };
    timer.entry = entry;
    this.#timerEntries.push(entry);
  }

  /** Entries whose timer was cancelled or moved: dropped, or entered again at the later time. */
  #dropStale(): void {
    for (;;) {
      const entry = this.#timerEntries.peek() as TimerEntry | undefined;
      if (entry === undefined) return;
      const { timer } = entry;
      if (timer.entry !== entry || timer.deadlineMs === undefined) {
        this.#timerEntries.pop();
        if (timer.entry === entry) timer.entry = undefined;
        continue;
      }
      if (timer.deadlineMs <= entry.at) return;
      this.#timerEntries.pop();
      this.#enter(timer, timer.deadlineMs);
    }
  }
}

interface TimerEntry extends Entry {
  readonly timer: VirtualTimer;
}

class VirtualTimer implements Timer {
  readonly #loop: VirtualLoop;
  readonly #callback: () => void;
  #deadline: number | undefined;
  entry: TimerEntry | undefined;
  entryAt = 0;

  constructor(loop: VirtualLoop, callback: () => void) {
    this.#loop = loop;
    this.#callback = callback;
  }

  get deadlineMs(): number | undefined {
    return this.#deadline;
  }

  set(deadlineMs: number): void {
    if (Number.isNaN(deadlineMs)) throw new RangeError('a timer was set to NaN');
    this.#deadline = deadlineMs;
    this.#loop.arm(this, this.entry === undefined || deadlineMs < this.entryAt);
  }

  cancel(): void {
    this.#deadline = undefined;
    this.#loop.disarm(this);
  }

  fire(): void {
    this.entry = undefined;
    this.cancel();
    this.#callback();
  }
}

class Heap {
  readonly #items: Entry[] = [];

  peek(): Entry | undefined {
    return this.#items[0];
  }

  push(entry: Entry): void {
    const items = this.#items;
    let i = items.length;
    items.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = items[parent] as Entry;
      if (!before(entry, above)) break;
      items[i] = above;
      i = parent;
    }
    items[i] = entry;
  }

  pop(): void {
    const items = this.#items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && before(items[child + 1] as Entry, items[child] as Entry)) child++;
      const below = items[child] as Entry;
      if (!before(below, last)) break;
      items[i] = below;
      i = child;
    }
    items[i] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
