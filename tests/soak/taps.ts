/** Taps whose interface is deleted under them, and taps that are deleted properly. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { QmpWire } from '../kit/guest/qmp-wire.ts';
import type { Ledger } from './samples.ts';
import { pause } from './timing.ts';

const run = promisify(execFile);

export async function runTaps(qmp: QmpWire, name: string, signal: AbortSignal, ledger: Ledger): Promise<void> {
  ledger.expect('taps vanished', 'taps deleted');
  while (!signal.aborted) {
    await qmp.execute('netdev_add', { type: 'tap', id: 'passing', ifname: name, script: 'no', downscript: 'no' });
    // An interface that comes up is talked to at once: neighbour discovery and floods of the switch.
    await run('ip', ['link', 'set', name, 'up']);
    await pause(200 + Math.random() * 300, signal);
    if (Math.random() < 0.5) {
      await run('ip', ['link', 'del', name]);
      ledger.add('taps vanished');
      await pause(100, signal);
    }
    await qmp.execute('netdev_del', { id: 'passing' });
    ledger.add('taps deleted');
  }
}
