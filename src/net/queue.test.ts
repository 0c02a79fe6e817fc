import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frameBytes, markOf, plainFrame } from '../../tests/kit/probe.ts';
import { FairQueue, QUEUE_CAP_BYTES, QUEUE_CAP_FRAMES, QUEUE_RESERVED_BYTES, QueueBudget } from './fair-queue.ts';
import { Frame } from './frame.ts';
import { FrameQueue } from './frame-queue.ts';

function push(queue: FairQueue, ingress: number, frame: Frame): number {
  frame.ingress = ingress;
  return queue.push(frame);
}

const read = (frame: Frame) => frame.bytes.slice(frame.offset, frame.offset + frame.length);

describe('FrameQueue', () => {
  it('is a FIFO whose ends can both be taken, as an array is', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 18, max: 3000 }) },
      { weight: 1, arbitrary: fc.constantFrom(60_000, 65_549, 69_632) },
      { weight: 3, arbitrary: fc.constant('shift' as const) },
      { weight: 1, arbitrary: fc.constant('pop' as const) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new FrameQueue();
        const model: Uint8Array[] = [];
        const into = new Frame();
        let mark = 0;
        for (const action of steps) {
          if (action === 'shift') {
            queue.shift();
            model.shift();
          } else if (action === 'pop') {
            queue.pop();
            model.pop();
          } else {
            const bytes = frameBytes(1, 2, mark++, action);
            const frame = plainFrame(bytes);
            frame.gsoSize = mark & 0xffff;
            frame.checksumStart = mark & 0xff;
            queue.push(frame);
            model.push(bytes.slice());
            bytes.fill(0xee);
          }
          expect(queue.length).toBe(model.length);
          expect(queue.bytes).toBe(model.reduce((n, b) => n + b.length, 0));
          expect(queue.peek(into)).toBe(model.length > 0);
          const head = model[0];
          if (head === undefined) continue;
          expect(Buffer.compare(read(into), head)).toBe(0);
          expect(into.gsoSize).toBe((markOf(head) + 1) & 0xffff);
          expect(into.offset % 4).toBe(2);
        }
        for (const bytes of model) {
          queue.peek(into);
          expect(Buffer.compare(read(into), bytes)).toBe(0);
          queue.shift();
        }
      }),
      { numRuns: 100 },
    );
  });

  it('gives its memory back when it is empty', () => {
    const queue = new FrameQueue();
    for (let i = 0; i < 20; i++) queue.push(plainFrame(new Uint8Array(65536)));
    expect(queue.footprint).toBeGreaterThan(20 * 65536);
    for (let i = 0; i < 20; i++) queue.shift();
    expect(queue.footprint).toBe(0);
  });
});

