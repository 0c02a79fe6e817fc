import { describe, expect, it } from 'vitest';
import type { BatchTask } from '../net/host.ts';
import type { TcpFlow } from './tcp-flow.ts';
import { Rounds } from './tcp-rounds.ts';

/** Tasks run when told; what they throw is the loop's to deal with. */
class Loop {
  readonly tasks: BatchTask[] = [];
  readonly errors: unknown[] = [];

  atBatchEnd(_phase: number, task: BatchTask): void {
    if (!this.tasks.includes(task)) this.tasks.push(task);
  }

  nextTurn(task: BatchTask): void {
    this.atBatchEnd(0, task);
  }

  run(): void {
    for (const task of this.tasks.splice(0)) {
      try {
        task.run();
      } catch (error) {
        this.errors.push(error);
      }
    }
  }
}

const flowNamed = (name: string): TcpFlow =>
  ({ name, mss: 1460, state: 'ESTABLISHED', queued: false, ackQueued: false, ackPending: true }) as unknown as TcpFlow;

it('the flow of one port does not wait behind the many of another', () => {
  const loop = new Loop();
  const rounds = new Rounds(loop, () => 0);
  const served: string[] = [];
  rounds.produce = (flow, budget) => {
    served.push((flow as unknown as { name: string }).name);
    return budget;
  };
  const of = (name: string, ingress: number): TcpFlow => Object.assign(flowNamed(name), { ingress });
  for (let i = 0; i < 100; i++) rounds.schedule(of(`a${i}`, 1));
  rounds.schedule(of('b', 2));
  for (let i = 0; i < 3; i++) loop.run();
  expect(served.indexOf('b')).toBe(1);
  expect(served.filter((name) => name === 'b').length).toBeGreaterThan(1);
});

it('ports that came and went leave nothing behind, and nobody is forgotten', () => {
  const loop = new Loop();
  const rounds = new Rounds(loop, () => 0);
  const served = new Set<string>();
  rounds.produce = (flow) => {
    served.add((flow as unknown as { name: string }).name);
    return 0;
  };
  for (let i = 0; i < 500; i++) {
    rounds.schedule(Object.assign(flowNamed(`f${i}`), { ingress: i }));
    if (i % 3 === 0) loop.run();
  }
  for (let i = 0; i < 3; i++) loop.run();
  expect(served.size).toBe(500);
});

describe('one flow that throws', () => {
  it.each(['acknowledge', 'produce'] as const)(
    'in %s: those behind it have their turn, and the next batch too',
    (what) => {
      const loop = new Loop();
      const rounds = new Rounds(loop, () => 0);
      const served: string[] = [];
      rounds[what] = (flow: TcpFlow): number => {
        const { name } = flow as unknown as { name: string };
        if (name === 'bad') throw new Error('a defect');
        served.push(name);
        return 0;
      };
      const add = (flow: TcpFlow) => (what === 'produce' ? rounds.schedule(flow) : rounds.acknowledgeLast(flow));
      const flows = ['a', 'bad', 'b', 'c'].map(flowNamed);
      for (const flow of flows) add(flow);
      for (let i = 0; i < 3; i++) loop.run();
      expect(served).toEqual(['a', 'b', 'c']);
      expect(loop.errors).toHaveLength(1);
      for (const flow of flows) add(flow);
      for (let i = 0; i < 3; i++) loop.run();
      expect(served).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
    },
  );
});
