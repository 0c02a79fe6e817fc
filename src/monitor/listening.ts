/** Monitors that listen. */
import { existsSync } from 'node:fs';
import * as net from 'node:net';
import { dirname } from 'node:path';
import { type HostError, isInet, type Listener, type SocketAddress, type Sockets } from '../net/index.ts';
import { hostError, removeStale, setPathMode, toHostError } from '../node/index.ts';
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
  isTcpSocket,
  nativeClient,
  portNumber,
  type SocketDevice,
  unresolved,
} from './socket-device.ts';
import { type StreamSession, socketSession } from './stream-session.ts';

/** Clients at once on one socket: enough for tools, little enough that forgotten ones show. */
export const MAX_CLIENTS = 64;
/** A client turned away has this long to read why. */
const REFUSAL_LIMIT_MS = 500;
const SOCKET_MODE = 0o600;

/** @throws QapiError with QEMU's text; the signal's reason */
export async function startListening(device: SocketDevice, context: MonitorContext): Promise<QmpMonitor> {
  const monitor = await listeningMonitor(device, context);
  if (device.wait) {
    context.options.onWaiting?.(monitor.address);
    try {
      await monitor.firstClient(context.options.signal);
    } catch (error) {
      await monitor.close();
      throw error;
    }
  }
  return monitor;
}

async function listeningMonitor(device: SocketDevice, context: MonitorContext): Promise<ListeningMonitor> {
  const { address } = device;
  const { sockets } = context.options;
  if (sockets?.can.descriptors === true && !('host' in address)) {
    const listener =
      'path' in address ? await listenNatively(sockets, address.path) : givenListener(address.fd, sockets);
    const text = 'path' in address ? `unix:${address.path}` : `fd:${address.fd}`;
    const unprotect = protect(listener.address, context);
    const stop = (): void => {
      void listener.close();
      unprotect();
    };
    const monitor = new ListeningMonitor(stop, text, context);
    listener.onConnection = (socket) => monitor.accept(nativeClient(socket, sockets), isTcpSocket(socket));
    return monitor;
  }
  const server = net.createServer({ allowHalfOpen: true, noDelay: device.noDelay });
  await bind(server, address);
  const unprotect = protect(boundAddress(server), context);
  // The client's own address is unknown once it is gone, and what it sent is still there.
  const isTcp = boundAddress(server) !== undefined;
  // Closes the descriptor and unlinks the path in this call.
  const stop = (): void => {
    server.close();
    unprotect();
  };
  const monitor = new ListeningMonitor(stop, addressText(server, address), context);
  server.on('connection', (socket) => monitor.accept(socket, isTcp));
  server.on('error', (error) => {
    context.options.log?.warn('accepting a QMP client failed', { error: toHostError(error).message });
  });
  return monitor;
}

function givenListener(fd: number, sockets: Sockets): Listener {
  const adopted = adoptSocket(fd, sockets);
  if (adopted.kind === 'listener') return adopted.listener;
  void adopted.socket.close();
  throw new QapiError(`File descriptor '${fd}' is not a listening socket`);
}

/** In the turn in which it began to listen: no guest's connection comes between. */
function protect(bound: SocketAddress | undefined, { options }: MonitorContext): () => void {
  if (options.protectedAddresses === undefined || bound === undefined || !isInet(bound)) return () => {};
  return options.protectedAddresses.add(bound);
}

function boundAddress(server: net.Server): SocketAddress | undefined {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return undefined;
  return { family: net.isIPv6(bound.address) ? 'ipv6' : 'ipv4', host: bound.address, port: bound.port };
}

async function listenNatively(sockets: Sockets, path: string): Promise<Listener> {
  checkUnixPath(path);
  try {
    return await sockets.listen({ family: 'unix', path }, { mode: SOCKET_MODE, passDescriptors: true, reserved: true });
  } catch (error) {
    throw bindError({ path }, error);
  }
}

class ListeningMonitor implements QmpMonitor {
  readonly address: string;
  readonly usesStdio = false;
  readonly counters: MonitorContext['counters'];
  readonly #stop: () => void;
  readonly #context: MonitorContext;
  readonly #maxClients: number;
  readonly #sessions = new Set<StreamSession>();
  readonly #refused = new Set<Client>();
  #onFirst: () => void = () => {};
  #closing: Promise<void> | undefined;

