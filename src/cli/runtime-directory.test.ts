import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeRuntimeDirectory, ownDirectory, runtimeRoot } from './runtime-directory.ts';
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

// In a process of its own: what this is about would hang the tests.
test.runIf(process.platform === 'linux')('a place where nothing can be made is an error, not an endless loop', () => {
  const module = new URL('./runtime-directory.ts', import.meta.url).href;
  const script = `
    import { makeRuntimeDirectory } from ${JSON.stringify(module)};
    try { makeRuntimeDirectory('lab'); } catch (error) { console.log(error.code); }`;
  const made = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    env: { ...process.env, XDG_RUNTIME_DIR: '/proc' },
    timeout: 10_000,
  });
  expect(made.stdout.toString()).toMatch(/^(ENOENT|EACCES)$/m);
});

test('directories above the runtime directory are made, private too', () => {
  process.env['XDG_RUNTIME_DIR'] = join(root, 'a', 'b');
  expect(makeRuntimeDirectory('lab')).toBe(join(root, 'a', 'b', 'netyard', 'lab'));
  expect(statSync(join(root, 'a')).mode & 0o777).toBe(0o700);
});

test('a file where the directory should be is named with what to do', () => {
  writeFileSync(join(root, 'netyard'), '');
  expect(() => makeRuntimeDirectory('lab')).toThrow('is not a directory of this user: remove it');
});

test('a relative XDG_RUNTIME_DIR is no place to find a yard again: it is ignored', () => {
  process.env['XDG_RUNTIME_DIR'] = 'relative/dir';
  const found = runtimeRoot();
  delete process.env['XDG_RUNTIME_DIR'];
  expect(found).toBe(runtimeRoot());
});

test.runIf(process.getuid?.() === 0)('a user without an entry in passwd has a place', () => {
  const module = new URL('./runtime-directory.ts', import.meta.url).href;
  const script = `
    import { runtimeRoot } from ${JSON.stringify(module)};
    process.setuid(12345);
    delete process.env.XDG_RUNTIME_DIR;
    console.log(runtimeRoot());`;
  const found = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
  expect(found.stdout.toString().trim()).toBe(join(tmpdir(), 'netyard-12345'));
});
