/** Monitors that come, change things, talk nonsense and leave without a word. */
import * as net from 'node:net';
import { connectQmp } from '../kit/guest/qmp-wire.ts';
import type { Ledger } from './samples.ts';
import { pause } from './timing.ts';

const QUERIES = [
  'query-status',
  'query-net-clients',
  'query-net-switch',
  'query-net-leases',
  'query-net-forwards',
  'query-rx-filter',
];

const LOCAL = { type: 'inet', host: '127.0.0.1', port: '0' };
/** Discard: nobody listens there. */
const REMOTE = { type: 'inet', host: '127.0.0.1', port: '9' };

export async function runMonitors(path: string, signal: AbortSignal, ledger: Ledger): Promise<void> {
  ledger.expect('QMP commands', 'monitors');
  await Promise.all([0, 1].map((number) => oneMonitorAfterAnother(path, number, signal, ledger)));
}

async function oneMonitorAfterAnother(
  path: string,
  number: number,
  signal: AbortSignal,
  ledger: Ledger,
): Promise<void> {
  while (!signal.aborted) {
    await talk(path, number, ledger);
    ledger.add('monitors');
    await nonsense(path);
    await pause(20, signal);
  }
}

async function talk(path: string, number: number, ledger: Ledger): Promise<void> {
  const qmp = await connectQmp(path);
  const execute = async (command: string, parameters?: Record<string, unknown>): Promise<void> => {
    await qmp.execute(command, parameters);
    ledger.add('QMP commands');
  };
  try {
    for (const query of QUERIES) await execute(query);
    const id = `churn${number}`;
    await execute('netdev_add', { type: 'dgram', id, local: LOCAL, remote: REMOTE });
    await execute('set_link', { name: id, up: false });
    await execute('set_link', { name: id, up: true });
    await execute('announce-self', { initial: 50, max: 50, rounds: 1, step: 10 });
    await execute('netdev_del', { id });
    await execute('netdev_add', { type: 'hubport', id, hubid: number + 1 });
    await execute('netdev_del', { id });
  } finally {
    qmp.close();
  }
}

/** Half a command, or bytes that are none. */
function nonsense(path: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(path, () => {
      const text = Math.random() < 0.5 ? '{"execute":"qmp_capabilities"}{"exec' : '\u0000\u00ff{{{[[[}}}\n';
      socket.write(text, () => socket.destroy());
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });
}
