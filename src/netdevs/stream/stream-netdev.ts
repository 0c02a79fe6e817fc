/**
 * netdev `stream`: frames over one TCP or unix connection (QEMU net/stream.c).
 *
 * Theory of operation. As in QEMU everything about the connection happens after netdev_add has succeeded, and shows in
 * `info` and in the link: down until connected, down again without a peer.
 *   server: initializing -> listening -> connected -> listening ...; one client at a time, the next waits until it leaves;
 *   client: connecting -> connected, then or after a failure nothing more, or with `reconnect` connecting again after
 *   exactly that time, for ever, with names resolved anew.
 * A connection that ends leaves nothing behind: a frame half out or half in is forgotten with it.
 */

import type { Frame, Listener, NetClient, NetdevContext, SocketAddress, StreamSocket, Timer } from '../../net/index.ts';
import type { NetdevStreamOptions } from '../../schema/net.ts';
import {
  addressToQapi,
  addressUri,
  type ConnectAttempt,
  connectTo,
  isNumeric,
  listenAt,
  takeListener,
  takeStream,
} from '../address/index.ts';
import { StreamConnection } from '../framing/index.ts';
import { type StreamConfig, streamConfig } from './options.ts';

class StreamNetdev implements NetClient {
  readonly offloads = 0;
  readonly #context: NetdevContext;
  readonly #config: StreamConfig;
  readonly #reconnect: Timer;
  #info: string;
  #connection: StreamConnection | undefined;
  #listener: Listener | undefined;
  #attempt: ConnectAttempt | undefined;
  /** What the log said of the last failure: a client that tries for ever does not repeat it. */
  #told: string | undefined;
  #closed = false;

  constructor(context: NetdevContext, config: StreamConfig) {
    this.#context = context;
    this.#config = config;
    this.#info = config.server ? 'initializing' : 'connecting';
    this.#reconnect = context.host.timers.create(() => this.#connect());
    context.port.onReady = () => this.#connection?.resume();
    context.port.carrier(false);
  }

  /** Starts; resolves as soon as the outcome that needs no waiting for others is known. */
  async start(): Promise<void> {
    const { addr, server } = this.#config;
    // A name means something only now: both kinds fail here rather than in `info`.
    if (addr.type === 'fd') {
      if (server) this.#listens(takeListener(this.#context, addr.str));
      else this.#adopted(takeStream(this.#context, addr.str));
      return;
    }
    if (!server) {
      this.#connect();
      return;
    }
    const listening = this.#listen();
    if (isNumeric(addr)) await listening;
  }

  receive(frame: Frame): boolean {
    const connection = this.#connection;
    if (connection !== undefined) return connection.send(frame);
    this.#context.port.drop('not-connected');
    return true;
  }

  linkChanged(): void {}

  info(): string {
    return this.#info;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#reconnect.cancel();
    this.#attempt?.cancel();
    this.#connection?.close();
    this.#connection = undefined;
    await this.#listener?.close();
  }

  async #listen(): Promise<void> {
    const { host, signal } = this.#context;
    try {
      const listener = await listenAt('stream', this.#config.addr, host, signal, {});
      if (this.#closed) {
        await listener.close();
        return;
      }
      this.#listens(listener);
    } catch (error) {
      if (!this.#closed && !signal.aborted) this.#failed(error);
    }
  }

  #listens(listener: Listener): void {
    this.#listener = listener;
    this.#info = 'listening';
    listener.onConnection = (socket) => this.#accepted(listener, socket);
  }

  #adopted(socket: StreamSocket): void {
    this.#connected(socket, socket.remoteAddress);
  }

  #accepted(listener: Listener, socket: StreamSocket): void {
    listener.pause();
    // A unix client has no name: the event and info show ours.
    this.#connected(socket, listener.address.family === 'unix' ? listener.address : socket.remoteAddress);
  }

  #connect(): void {
    if (this.#closed) return;
    const { host, signal } = this.#context;
    this.#info = 'connecting';
    this.#attempt = connectTo(
      'stream',
      this.#config.addr,
      host,
      signal,
      (socket) => this.#connected(socket, socket.remoteAddress),
      (error) => {
        this.#failed(error);
        this.#reconnectLater();
      },
    );
  }

  #connected(socket: StreamSocket, address: SocketAddress | undefined): void {
    const { port, emit, id, host, log } = this.#context;
    this.#connection = new StreamConnection(socket, port, host.loop, (reason, detail) =>
      this.#disconnected(reason, detail),
    );
    this.#info = addressUri(address);
    this.#told = undefined;
    port.carrier(true);
    log.info(`stream '${id}': connected`, { address: this.#info });
    emit('NETDEV_STREAM_CONNECTED', { 'netdev-id': id, addr: addressToQapi(address) });
  }

  #disconnected(reason: string, detail: string): void {
    const { port, emit, id, log } = this.#context;
    this.#connection = undefined;
    port.carrier(false);
    const level = reason === 'closed by peer' ? 'info' : 'warn';
    log[level](`stream '${id}': connection ${reason}`, detail === '' ? undefined : { detail });
    emit('NETDEV_STREAM_DISCONNECTED', { 'netdev-id': id });
    if (this.#listener !== undefined) {
      this.#info = 'listening';
      this.#listener.resume();
    } else {
      this.#reconnectLater();
    }
  }

  #failed(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.#info = `error: ${text}`;
    if (text === this.#told) return;
    this.#told = text;
    this.#context.log.warn(`stream '${this.#context.id}': ${text}`);
  }

  #reconnectLater(): void {
    const { reconnectMs, addr } = this.#config;
    // A descriptor cannot be connected again.
    if (reconnectMs === 0 || this.#closed || addr.type === 'fd') return;
    this.#info = 'connecting';
    this.#reconnect.set(this.#context.host.clock.now() + reconnectMs);
  }
}

/** The driver. Rejects with QapiError for option combinations only. */
export async function createStream(options: NetdevStreamOptions, context: NetdevContext): Promise<NetClient> {
  const netdev = new StreamNetdev(context, streamConfig(options));
  await netdev.start();
  return netdev;
}
