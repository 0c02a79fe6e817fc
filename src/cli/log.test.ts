import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createLog, LINES_A_MINUTE, LINES_AT_ONCE, MAX_KINDS } from './log.ts';

interface Line {
  readonly level: string;
  readonly message: string;
  readonly suppressed?: number;
  readonly n?: number;
}

let lines: Line[] = [];
let now = 0;
const log = (level?: string) =>
  createLog({
    env: level === undefined ? {} : { NETYARD_LOG: level },
    write: (line) => {
      expect(line.endsWith('\n')).toBe(true);
      lines.push(JSON.parse(line) as Line);
    },
    now: () => now,
  });

beforeEach(() => {
  lines = [];
  now = 0;
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

it('of a flood of one kind so many lines are written, others are not held back', () => {
  const it = log();
  for (let n = 0; n < 1000; n++) it.warn('a peer broke the framing', { n });
  it.warn('something else');
  it.error('a peer broke the framing');
  expect(lines).toHaveLength(LINES_AT_ONCE + 2);
  expect(lines.slice(LINES_AT_ONCE).map(({ message }) => message)).toEqual([
    'something else',
    'a peer broke the framing',
  ]);
});

it('the next line of its kind says how many were held back', () => {
  const it = log();
  for (let n = 0; n < 100; n++) it.warn('x', { n });
  now += 60_000 / LINES_A_MINUTE;
  it.warn('x', { n: 100 });
  expect(lines.at(-1)).toMatchObject({ message: 'x', n: 100, suppressed: 100 - LINES_AT_ONCE });
  now += 60_000 / LINES_A_MINUTE;
  it.warn('x');
  expect(lines.at(-1)).not.toHaveProperty('suppressed');
});

it('after a minute they are summed up, once', () => {
  const it = log();
  for (let n = 0; n < 100; n++) it.warn('x');
  vi.advanceTimersByTime(60_000);
  expect(lines.slice(LINES_AT_ONCE)).toMatchObject([{ level: 'warn', message: 'x', suppressed: 100 - LINES_AT_ONCE }]);
  vi.advanceTimersByTime(600_000);
  expect(lines).toHaveLength(LINES_AT_ONCE + 1);
});

it('kinds without end share one allowance', () => {
  const it = log();
  for (let n = 0; n < 10_000; n++) it.warn(`kind ${n}`);
  expect(lines).toHaveLength(MAX_KINDS + LINES_AT_ONCE);
  vi.advanceTimersByTime(60_000);
  expect(lines.at(-1)).toMatchObject({
    message: 'lines of further kinds',
    suppressed: 10_000 - MAX_KINDS - LINES_AT_ONCE,
  });
});

it('each netdev and each port has its own allowance, and is named when lines are summed up', () => {
  const it = log();
  for (let guest = 0; guest < 60; guest++) it.info('lent', { netdev: 'u0', port: `g${guest}`, n: guest });
  expect(lines).toHaveLength(60);
  for (let n = 0; n < 100; n++) it.info('lent', { netdev: 'u0', port: 'g7', n });
  it.info('lent', { netdev: 'u0', port: 'g8' });
  it.info('lent', { netdev: 'u1', port: 'g7' });
  expect(lines).toHaveLength(60 + LINES_AT_ONCE - 1 + 2);
  it.sumUp();
  expect(lines.at(-1)).toMatchObject({ message: 'lent', netdev: 'u0', port: 'g7', suppressed: 101 - LINES_AT_ONCE });
  it.sumUp();
  vi.advanceTimersByTime(60_000);
  expect(lines).toHaveLength(60 + LINES_AT_ONCE + 2);
});

it('kinds that were quiet for a minute are forgotten', () => {
  const it = log();
  for (let n = 0; n < MAX_KINDS; n++) it.warn(`kind ${n}`);
  now += 30_000;
  for (let n = 0; n < 2; n++) it.warn('kind 0');
  now += 30_000;
  lines = [];
  for (let n = 0; n < 100; n++) it.warn(`further ${n}`);
  expect(lines).toHaveLength(100);
  for (let n = 0; n < 100; n++) it.warn('kind 0');
  expect(lines).toHaveLength(100 + LINES_AT_ONCE);
});

it('debugging shows everything; what is below the threshold counts for nothing', () => {
  const it = log('debug');
  for (let n = 0; n < 1000; n++) it.debug('x');
  expect(lines).toHaveLength(1000);
  lines = [];
  const quiet = log('warn');
  for (let n = 0; n < 1000; n++) quiet.info('x');
  vi.advanceTimersByTime(60_000);
  expect(lines).toEqual([]);
});

it('what comes and goes is told unless less is asked for', () => {
  const it = log();
  it.info('connected');
  it.debug('detail');
  createLog({ level: 'warn', env: {}, write: () => expect.unreachable() }).info('connected');
  createLog({ level: 'warn', env: { NETYARD_LOG: 'info' }, write: (line) => lines.push(JSON.parse(line)) }).info(
    'gone',
  );
  log('nonsense').info('taken for the default');
  expect(lines.map(({ message }) => message)).toEqual(['connected', 'gone', 'taken for the default']);
});

it('an error is readable, and big numbers are no error', () => {
  log().error('a callback threw', { error: new TypeError('no such thing'), big: 2n ** 64n });
  expect(lines[0]).toMatchObject({
    error: expect.stringContaining('TypeError: no such thing'),
    big: '18446744073709551616',
  });
});
