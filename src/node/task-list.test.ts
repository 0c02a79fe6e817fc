import { expect, it } from 'vitest';
import { TaskList } from './task-list.ts';

const onError = (error: unknown): never => {
  throw error;
};

for (const count of [1, 16, 17, 3000]) {
  it(`runs ${count} tasks once each, in the order they came`, () => {
    const list = new TaskList();
    const ran: number[] = [];
    const tasks = Array.from({ length: count }, (_, i) => ({ run: () => void ran.push(i) }));
    for (const task of tasks) expect(list.add(task)).toBe(true);
    for (const task of tasks) expect(list.add(task)).toBe(false);
    expect(list.size).toBe(count);
    list.run(onError);
    expect(ran).toEqual(tasks.map((_, i) => i));
    expect(list.size).toBe(0);
    list.run(onError);
    expect(ran).toHaveLength(count);
    for (const task of tasks) expect(list.add(task)).toBe(true);
  });
}

it('leaves what is added by a task to the next run, also the task itself', () => {
  const list = new TaskList();
  let runs = 0;
  const task = {
    run: () => {
      runs++;
      expect([list.add(task), list.add(task), list.size]).toEqual([true, false, 1]);
    },
  };
  list.add(task);
  list.run(onError);
  expect(runs).toBe(1);
  list.run(onError);
  expect([runs, list.size]).toEqual([2, 1]);
});

it('tells what one threw, and runs the others', () => {
  const list = new TaskList();
  const said: string[] = [];
  list.add({
    run: () => {
      throw new Error('broken');
    },
  });
  list.add({ run: () => void said.push('ran') });
  list.run((error) => void said.push((error as Error).message));
  expect(said).toEqual(['broken', 'ran']);
});
