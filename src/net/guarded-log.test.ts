import { expect, it } from 'vitest';
import { guardedLog } from './guarded-log.ts';
import type { Log } from './host.ts';

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

it('what a log throws is counted, and told by the next line', () => {
  const lines: unknown[] = [];
  let isBroken = true;
  let failures = 0;
  const log = guardedLog(
    {
      ...silent,
      warn: (message, fields) => {
        if (isBroken) throw new TypeError('disk full');
        lines.push([message, fields]);
      },
    },
    () => failures++,
  );
  log.warn('a');
  log.warn('b', { n: 1 });
  expect(failures).toBe(2);
  isBroken = false;
  log.warn('c', { n: 2 });
  log.warn('d', { n: 3 });
  expect(lines).toEqual([
    ['c', { n: 2, lost: 2 }],
    ['d', { n: 3 }],
  ]);
});

it('one that fails later, and one that is no log, are no danger either', async () => {
  let failures = 0;
  const late = guardedLog(
    { ...silent, info: (() => Promise.reject(new TypeError('late'))) as Log['info'] },
    () => failures++,
  );
  late.info('x');
  await new Promise((resolve) => setImmediate(resolve));
  expect(failures).toBe(1);
  guardedLog({} as Log, () => failures++).error('x');
  expect(failures).toBe(2);
});

it('a log that is an object of a class keeps its this', () => {
  class Counting {
    count = 0;
    warn(): void {
      this.count++;
    }
  }
  const counting = new Counting();
  guardedLog(counting as unknown as Log).warn('x');
  expect(counting.count).toBe(1);
});