describe('FairQueue', () => {
  const into = new Frame();
  const take = (queue: FairQueue) => {
    if (!queue.peek(into)) return undefined;
    const source = into.bytes[into.offset + 11];
    queue.shift();
    return source;
  };

  it('serves its ingresses in turn, each in order', () => {
    const arbitrary = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.boolean()), { maxLength: 300 });
    fc.assert(
      fc.property(arbitrary, (steps) => {
        const queue = new FairQueue(new QueueBudget());
        const model = new Map<number, number[]>();
        let mark = 0;
        for (const [ingress, serve] of steps) {
          if (serve) {
            if (!queue.peek(into)) continue;
            const source = into.bytes[into.offset + 11] as number;
            expect(markOf(read(into))).toBe(model.get(source)?.shift());
            queue.shift();
          } else {
            push(queue, ingress, plainFrame(frameBytes(9, ingress, mark)));
            if (!model.has(ingress)) model.set(ingress, []);
            model.get(ingress)?.push(mark++);
          }
          expect(queue.frames).toBe([...model.values()].reduce((n, list) => n + list.length, 0));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('is fair while all have something waiting, however unequal the loads', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 10, max: 60 }), { minLength: 2, maxLength: 8 }), (loads) => {
        const queue = new FairQueue(new QueueBudget());
        for (const [ingress, load] of loads.entries()) {
          for (let i = 0; i < load; i++) push(queue, ingress, plainFrame(frameBytes(9, ingress)));
        }
        const rounds = Math.min(...loads);
        const served = loads.map(() => 0);
        for (let i = 0; i < rounds * loads.length; i++) {
          const source = take(queue) as number;
          served[source] = (served[source] as number) + 1;
          expect(Math.max(...served) - Math.min(...served)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('drops the newest of the longest share when a cap is reached', () => {
    const queue = new FairQueue(new QueueBudget());
    for (let i = 0; i < QUEUE_CAP_FRAMES; i++) expect(push(queue, 1, plainFrame(frameBytes(9, 1, i)))).toBe(0);
    expect(push(queue, 2, plainFrame(frameBytes(9, 2)))).toBe(1);
    expect(push(queue, 1, plainFrame(frameBytes(9, 1)))).toBe(-1);
    expect(queue.frames).toBe(QUEUE_CAP_FRAMES);
    expect([take(queue), take(queue), take(queue)]).toEqual([1, 2, 1]);

    const heavy = new FairQueue(new QueueBudget());
    let dropped = 0;
    for (let i = 0; i < 100; i++) dropped += Math.abs(push(heavy, 1, plainFrame(new Uint8Array(65536))));
    for (let i = 0; i < 20; i++) expect(push(heavy, 2, plainFrame(frameBytes(9, 2)))).toBeGreaterThanOrEqual(0);
    expect(heavy.bytes).toBeLessThanOrEqual(QUEUE_CAP_BYTES);
    expect(dropped).toBe(36);
  });

  it('keeps whose turn it is when another share vanishes', () => {
    const queue = new FairQueue(new QueueBudget());
    const large = (ingress: number) => plainFrame(frameBytes(9, ingress, 0, 69632));
    push(queue, 0, large(0));
    push(queue, 0, large(0));
    push(queue, 1, large(1));
    expect(take(queue)).toBe(0);
    let next = 2;
    while (push(queue, next, large(next)) === 0) next++;
    expect([take(queue), take(queue)]).toEqual([1, 2]);
  });

  it('never drops a head that is being delivered', () => {
    const queue = new FairQueue(new QueueBudget());
    push(queue, 1, plainFrame(new Uint8Array(69632)));
    queue.resume = 5;
    for (let i = 0; i < 2000; i++) push(queue, 2, plainFrame(frameBytes(9, 2)));
    expect(queue.waiting).toBe(queue.frames - 1);
    queue.peek(into);
    expect(into.length).toBe(69632);
  });

  it('one small frame each of very many senders stays within the memory, and few frames wait then', () => {
    const budget = new QueueBudget(16 * 1024 * 1024);
    const frame = plainFrame(new Uint8Array(60));
    const stuck = Array.from({ length: 100 }, () => new FairQueue(budget));
    for (const queue of stuck) for (let ingress = 1; ingress <= 1000; ingress++) push(queue, ingress, frame);
    expect(budget.usedBytes).toBeLessThan(2 * 16 * 1024 * 1024);
    expect(stuck[0]?.frames).toBeGreaterThan(100);
    expect(stuck[99]?.frames).toBe(64);
    for (const queue of stuck) queue.clear();
    expect(budget.usedBytes).toBe(0);
  });

  it('leaves memory for the others when many clients read nothing', () => {
    const budget = new QueueBudget(64 * 1024 * 1024);
    const frame = plainFrame(new Uint8Array(65536));
    const stuck = Array.from({ length: 200 }, () => new FairQueue(budget));
    for (const queue of stuck) for (let i = 0; i < 80; i++) push(queue, 1, frame);
    expect(budget.usedBytes).toBeLessThanOrEqual(64 * 1024 * 1024 + 200 * 2 * QUEUE_RESERVED_BYTES);
    const late = new FairQueue(budget);
    expect([push(late, 1, frame), push(late, 1, frame), push(late, 1, frame)]).toEqual([0, 0, 0]);
    expect(late.isHigh).toBe(true);
    const before = stuck[0]?.bytes;
    push(stuck[0] as FairQueue, 2, frame);
    expect(stuck[0]?.bytes).toBe(before);
    for (const queue of stuck) queue.clear();
    // The memory behind what waits, not its bytes alone.
    expect(budget.usedBytes).toBeGreaterThanOrEqual(late.bytes);
    expect(late.isHigh).toBe(false);
    late.clear();
    expect(budget.usedBytes).toBe(0);
  });
});
