import { chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeRuntimeDirectory, ownDirectory } from './runtime-directory.ts';
import { isYardName } from './target.ts';

let root = '';
const before = process.env['XDG_RUNTIME_DIR'];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'netyard-dir-'));
  process.env['XDG_RUNTIME_DIR'] = root;
});

afterEach(() => {
  if (before === undefined) delete process.env['XDG_RUNTIME_DIR'];
  else process.env['XDG_RUNTIME_DIR'] = before;
  rmSync(root, { recursive: true });
});

test('status and stop trust no directory behind a symbolic link', () => {
  mkdirSync(join(root, 'elsewhere'));
  mkdirSync(join(root, 'netyard'));
  symlinkSync(join(root, 'elsewhere'), join(root, 'netyard', 'lab'));
  expect(() => ownDirectory('lab')).toThrow('is not a directory of this user');
});

test.runIf(process.getuid?.() === 0)('status and stop trust no directory of another user', () => {
  makeRuntimeDirectory('lab');
  expect(ownDirectory('lab')).toBe(join(root, 'netyard', 'lab'));
  chownSync(join(root, 'netyard'), 12345, 12345);
  expect(() => ownDirectory('lab')).toThrow('is not a directory of this user');
});

test('a path is not the name of a yard', () => {
  mkdirSync(join(root, 'netyard'));
  for (const word of ['', '.', '..', '../x', 'a b', '-x']) {
    expect(isYardName(word)).toBe(false);
    expect(() => ownDirectory(word)).toThrow(`'${word}' is not the name of a yard`);
  }
  expect(() => ownDirectory('a'.repeat(300))).toThrow('the system takes at most 107');
});
