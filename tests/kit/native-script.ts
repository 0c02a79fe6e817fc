/** Runs a script with the addon in a process of its own: what would end a process ends that one. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadNative } from '../../src/node/native/load.ts';

const LIMIT_MS = 120_000;

/** @throws RangeError without an addon */
function addonPath(): string {
  const loaded = loadNative();
  if ('reason' in loaded) throw new RangeError(loaded.reason);
  return loaded.path;
}

export interface ScriptEnd {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * @param script CommonJS, with the binding as `addon`
 * @param command what runs it: Node, or a program in front of Node
 */
export function runScript(script: string, command: readonly string[] = [], limitMs = LIMIT_MS): ScriptEnd {
  const text = `const addonPath = ${JSON.stringify(addonPath())};\nconst addon = require(addonPath);\n${script}`;
  const [program = process.execPath, ...rest] = [...command, process.execPath, '-e', text];
  // A folder of its own: what a script binds or opens by chance is gone with it.
  const cwd = mkdtempSync(join(tmpdir(), 'ny-script-'));
  try {
    const { stdout, stderr, status, signal } = spawnSync(program, rest, { cwd, encoding: 'utf8', timeout: limitMs });
    return { stdout, stderr, status, signal };
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}
