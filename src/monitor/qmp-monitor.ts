/**
 * QMP monitors: a target behind a listening socket, a connecting one, or stdio. A listening socket serves any number
 * of clients at once, each with a session of its own; QEMU serves one and lets the next hang.
 */
import type { Readable } from 'node:stream';
import { QapiError } from '../qapi/index.ts';
import type { QmpServerOptions, QmpTarget } from '../qmp/index.ts';
import type { MonitorSpec } from './chardev.ts';
import { startConnecting } from './connecting.ts';
import { startListening } from './listening.ts';
import type { MonitorContext, MonitorCounters, MonitorOptions, QmpMonitor } from './monitor.ts';
import { StreamSession } from './stream-session.ts';

/**
 * Starts a monitor. With wait=on (the default of `server`) it resolves when the first client is there.
 * @throws QapiError with QEMU's text when the address cannot be used; the signal's reason
 * @example
 * const monitor = await startQmpMonitor(
 *   { device: parseQmpDevice('unix:/run/lab.qmp,server=on,wait=off'), pretty: false }, yard);
 */
export async function startQmpMonitor(
  spec: MonitorSpec,
  target: QmpTarget,
  options: MonitorOptions = {},
): Promise<QmpMonitor> {
  const counters: MonitorCounters = { sessions: 0, refused: 0, overflowed: 0 };
  const sessionOptions: QmpServerOptions = {
    pretty: spec.pretty,
    onClosed: (reason) => {
      if (reason !== 'overflow') return;
      counters.overflowed++;
      options.log?.warn('a QMP client was disconnected: it does not read');
    },
    onDefect: (command, error) => options.log?.error('a QMP command failed unexpectedly', { command, error }),
  };
  const context: MonitorContext = { target, options, sessionOptions, counters };
  const { device } = spec;
  if (device.kind === 'stdio') return startStdio(context);
  return device.server ? startListening(device, context) : startConnecting(device, context);
}

/** Streams that a monitor sits on: two cannot share them. */
const busy = new WeakSet<Readable>();

function startStdio({ target, options, sessionOptions, counters }: MonitorContext): QmpMonitor {
  const { input, output } = options.stdio ?? { input: process.stdin, output: process.stdout };
  if (busy.has(input)) throw new QapiError('cannot use stdio by multiple character devices');
  busy.add(input);
  counters.sessions++;
  // The streams are the process's: nothing here closes them, and the end of input ends only the session.
  const session = new StreamSession(
    target,
    { input, output, end: () => session.detach(), destroy: () => session.detach() },
    sessionOptions,
    options.ready,
  );
  let open = 1;
  void session.closed.then(() => {
    open = 0;
    busy.delete(input);
  });
  return {
    address: 'stdio',
    usesStdio: true,
    counters,
    get clients() {
      return open;
    },
    close: () => session.close(),
  };
}
