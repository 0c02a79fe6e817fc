import { expect, it } from 'vitest';
import { SessionTurns } from './session-turns.ts';

/** Time passes when somebody works; the loop comes round when it is told to. */
class Loop {
  now = 0;
  #tasks: (() => void)[] = [];
  readonly turns = new SessionTurns(
    () => this.now,
    (task) => this.#tasks.push(task),
  );
  comeRound(): void {
    for (const task of this.#tasks.splice(0)) task();
  }
  get isIdle(): boolean {
    return this.#tasks.length === 0;
  }
}

it('time is had until it is used up, and again when the loop came round', () => {
  const loop = new Loop();
  let pieces = 0;
  for (; pieces < 100 && loop.turns.hasTime(); pieces++) loop.now += 0.5;
  expect(pieces).toBe(4);
  expect(loop.turns.hasTime()).toBe(false);
  loop.comeRound();
  expect(loop.turns.hasTime()).toBe(true);
});

it('who waits goes on in the order of coming, one turn after the other', () => {
  const loop = new Loop();
  const ran: string[] = [];
  const work = (name: string): void => {
    ran.push(name);
    loop.now += 1;
    loop.turns.wait(() => work(name));
  };
  loop.turns.hasTime();
  for (const name of ['a', 'b', 'c']) loop.turns.wait(() => work(name));
  loop.comeRound();
  expect(ran).toEqual(['a', 'b']);
  loop.comeRound();
  expect(ran).toEqual(['a', 'b', 'c', 'a']);
});

it('without work nothing is asked of the loop', () => {
  const loop = new Loop();
  loop.turns.hasTime();
  loop.comeRound();
  expect(loop.isIdle).toBe(true);
});
