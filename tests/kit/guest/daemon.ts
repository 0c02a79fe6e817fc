/** The built program as a child process, in a runtime folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { connectQmp, type QmpWire } from './qmp-wire.ts';

/** The built program; `npm run build` makes it. */
export const PROGRAM = new URL('../../../dist/program/main.js', import.meta.url).pathname;

export interface DaemonOptions {
  readonly name: string;
  /** $XDG_RUNTIME_DIR of the daemon. */
  readonly runtime: string;
  /** Arguments after -name; none gives the default yard. */
  readonly args?: readonly string[];
  /** What to run instead of the build in dist/. */
  readonly program?: readonly string[];
  /** Program and arguments that it is started through; it must exec what follows. */
  readonly prefix?: readonly string[];
}

export interface Daemon {
  readonly pid: number;
  /** Where guests connect to the default yard. */
  readonly guestSocket: string;
  readonly qmpSocket: string;
  readonly qmp: QmpWire;
  /** Standard output and error so far. */
  output(): string;
  /** Resolves to the exit status, or the signal's name. */
  readonly exited: Promise<number | string>;
  /** Sends the signal and resolves to the exit status, or the signal's name. Idempotent. */
  end(signal?: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<number | string>;
}

/** Starts a yard and resolves when its monitor has greeted. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const folder = join(options.runtime, 'netyard', options.name);
  const qmpSocket = join(folder, 'qmp.sock');
  const program = options.program ?? [process.execPath, PROGRAM];
  const command = [...(options.prefix ?? []), ...program, '-name', options.name];
  const child = spawn(command[0]!, [...command.slice(1), ...(options.args ?? [])], {
    env: { ...process.env, XDG_RUNTIME_DIR: options.runtime, XDG_STATE_HOME: `${options.runtime}/state` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exited = new Promise<number | string>((resolve) => {
    child.on('exit', (status, signal) => resolve(signal ?? status ?? -1));
    child.on('error', (error) => resolve(error.message));
  });
  const qmp = await greeted(child, qmpSocket, () => output);
  return {
    pid: child.pid ?? -1,
    guestSocket: join(folder, 'guests.sock'),
    qmpSocket,
    qmp,
    output: () => output,
    exited,
    end: async (signal = 'SIGTERM') => {
      qmp.close();
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      return exited;
    },
  };
}

async function greeted(child: ChildProcess, path: string, output: () => string): Promise<QmpWire> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline && child.exitCode === null && child.signalCode === null) {
    if (existsSync(path)) {
      try {
        return await connectQmp(path);
      } catch {
        // A socket of an earlier life, or one not listening yet.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill('SIGKILL');
  throw new Error(`netyard did not start: no monitor at ${path}\n${output()}`);
}
