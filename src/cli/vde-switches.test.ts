import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, it } from 'vitest';
import { vdeSwitches } from './vde-switches.ts';

it('are those of the user where none is said, and relative ones, as far as they are there', async () => {
  const home = mkdtempSync(join(tmpdir(), 'ny-vde-'));
  const own = join(home, '.vde2/default.switch');
  const other = join(home, 'other');
  mkdirSync(own, { recursive: true });
  mkdirSync(other);
  const vde = (sock?: string) => vdeSwitches([{ type: 'vde', id: 'v', ...(sock === undefined ? {} : { sock }) }], home);
  expect(await vde()).toContain(own);
  expect(await vde('')).toContain(own);
  expect(await vde(`vde://${relative('.', other)}[3]`)).toEqual([other]);
  expect(await vde('/nowhere')).toEqual([]);
  expect(await vdeSwitches([{ type: 'user', id: 'u' }], home)).toEqual([]);
  rmSync(home, { recursive: true });
});
