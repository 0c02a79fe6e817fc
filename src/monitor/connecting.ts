/** Monitors that connect to somebody who listens, once or again and again. */
import * as net from 'node:net';
import type { Sockets } from '../net/index.ts';
import { toHostError } from '../node/index.ts';
import { QapiError } from '../qapi/index.ts';
import type { ChardevAddress } from './chardev.ts';
import type { MonitorContext, QmpMonitor } from './monitor.ts';
import {
  adoptSocket,
  type Client,
  checkSocket,
  checkUnixPath,
  hostInFamily,
  isResolution,
  nativeClient,
  portNumber,
  type SocketDevice,
  unresolved,
} from './socket-device.ts';
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
    this.address = addressText(device.address);
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
    const { address } = this.#device;
    const socket = await dial(this.#device, this.#context.options.sockets, signal);
    this.counters.sessions++;
    const session = socketSession(socket, this.#context, !('path' in address));
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

async function dial(device: SocketDevice, sockets: Sockets | undefined, signal: AbortSignal): Promise<Client> {
  const { address, noDelay } = device;
  const native = sockets?.can.descriptors === true ? sockets : undefined;
  if ('fd' in address) return native === undefined ? nodeStream(address.fd) : givenStream(address.fd, native);
  if ('path' in address) {
    checkUnixPath(address.path);
    return native === undefined
      ? connect(address, { path: address.path }, signal)
      : connectNatively(address.path, native, signal);
  }
  const port = portNumber(address);
  return connect(address, { host: await hostInFamily(address, true), port, noDelay }, signal);
}

function nodeStream(fd: number): net.Socket {
  checkSocket(fd);
  return new net.Socket({ fd, allowHalfOpen: true, readable: true, writable: true });
}

function givenStream(fd: number, sockets: Sockets): Client {
  const adopted = adoptSocket(fd, sockets);
  if (adopted.kind === 'stream') return nativeClient(adopted.socket, sockets);
  void (adopted.kind === 'listener' ? adopted.listener : adopted.socket).close();
  throw new QapiError(
    adopted.kind === 'listener'
      ? `File descriptor '${fd}' is a listening socket: add server=on`
      : `File descriptor '${fd}' is not a stream socket`,
  );
}

function connectNatively(path: string, sockets: Sockets, signal: AbortSignal): Promise<Client> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const socket = sockets.connect({ family: 'unix', path }, { passDescriptors: true, reserved: true });
    const abort = (): void => {
      socket.close();
      reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.onEvent = (event) => {
      signal.removeEventListener('abort', abort);
      if (event === 'connected') {
        resolve(nativeClient(socket, sockets));
        return;
      }
      reject(connectError({ path }, socket.error));
      socket.close();
    };
  });
}

function connect(address: ChardevAddress, where: net.NetConnectOpts, signal: AbortSignal): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...where, allowHalfOpen: true });
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
  if ('host' in address && isResolution(error)) return unresolved(address, message);
  const name = 'host' in address ? `${address.host}:${address.port}` : 'path' in address ? address.path : '';
  return new QapiError(`Failed to connect to '${name}': ${message}`, { cause: error });
}

function addressText(address: ChardevAddress): string {
  if ('fd' in address) return `fd:${address.fd}`;
  return 'path' in address ? `unix:${address.path}` : `tcp:${address.host}:${address.port}`;
}
