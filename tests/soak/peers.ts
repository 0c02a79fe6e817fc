/** Machines on the yard's switch that misbehave: they flood, stop reading, stand still, and die in mid-frame. */
import { spawn } from 'node:child_process';
import type { Ledger } from './samples.ts';
import { pause } from './timing.ts';

const PEER_PROGRAM = new URL('peer.mjs', import.meta.url).pathname;
const AT_ONCE = 3;

export async function runPeers(socket: string, signal: AbortSignal, ledger: Ledger): Promise<void> {
  ledger.expect('peers killed', 'peers stopped');
  await Promise.all(Array.from({ length: AT_ONCE }, () => onePeerAfterAnother(socket, signal, ledger)));
}

async function onePeerAfterAnother(socket: string, signal: AbortSignal, ledger: Ledger): Promise<void> {
  while (!signal.aborted) {
    const child = spawn(process.execPath, [PEER_PROGRAM, socket], { stdio: ['ignore', 'ignore', 'inherit'] });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    await pause(500 + Math.random() * 1500, signal);
    if (Math.random() < 0.5) {
      child.kill('SIGSTOP');
      ledger.add('peers stopped');
      await pause(500 + Math.random() * 2000, signal);
      if (Math.random() < 0.5) child.kill('SIGCONT');
    }
    await pause(300, signal);
    child.kill('SIGKILL');
    ledger.add('peers killed');
    await exited;
  }
}
