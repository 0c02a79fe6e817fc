/**
 * The soak: one daemon, a guest behind a tap with mixed flows, stream peers that die or stand still, taps that vanish,
 * monitors that come and go. Passes when everybody got on with their work, memory stayed flat and no descriptor is left.
 *
 * @example npm run soak -- --minutes 3
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Daemon, startDaemon } from '../kit/guest/daemon.ts';
import { findProgram } from '../kit/peers.ts';
import { checkEcho, runFlows } from './flows.ts';
import { runMonitors } from './monitors.ts';
import { openNamespace } from './namespace.ts';
import { runPeers } from './peers.ts';
import { Ledger, openDescriptors, Samples } from './samples.ts';
import { runTaps } from './taps.ts';
import { pause } from './timing.ts';

const GUEST = '10.0.2.15';
const HOST = '10.0.2.2';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '3' } } });
const seconds = Number(values.minutes) * 60;
if (!(seconds > 0)) throw new Error(`--minutes ${values.minutes}: give a number above 0`);
if (process.getuid?.() !== 0 || findProgram('ip') === undefined) {
  throw new Error('the soak makes taps and network namespaces: run it as root, with iproute2 installed');
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
const runtime = mkdtempSync(join(tmpdir(), 'netyard-soak-'));
const daemon = await startDaemon({ name: 'soak', runtime });
const namespace = openNamespace(`nysoak${process.pid}`);
let failures: string[];
try {
  failures = await soak(daemon);
} finally {
  await daemon.end('SIGKILL');
  namespace.close();
  rmSync(runtime, { recursive: true, force: true });
}
for (const failure of failures) console.error(`FAILED: ${failure}`);
console.log(failures.length === 0 ? 'soak passed' : `soak failed: ${failures.length} demands not met`);
process.exitCode = failures.length === 0 ? 0 : 1;

async function soak({ pid, qmp, guestSocket }: Daemon): Promise<string[]> {
  const ledger = new Ledger();
  const tap = `nysk${process.pid}`;
  const before = openDescriptors(pid);
  await qmp.execute('netdev_add', { type: 'tap', id: 'guest', ifname: tap, script: 'no', downscript: 'no' });
  namespace.adopt(tap, `${GUEST}/24`, HOST);

  const samples = new Samples(pid, ledger);
  const ended = new AbortController();
  const load = ended.signal;
  const timer = setTimeout(() => ended.abort(), seconds * 1000);
  stop.signal.addEventListener('abort', () => ended.abort());
  await Promise.all([
    samples.run(load, seconds),
    runFlows(namespace, HOST, load, ledger),
    runPeers(guestSocket, load, ledger),
    runTaps(qmp, `nyv${process.pid}`, load, ledger),
    runMonitors(daemon.qmpSocket, load, ledger),
  ]).finally(() => {
    clearTimeout(timer);
    // One that failed takes the others along.
    ended.abort();
  });
  // What a signal cut short proves nothing, but what it shows is checked all the same.
  const failures = [...ledger.idle(), ...samples.growth()];
  if (stop.signal.aborted) failures.push('ended by a signal before its time');

  if (!(await checkEcho(namespace, HOST))) failures.push('the guest cannot reach the host any more');
  await qmp.execute('netdev_del', { id: 'guest' });
  // Flows of UDP live for minutes: they end with their netdev.
  await qmp.execute('netdev_del', { id: 'user' });
  await qmp.execute('netdev_add', { type: 'user', id: 'user' });
  await pause(1000);
  const after = openDescriptors(pid);
  const left = after.filter((name) => !before.includes(name));
  console.log(`descriptors: ${before.length} before, ${after.length} after`);
  if (after.length > before.length)
    failures.push(`${after.length - before.length} descriptors left over: ${left.join(' ')}`);
  return failures;
}