  constructor(stop: () => void, address: string, context: MonitorContext) {
    this.#stop = stop;
    this.address = address;
    this.#context = context;
    this.counters = context.counters;
    this.#maxClients = context.options.maxClients ?? MAX_CLIENTS;
  }

  get clients(): number {
    return this.#sessions.size;
  }

  firstClient(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal?.reason);
      this.#onFirst = () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      if (signal?.aborted === true) abort();
      else signal?.addEventListener('abort', abort, { once: true });
    });
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#stop();
      for (const socket of this.#refused) socket.destroy();
      await Promise.all([...this.#sessions].map((session) => session.close()));
    })();
    return this.#closing;
  }

  accept(socket: Client, isTcp: boolean): void {
    if (this.#sessions.size >= this.#maxClients || this.#closing !== undefined) {
      this.#refuse(socket);
      return;
    }
    this.counters.sessions++;
    const session = socketSession(socket, this.#context, isTcp);
    this.#sessions.add(session);
    void session.closed.then(() => this.#sessions.delete(session));
    this.#onFirst();
  }

  #refuse(socket: Client): void {
    this.counters.refused++;
    socket.on('error', () => {});
    if (this.#refused.size >= this.#maxClients) {
      socket.destroy();
      return;
    }
    this.#refused.add(socket);
    const limit = setTimeout(() => socket.destroy(), REFUSAL_LIMIT_MS);
    socket.on('close', () => {
      clearTimeout(limit);
      this.#refused.delete(socket);
    });
    socket.resume();
    const desc = `Too many clients: ${this.#maxClients} are connected to this monitor`;
    socket.end(Buffer.from(`{"error": {"class": "GenericError", "desc": "${desc}"}}\r\n`, 'latin1'));
    socket.on('end', () => socket.destroySoon());
  }
}

async function bind(server: net.Server, address: ChardevAddress): Promise<void> {
  if ('path' in address) {
    checkUnixPath(address.path);
    await removeStale(address.path).catch((error: unknown) => {
      throw bindError(address, error);
    });
  }
  if ('fd' in address) checkSocket(address.fd);
  const host = 'host' in address ? await hostInFamily(address, false) : '';
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(bindError(address, error)));
    server.once('listening', resolve);
    if ('path' in address) listenPrivately(server, address.path);
    else if ('fd' in address) server.listen({ fd: address.fd });
    // Without a host: every address, of both families where there are both.
    else server.listen({ ...(host === '' ? {} : { host }), port: portNumber(address), exclusive: true });
  });
  server.removeAllListeners('error');
}

/** Binds inside listen(), with a mask that keeps others out from the first moment. */
function listenPrivately(server: net.Server, path: string): void {
  let mask: number | undefined;
  try {
    mask = process.umask(0o777 & ~SOCKET_MODE);
  } catch {
    // A worker may not change it: the mode is set below.
  }
  try {
    server.listen({ path });
    if (server.listening) setPathMode(path, SOCKET_MODE);
  } finally {
    if (mask !== undefined) process.umask(mask);
  }
}

function bindError(address: ChardevAddress, error: unknown): QapiError {
  if ('path' in address) {
    const { message } = unixBindError(address.path, error);
    const text = message.startsWith('Failed to ') ? message : `Failed to bind socket to ${address.path}: ${message}`;
    return new QapiError(text, { cause: error });
  }
  const { message, code } = toHostError(error);
  if ('fd' in address)
    return new QapiError(`File descriptor '${address.fd}' cannot be used: ${message}`, { cause: error });
  if (isResolution(error)) return unresolved(address, message);
  const start = code === 'EADDRINUSE' ? 'Failed to find an available port' : 'Failed to bind socket';
  return new QapiError(`${start}: ${message}`, { cause: error });
}

/** libuv reports a missing directory as EACCES, for the sake of another system. */
function unixBindError(path: string, error: unknown): HostError {
  const reason = toHostError(error);
  return reason.code === 'EACCES' && !existsSync(dirname(path)) ? hostError('ENOENT', error) : reason;
}

function addressText(server: net.Server, address: ChardevAddress): string {
  if ('path' in address) return `unix:${address.path}`;
  if ('fd' in address) return `fd:${address.fd}`;
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw hostError('ENOTCONN');
  const host = address.host === '' ? bound.address : address.host;
  return `tcp:${host.includes(':') ? `[${host}]` : host}:${bound.port}`;
}
