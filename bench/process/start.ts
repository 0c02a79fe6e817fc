/**
 * What a yard costs before it does anything: time from exec of the built program to the QMP greeting, beside
 * `node -e 0`, and idle resident memory beside a bare Node. Interleaved; needs the build.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROGRAM } from '../../tests/kit/guest/daemon.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 21);
const folder = mkdtempSync(join(tmpdir(), 'netyard-start-'));
const env = { ...process.env, XDG_RUNTIME_DIR: folder, XDG_STATE_HOME: `${folder}/state` };
const qmp = join(folder, 'netyard/start/qmp.sock');

try {
  const bare: number[] = [];
  const yard: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await timed(() => ended(node('-e', '0'))));
    let child: ChildProcess | undefined;
    yard.push(
      await timed(() => {
        child = node(PROGRAM, '-name', 'start');
        return greeting();
      }),
    );
    child?.kill('SIGTERM');
    if (child !== undefined) await ended(child);
  }
  const idle = node('-e', 'setInterval(() => {}, 1e9)');
  const daemon = node(PROGRAM, '-name', 'start');
  await greeting();
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const memory = [residentMiB(idle), residentMiB(daemon)];
  for (const child of [idle, daemon]) {
    child.kill('SIGTERM');
    await ended(child);
  }
  const [a, b] = [median(bare), median(yard)];
  process.stdout.write(
    [
      `| median of ${ROUNDS} | bare node | netyard | difference |`,
      '|---|---|---|---|',
      `| exec to exit, exec to greeting | ${a.toFixed(0)} ms | ${b.toFixed(0)} ms | ${(b / a).toFixed(2)} times |`,
      `| idle resident memory | ${memory[0]?.toFixed(1)} MiB | ${memory[1]?.toFixed(1)} MiB | ${((memory[1] ?? 0) - (memory[0] ?? 0)).toFixed(1)} MiB |`,
      '',
    ].join('\n'),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function node(...args: string[]): ChildProcess {
  return spawn(process.execPath, args, { env, stdio: 'ignore' });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
}

async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Resolves at the first byte of a greeting; tries again every millisecond until somebody listens. */
function greeting(): Promise<void> {
  return new Promise((resolve) => {
    const attempt = (): void => {
      const socket = createConnection(qmp);
      socket.once('data', () => {
        socket.destroy();
        resolve();
      });
      socket.once('error', () => setTimeout(attempt, 1));
    };
    attempt();
  });
}

function residentMiB(child: ChildProcess): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
