/**
 * Rate limits of events (QEMU monitor/monitor.c): of one kind at most one per period goes out; of those that come
 * sooner the last is kept and sent, with its own timestamp, when the period is over. No network event is limited.
 */
import { writeJson } from './json-writer.ts';
import type { QmpEvent } from './target.ts';

/** What the throttle needs of a Host. */
export interface ThrottleHost {
  readonly clock: { now(): number };
  readonly timers: { create(callback: () => void): { set(deadlineMs: number): void; cancel(): void } };
}

export interface EventLimit {
  readonly periodMs: number;
  /** A member of the data: events that differ in it are limited apart. */
  readonly by?: string;
}

interface Gate {
  readonly timer: { set(deadlineMs: number): void; cancel(): void };
  waiting: QmpEvent | undefined;
}

/** Kinds told apart by a member's value are capped; beyond, an event goes out at once. */
const MAX_GATES = 1024;

export class EventThrottle {
  readonly #host: ThrottleHost;
  readonly #limits: ReadonlyMap<string, EventLimit>;
  readonly #out: (event: QmpEvent) => void;
  readonly #gates = new Map<string, Gate>();

  constructor(host: ThrottleHost, limits: ReadonlyMap<string, EventLimit>, out: (event: QmpEvent) => void) {
    this.#host = host;
    this.#limits = limits;
    this.#out = out;
  }

  emit(event: QmpEvent): void {
    const limit = this.#limits.get(event.event);
    if (limit === undefined) {
      this.#out(event);
      return;
    }
    const key = limit.by === undefined ? event.event : `${event.event} ${writeJson(event.data?.[limit.by])}`;
    const gate = this.#gates.get(key);
    if (gate !== undefined) {
      gate.waiting = event;
      return;
    }
    if (this.#gates.size < MAX_GATES) this.#close(key, limit.periodMs);
    this.#out(event);
  }

  /** Forgets what waits. */
  dispose(): void {
    for (const gate of this.#gates.values()) gate.timer.cancel();
    this.#gates.clear();
  }

  #close(key: string, periodMs: number): void {
    const timer = this.#host.timers.create(() => {
      const event = gate.waiting;
      if (event === undefined) {
        this.#gates.delete(key);
        return;
      }
      gate.waiting = undefined;
      timer.set(this.#host.clock.now() + periodMs);
      this.#out(event);
    });
    const gate: Gate = { timer, waiting: undefined };
    this.#gates.set(key, gate);
    timer.set(this.#host.clock.now() + periodMs);
  }
}
