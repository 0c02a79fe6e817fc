/** A held command, with a program in the place of `unshare` that makes no namespaces. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { turns } from '../../tests/kit/native-host.ts';
import { holdCommand } from './netns-target.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ny-held-'));
  const unshare = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n';
  writeFileSync(join(folder, 'unshare'), unshare, { mode: 0o755 });
  vi.stubEnv('PATH', `${folder}:${process.env['PATH']}`);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

it.each([
  ['exit 7', 7],
  ['kill -KILL $$', 128 + constants.signals.SIGKILL],
])('%s once it is released', async (line, status) => {
  const held = await holdCommand(['sh', '-c', line]);
  held.release();
  expect(await held.ended).toBe(status);
});

it('one that dies while its network is being made has ended, whenever that is asked', async () => {
  const held = await holdCommand(['true']);
  held.process.kill('SIGTERM');
  await once(held.process, 'close');
  await turns(2);
  held.release();
  expect(await held.ended).toBe(128 + constants.signals.SIGTERM);
});

it('one that netyard lets down does not run its command', async () => {
  const held = await holdCommand(['true']);
  held.process.stdio[3]?.destroy();
  expect(await held.ended).toBe(125);
});
