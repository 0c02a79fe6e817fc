/** Listening sockets over node:net. */
import { lstatSync, readFileSync, unlinkSync } from 'node:fs';
import * as net from 'node:net';
import { HostError, type Listener, type SocketAddress, type StreamSocket } from '../net/index.ts';
import { unixNameError } from './address.ts';
import type { Destroyable } from './destroyable.ts';
import { hostError, toHostError } from './errno.ts';
import { setPathMode } from './path-access.ts';
import type { SocketContext } from './socket-context.ts';
import { acceptedOrigin } from './stream-origin.ts';
import { NodeStreamSocket } from './stream-socket.ts';

/** Connections accepted but held unread while the listener is paused: Node cannot leave them in the kernel's queue. */
const MAX_HELD = 16;
const DEFAULT_BACKLOG = 128;
/** Every thousandth accept failure is logged after the first. */
const LOG_EVERY = 1000;

export interface ListenOptions {
  readonly backlog?: number;
  readonly v6Only?: boolean;
  readonly mode?: number;
  readonly reserved?: boolean;
  readonly share?: number;
}

export class NodeListener implements Listener, Destroyable {
  readonly address: SocketAddress;
  readonly #context: SocketContext;
  readonly #server: net.Server;
  readonly #held: net.Socket[] = [];
  readonly #reserved: boolean;
  readonly #share: number | undefined;
  #onConnection: ((socket: StreamSocket) => void) | undefined;
  #paused = false;
  #closing: Promise<void> | undefined;

  private constructor(context: SocketContext, server: net.Server, address: SocketAddress, options: ListenOptions) {
    this.#context = context;
    this.#reserved = options.reserved === true;
    this.#share = options.share;
    this.#server = server;
    this.address = address;
    context.open.add(this);
    server.on('connection', (accepted) => this.#accept(accepted));
    server.on('error', (error) => {
      if (context.counters.acceptErrors++ % LOG_EVERY === 0) {
        context.log.warn('accepting a connection failed', { error: toHostError(error).message });
      }
    });
  }

  /** Rejects with HostError. */
  static async listen(context: SocketContext, at: SocketAddress, options: ListenOptions): Promise<NodeListener> {
    if (at.family === 'unix') {
      const refused = unixNameError(at);
      if (refused !== undefined) throw refused;
      await removeStale(at.path);
    }
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    const backlog = options.backlog ?? DEFAULT_BACKLOG;
    return new Promise((resolve, reject) => {
      const failed = (error: unknown): void => reject(toHostError(error));
      server.once('error', failed);
      server.once('listening', () => {
        server.off('error', failed);
        if (context.isClosed) {
          server.close();
          reject(hostError('ECANCELED'));
          return;
        }
        resolve(new NodeListener(context, server, boundAddress(context, server, at), options));
      });
      try {
        if (at.family === 'unix') {
          server.listen({ path: at.path, backlog });
          // Bound synchronously above: nobody was served before the mode is right.
          if (options.mode !== undefined && server.listening && !at.path.startsWith('\0'))
            setPathMode(at.path, options.mode);
        } else if (at.family === 'vsock') {
          throw hostError('EAFNOSUPPORT');
        } else {
          server.listen({
            host: at.host,
            port: at.port,
            backlog,
            exclusive: true,
            ipv6Only: options.v6Only === true,
          });
        }
      } catch (error) {
        server.close();
        failed(error);
      }
    });
  }

  get onConnection(): (socket: StreamSocket) => void {
    return this.#onConnection ?? ignoreConnection;
  }

  set onConnection(handler: (socket: StreamSocket) => void) {
    this.#onConnection = handler;
    this.#serveHeld();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#serveHeld();
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      for (const socket of this.#held.splice(0)) socket.destroy();
      this.#context.open.delete(this);
      // The descriptor is closed and the path unlinked inside this call; 'close' itself would wait for connections.
      this.#server.close();
      setImmediate(resolve);
    });
    return this.#closing;
  }

  destroy(): void {
    void this.close();
  }

  #accept(accepted: net.Socket): void {
    if (this.#closing !== undefined) {
      accepted.destroy();
      return;
    }
    const { descriptors, open } = this.#context;
    if (!descriptors.mayAccept(open.size + this.#held.length, this.#reserved, this.#share)) {
      this.#context.counters.refusedConnections++;
      accepted.destroy();
      return;
    }
    if (!this.#paused && this.#onConnection !== undefined && this.#held.length === 0) {
      this.#serve(accepted);
      return;
    }
    if (this.#held.length >= MAX_HELD) {
      this.#context.counters.refusedConnections++;
      accepted.destroy();
      return;
    }
    accepted.on('error', ignoreError);
    this.#held.push(accepted);
  }

  #serveHeld(): void {
    while (!this.#paused && this.#onConnection !== undefined) {
      const accepted = this.#held.shift();
      if (accepted === undefined) return;
      if (!accepted.destroyed) this.#serve(accepted);
    }
  }

  #serve(accepted: net.Socket): void {
    accepted.off('error', ignoreError);
    const path = this.address.family === 'unix' ? this.address.path : undefined;
    const socket = new NodeStreamSocket(this.#context, acceptedOrigin(accepted, path, this.#share));
    try {
      this.#onConnection?.(socket);
    } catch (error) {
      this.#context.counters.callbackErrors++;
      this.#context.log.error('a connection handler threw', { error });
      socket.reset();
    }
  }
}

const ignoreConnection = (_socket: StreamSocket): void => {};
const ignoreError = (): void => {};

function boundAddress(context: SocketContext, server: net.Server, at: SocketAddress): SocketAddress {
  const bound = server.address();
  if (at.family === 'unix' || bound === null || typeof bound === 'string') return at;
  return context.addresses.inet(bound.address, bound.port, net.isIPv6(bound.address));
}

/** A socket file that nobody listens on is removed; one that is alive, or any other file, stays and bind refuses. */
export async function removeStale(path: string): Promise<void> {
  if (path.startsWith('\0')) return;
  try {
    if (!lstatSync(path).isSocket()) throw hostError('EADDRINUSE');
  } catch (error) {
    if (error instanceof HostError) throw error;
    return;
  }
  if (isListed(path) || (await isAlive(path))) throw hostError('EADDRINUSE');
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    const reason = toHostError(error);
    throw new HostError(reason.code, `Failed to unlink socket ${path}: ${reason.message}`, { cause: error });
  }
}

/** In the kernel's table as a listening socket: known without disturbing its owner by a connection. */
function isListed(path: string): boolean {
  try {
    const lines = readFileSync('/proc/net/unix', 'utf8').split('\n');
    return lines.some((line) => line.endsWith(` ${path}`) && line.includes(' 00010000 '));
  } catch {
    return false;
  }
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}
