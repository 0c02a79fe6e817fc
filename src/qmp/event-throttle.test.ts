import { expect, it } from 'vitest';
import { EventThrottle } from './event-throttle.ts';
import type { QmpEvent } from './target.ts';

function setUp() {
  let now = 0;
  const timers = new Set<{ at: number; run: () => void }>();
  const host = {
    clock: { now: () => now },
    timers: {
      create: (run: () => void) => {
        const timer = { at: Number.POSITIVE_INFINITY, run };
        timers.add(timer);
        return {
          set: (at: number) => {
            timer.at = at;
          },
          cancel: () => timers.delete(timer),
        };
      },
    },
  };
  const advance = (to: number): void => {
    now = to;
    for (const timer of [...timers]) {
      if (timer.at > now) continue;
      timer.at = Number.POSITIVE_INFINITY;
      timer.run();
    }
  };
  const sent: string[] = [];
  const limits = new Map([
    ['A', { periodMs: 1000 }],
    ['B', { periodMs: 1000, by: 'id' }],
  ]);
  const throttle = new EventThrottle(host, limits, (event) =>
    sent.push(`${event.event}${event.timestamp.microseconds}`),
  );
  const emit = (event: string, n: number, id?: string): void => {
    const base: QmpEvent = { event, timestamp: { seconds: 0, microseconds: n } };
    throttle.emit(id === undefined ? base : { ...base, data: { id } });
  };
  return { advance, sent, emit, throttle, timers };
}

it('sends the first at once and the last of the rest when the period is over', () => {
  const { advance, sent, emit } = setUp();
  emit('A', 1);
  emit('A', 2);
  emit('A', 3);
  emit('C', 1);
  emit('C', 2);
  expect(sent).toEqual(['A1', 'C1', 'C2']);
  advance(1000);
  expect(sent).toEqual(['A1', 'C1', 'C2', 'A3']);
  emit('A', 4);
  advance(2000);
  expect(sent.slice(4)).toEqual(['A4']);
  advance(3000);
  emit('A', 5);
  expect(sent.slice(5)).toEqual(['A5']);
});

it('limits by member, and leaves no timer behind', () => {
  const { sent, emit, throttle, timers } = setUp();
  emit('B', 1, 'x');
  emit('B', 2, 'y');
  emit('B', 3, 'x');
  expect(sent).toEqual(['B1', 'B2']);
  throttle.dispose();
  expect(timers.size).toBe(0);
});
