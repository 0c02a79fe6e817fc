/** connect() on Node: QMP over unix and TCP sockets, and over whatever a page could give. */
import * as net from 'node:net';
import {
  type Connect,
  type ConnectOptions,
  openWithin,
  type QmpAddress,
  QmpSessionError,
  type QmpTransport,
  transportOf,
  type WebSocketLike,
} from '../qmp/index.ts';
import { toHostError } from './errno.ts';

/** After close(), what the peer does not take within this time is dropped. */
const CLOSE_LIMIT_MS = 500;

/**
 * Opens a session with QEMU or netyard.
 * @param to `unix:PATH`, a bare path, `tcp:HOST:PORT`, `{ path }`, `{ host, port }`, a WebSocket or a transport
 * @throws QmpSessionError NY_QMP_USAGE, NY_QMP_DISCONNECTED, NY_QMP_PROTOCOL, NY_QMP_TIMEOUT; the signal's reason
 * @example await using qmp = await connect('unix:/run/vm.qmp', { timeoutMs: 5000 });
 */
export const connect: Connect = async (
  to: QmpAddress | QmpTransport | WebSocketLike,
  options: ConnectOptions = {},
): Promise<never> => {
  const transport = transportOf(to);
  const session = await openWithin(options, (signal) => transport ?? dial(socketAddress(to as QmpAddress), signal));
  return session as never;
};

/** @throws QmpSessionError NY_QMP_USAGE */
export function socketAddress(address: QmpAddress): { path: string } | { host: string; port: number } {
  if (typeof address !== 'string') {
    return 'path' in address ? { path: address.path } : checkedPort(address.host, address.port, address);
  }
  if (!address.startsWith('tcp:')) return { path: address.replace(/^unix:/, '') };
  const match = /^tcp:(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(address);
  return checkedPort(match?.[1] ?? (match?.[2] || 'localhost'), Number(match?.[3]), address);
}

function checkedPort(host: string, port: number, address: unknown): { host: string; port: number } {
  if (Number.isInteger(port) && port > 0 && port <= 65535) return { host, port };
  const given = typeof address === 'string' ? address : JSON.stringify(address);
  throw new QmpSessionError('NY_QMP_USAGE', `'${given}' is no address: use unix:PATH or tcp:HOST:PORT`);
}

function dial(
  address: { path: string } | { host: string; port: number },
  signal: AbortSignal | undefined,
): Promise<QmpTransport> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...address, noDelay: true });
    const abort = (): void => {
      socket.destroy();
      reject(signal?.reason);
    };
    const settled = (): void => {
      signal?.removeEventListener('abort', abort);
      socket.off('error', failed);
      socket.off('connect', connected);
    };
    const failed = (error: Error): void => {
      settled();
      const name = 'path' in address ? address.path : `${address.host}:${address.port}`;
      const cause = toHostError(error);
      reject(new QmpSessionError('NY_QMP_DISCONNECTED', `Failed to connect to '${name}': ${cause.message}`, { cause }));
    };
    const connected = (): void => {
      settled();
      resolve(new SocketTransport(socket));
    };
    socket.once('error', failed);
    socket.once('connect', connected);
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}

class SocketTransport implements QmpTransport {
  onClosed: (error?: Error) => void = () => {};
  readonly #socket: net.Socket;
  #onData: ((bytes: Uint8Array) => void) | undefined;
  #error: Error | undefined;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('error', (error) => {
      this.#error = toHostError(error);
    });
    socket.on('close', () => this.onClosed(this.#error));
  }

  get onData(): (bytes: Uint8Array) => void {
    return this.#onData ?? (() => {});
  }

  /** Bytes flow once somebody takes them. */
  set onData(handler: (bytes: Uint8Array) => void) {
    if (this.#onData === undefined) this.#socket.on('data', (bytes) => this.#onData?.(bytes));
    this.#onData = handler;
  }

  send(text: string): void {
    if (this.#socket.writable) this.#socket.write(text, 'latin1');
  }

  close(): void {
    const limit = setTimeout(() => this.#socket.destroy(), CLOSE_LIMIT_MS);
    this.#socket.once('close', () => clearTimeout(limit));
    this.#socket.destroySoon();
  }
}
