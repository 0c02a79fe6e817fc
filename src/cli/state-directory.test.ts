import { expect, test } from 'vitest';
import { makePlan } from './plan.ts';
import { scanOptions } from './scan-options.ts';
import { stateDirectory } from './state-directory.ts';

const of = (env: NodeJS.ProcessEnv, ...argv: string[]): string | undefined => {
  const scanned = scanOptions(argv);
  return stateDirectory(makePlan(scanned), scanned, env);
};

test('a yard whose name is said has one, by the XDG specification', () => {
  expect(of({ XDG_STATE_HOME: '/s', HOME: '/h' }, '-name', 'lab')).toBe('/s/netyard/lab');
  expect(of({ XDG_STATE_HOME: 'relative', HOME: '/h' }, '-name', 'lab')).toBe('/h/.local/state/netyard/lab');
  expect(of({ HOME: '/h' }, '-name', 'default')).toBe('/h/.local/state/netyard/default');
  expect(of({ HOME: '' }, '-name', 'lab')).toBeUndefined();
});

test('the default yard and one without defaults have none', () => {
  expect(of({ HOME: '/h' })).toBeUndefined();
  expect(of({ HOME: '/h' }, '-nodefaults', '-name', 'lab')).toBeUndefined();
});
