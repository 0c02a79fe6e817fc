/** The yard's events: stamped when they happen, handed to every subscriber in order (QEMU monitor/monitor.c). */
import type { Clock } from '../net/index.ts';
import type { JsonObject } from '../qapi/index.ts';
import type { QmpEvent } from '../qmp/index.ts';

export type EventListener = (event: QmpEvent) => void;

export class EventBus {
  private readonly listeners = new Set<EventListener>();
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Returns the way to unsubscribe. */
  subscribe(listener: EventListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  emit(event: string, data?: JsonObject): void {
    if (this.listeners.size === 0) return;
    const micros = this.clock.wallMicros();
    const seconds = Math.floor(micros / 1e6);
    const timestamp = { seconds, microseconds: Math.floor(micros - seconds * 1e6) };
    const full: QmpEvent =
      data === undefined || Object.keys(data).length === 0 ? { event, timestamp } : { event, timestamp, data };
    for (const listener of [...this.listeners]) listener(full);
  }
}
