/** Monitors that connect to somebody who listens, once or again and again. */
import * as net from 'node:net';
import { toHostError } from '../node/index.ts';
import { QapiError } from '../qapi/index.ts';
import type { ChardevAddress } from './chardev.ts';
import type { MonitorContext, QmpMonitor } from './monitor.ts';
import { checkUnixPath, isResolution, portNumber, type SocketDevice, unresolved } from './socket-device.ts';
import { type StreamSession, socketSession } from './stream-session.ts';

/**
 * Connects. With a reconnect time, failures are not errors: the next attempt follows.
 * @throws QapiError with QEMU's text; the signal's reason
 */
export async function startConnecting(device: SocketDevice, context: MonitorContext): Promise<QmpMonitor> {
  const monitor = new ConnectingMonitor(device, context);
  await monitor.start();
  return monitor;
}

class ConnectingMonitor implements QmpMonitor {
  readonly address: string;
  readonly usesStdio = false;
  readonly counters: MonitorContext['counters'];
  readonly #device: SocketDevice;
  readonly #context: MonitorContext;
  #session: StreamSession | undefined;
  #retry: NodeJS.Timeout | undefined;
  readonly #closed = new AbortController();

  constructor(device: SocketDevice, context: MonitorContext) {
    const { address } = device;
    this.address = 'path' in address ? `unix:${address.path}` : `tcp:${address.host}:${address.port}`;
    this.#device = device;
    this.#context = context;
    this.counters = context.counters;
  }

  get clients(): number {
    return this.#session === undefined ? 0 : 1;
  }

  async start(): Promise<void> {
    const { signal } = this.#context.options;
    try {
      await this.#connect(signal === undefined ? this.#closed.signal : AbortSignal.any([signal, this.#closed.signal]));
    } catch (error) {
      if (this.#device.reconnectMs === undefined || signal?.aborted === true) throw error;
      this.#again();
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    clearTimeout(this.#retry);
    await this.#session?.close();
  }

  async #connect(signal: AbortSignal): Promise<void> {
    const socket = await dial(this.#device, signal);
    this.counters.sessions++;
    const session = socketSession(socket, this.#context);
    this.#session = session;
    void session.closed.then(() => {
      this.#session = undefined;
      this.#again();
    });
  }

  #again(): void {
    const { reconnectMs } = this.#device;
    if (reconnectMs === undefined || this.#closed.signal.aborted) return;
    this.#retry = setTimeout(() => {
      this.#connect(this.#closed.signal).catch((error: unknown) => {
        this.#context.options.log?.debug('the QMP monitor could not connect', { error: String(error) });
        this.#again();
      });
    }, reconnectMs);
  }
}

function dial({ address, noDelay }: SocketDevice, signal: AbortSignal): Promise<net.Socket> {
  if ('path' in address) checkUnixPath(address.path);
  const where = 'path' in address ? { path: address.path } : { host: address.host, port: portNumber(address) };
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...where, noDelay, allowHalfOpen: true });
    const abort = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    const settled = (): void => signal.removeEventListener('abort', abort);
    socket.once('connect', () => {
      settled();
      socket.off('error', failed);
      resolve(socket);
    });
    const failed = (error: Error): void => {
      settled();
      reject(connectError(address, error));
    };
    socket.once('error', failed);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

function connectError(address: ChardevAddress, error: unknown): QapiError {
  const { message } = toHostError(error);
  if (!('path' in address) && isResolution(error)) return unresolved(address, message);
  const name = 'path' in address ? address.path : `${address.host}:${address.port}`;
  return new QapiError(`Failed to connect to '${name}': ${message}`, { cause: error });
}
