/** Runs a script with the addon in a process of its own: what would end a process ends that one. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { loadNative } from '../../src/node/native/load.ts';

const LIMIT_MS = 120_000;

/** The file that was loaded. @throws RangeError without an addon */
export function addonPath(): string {
  loadNative();
  const path = Object.keys(createRequire(import.meta.url).cache).find((file) => file.endsWith('.node'));
  if (path === undefined) throw new RangeError('there is no addon');
  return path;
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
  const { stdout, stderr, status, signal } = spawnSync(program, rest, { encoding: 'utf8', timeout: limitMs });
  return { stdout, stderr, status, signal };
}
