/** The two programs: as monitors to talk to, and as command lines that are tried once. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { PROGRAM } from '../../kit/guest/daemon.ts';
import { Program } from './raw-qmp.ts';

const RUN_LIMIT_MS = 30_000;
/** What makes a program end that has started well. */
const QUIT = '{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n';

export type Side = 'qemu' | 'netyard';
export const QEMU = 'qemu-system-x86_64';

const COMMANDS: Readonly<Record<Side, readonly string[]>> = {
  qemu: [QEMU, '-M', 'none', '-nodefaults', '-display', 'none'],
  netyard: [process.execPath, PROGRAM, '-nodefaults'],
};

/** Starts one with a monitor in `folder`. */
export function startProgram(side: Side, folder: string, label: string): Promise<Program> {
  const path = join(folder, `${side}-${label}.sock`);
  return Program.start(side, path, [...COMMANDS[side], '-qmp', `unix:${path},server=on,wait=off`]);
}

/**
 * Runs one with more options and lets it quit as soon as it is up.
 * @returns its exit status, then what it printed, with its own name replaced by `PROGRAM`. QMP on stdout and netyard's
 * log are left out, and what netyard says of its end.
 */
export function runOnce(side: Side, options: readonly string[]): Promise<string> {
  const [program, ...args] = [...COMMANDS[side], '-qmp', 'stdio', ...options];
  const child = spawn(program!, args, { timeout: RUN_LIMIT_MS });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // It may have ended before it reads.
  child.stdin.on('error', () => undefined);
  child.stdin.end(QUIT);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      const printed = stdout.startsWith('{"QMP"') ? '' : stdout;
      const name = side === 'qemu' ? QEMU : 'netyard';
      const said = stderr.replaceAll(/^(\{"time".*|netyard: terminating on the command 'quit')\n/gm, '');
      const errors = said.replaceAll(new RegExp(`^${name}: `, 'gm'), 'PROGRAM: ');
      resolve(`exit ${signal ?? status}\n${printed}${errors}`);
    });
  });
}

/** Calls `work` for each input, `width` at a time; results in order. */
export async function inParallel<T, R>(
  inputs: readonly T[],
  width: number,
  work: (input: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < inputs.length) {
      const index = next++;
      results[index] = await work(inputs[index]!);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}
