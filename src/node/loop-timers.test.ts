import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FLUSH, PRODUCE } from '../net/index.ts';
import { createNodeHost } from './host.ts';
import { NodeBatchLoop } from './loop.ts';
import { NodeTimers } from './timers.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('batch loop', () => {
  it('one owner that throws does not stop the others', async () => {
    const errors: unknown[] = [];
    const ran: string[] = [];
    const loop = new NodeBatchLoop((error) => errors.push(error));
    loop.atBatchEnd(PRODUCE, {
      run: () => {
        throw new RangeError('broken');
      },
    });
    loop.atBatchEnd(PRODUCE, { run: () => ran.push('produce') });
    loop.atBatchEnd(FLUSH, { run: () => ran.push('flush') });
    await turn();
    expect(ran).toEqual(['produce', 'flush']);
    expect(errors).toEqual([new RangeError('broken')]);
  });

  it('runs after all ready descriptors of a poll, before timers', async () => {
    const loop = new NodeBatchLoop(() => {});
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      setTimeout(() => {
        setTimeout(() => {
          order.push('timeout');
          resolve();
        }, 0);
        loop.atBatchEnd(FLUSH, { run: () => order.push('batch') });
      }, 0);
    });
    expect(order).toEqual(['batch', 'timeout']);
  });

  it('a batch whose events come together ends with the last of them', async () => {
    const loop = new NodeBatchLoop(() => {});
    const order: string[] = [];
    loop.atBatchEnd(PRODUCE, { run: () => order.push('from before') });
    loop.beginBatch();
    loop.atBatchEnd(FLUSH, { run: () => order.push('flush') });
    loop.atBatchEnd(PRODUCE, {
      run: () => {
        order.push('produce');
        loop.nextTurn({ run: () => order.push('next turn') });
      },
    });
    expect(order).toEqual([]);
    loop.endBatch();
    expect(order).toEqual(['from before', 'produce', 'flush']);
    await turn();
    expect(order).toEqual(['from before', 'produce', 'flush', 'next turn']);
    loop.atBatchEnd(FLUSH, { run: () => order.push('from elsewhere') });
    await turn();
    expect(order.at(-1)).toBe('from elsewhere');
  });

  it('nothing runs after close', async () => {
    const loop = new NodeBatchLoop(() => {});
    const task = { run: () => expect.unreachable('ran') };
    loop.atBatchEnd(PRODUCE, task);
    loop.close();
    loop.nextTurn(task);
    await turn();
    await turn();
    const inBatch = new NodeBatchLoop(() => {});
    inBatch.beginBatch();
    inBatch.atBatchEnd(PRODUCE, task);
    inBatch.close();
    inBatch.endBatch();
    await turn();
  });
});

describe('timers', () => {
  let now = 0;
  const clock = { now: () => now, wallMicros: () => 0 };

  beforeEach(() => {
    now = 1000;
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const pass = (ms: number): void => {
    now += ms;
    vi.advanceTimersByTime(ms);
  };

  it('keeps one timeout for any number of timers, and none when all are cancelled', () => {
    const timers = new NodeTimers(clock, () => {});
    const made = Array.from({ length: 100 }, () => timers.create(() => {}));
    for (const [i, timer] of made.entries()) timer.set(2000 + ((i * 37) % 100));
    expect(vi.getTimerCount()).toBe(1);
    for (const timer of made) timer.cancel();
    expect(vi.getTimerCount()).toBe(0);
    expect(timers.size).toBe(0);
  });

  it('property: fires each at its last deadline, in order, against a naive model', () => {
    const errors: unknown[] = [];
    const timers = new NodeTimers(clock, (error) => errors.push(error));
    const fired: number[] = [];
    const deadlines = new Map<number, number>();
    const made = Array.from({ length: 40 }, (_, i) =>
      timers.create(() => {
        fired.push(i);
        expect(deadlines.get(i)).toBeLessThanOrEqual(now);
        expect(deadlines.get(i)).toBeGreaterThan(now - 11);
        deadlines.delete(i);
      }),
    );
    let seed = 7;
    const random = (limit: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % limit;
    };
    for (let step = 0; step < 4000; step++) {
      const i = random(40);
      const what = random(10);
      if (what < 6) {
        const at = now + 1 + random(200);
        made[i]?.set(at);
        deadlines.set(i, at);
      } else if (what < 8) {
        made[i]?.cancel();
        deadlines.delete(i);
      } else {
        pass(10);
        expect(Math.min(...deadlines.values())).toBeGreaterThan(now);
      }
      for (const [j, timer] of made.entries()) {
        if (timer.deadlineMs !== deadlines.get(j)) expect.unreachable(`timer ${j} in step ${step}`);
      }
    }
    expect(fired.length).toBeGreaterThan(100);
    for (let i = 0; i < 30; i++) pass(10);
    expect(errors).toEqual([]);
    expect(deadlines.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('moving later only stores: no timeout is set again', () => {
    const timers = new NodeTimers(clock, () => {});
    const timer = timers.create(() => {});
    timer.set(1100);
    const set = vi.spyOn(globalThis, 'setTimeout');
    for (let i = 0; i < 1000; i++) timer.set(1100 + i);
    expect(set).not.toHaveBeenCalled();
    timer.set(1050);
    expect(set).toHaveBeenCalledTimes(1);
    set.mockRestore();
    timers.close();
  });

  it('a callback that sets itself to now does not hang the turn', () => {
    const timers = new NodeTimers(clock, () => {});
    let count = 0;
    const timer = timers.create(() => {
      count++;
      timer.set(now);
    });
    timer.set(now + 1);
    pass(1);
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(5);
    timers.close();
    expect(vi.getTimerCount()).toBe(0);
    timer.set(now + 5);
    expect(timer.deadlineMs).toBe(undefined);
  });

  it('a deadline beyond what setTimeout takes', () => {
    const timers = new NodeTimers(clock, () => {});
    let fired = false;
    timers
      .create(() => {
        fired = true;
      })
      .set(now + 30 * 24 * 3600_000);
    pass(29 * 24 * 3600_000);
    expect(fired).toBe(false);
    pass(25 * 3600_000);
    expect(fired).toBe(true);
  });
});

it('random words are used once', () => {
  const host = createNodeHost();
  const seen = new Set(Array.from({ length: 2000 }, () => host.random.u32()));
  expect(seen.size).toBeGreaterThan(1998);
});
