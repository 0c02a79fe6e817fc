/**
 * netdev `socket` with listen= and connect= (QEMU net/socket.c): frames over one TCP connection, IPv4 only.
 *
 * Theory of operation. Binding and immediate connect errors are errors of netdev_add. The link is down without a
 * connection. A listener serves one client at a time, the next one when it leaves; a client never reconnects. There are no
 * events. Reading starts with the connection whatever was sent before (in QEMU a frame sent too early leaves it deaf).
 */
import type { Frame, NetClient, NetdevContext } from '../../net/index.ts';
import { HostError, type InetAddress, isInet, type Listener, type StreamSocket } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import { StreamConnection } from '../framing/index.ts';

/** Turns of the loop in which a connect that fails at once has told so. */
const IMMEDIATE_TURNS = 2;

class SocketStream implements NetClient {
  readonly offloads = 0;
  readonly #context: NetdevContext;
  #info = '';
  #listener: Listener | undefined;
  #pending: StreamSocket | undefined;
  #connection: StreamConnection | undefined;

  constructor(context: NetdevContext) {
    this.#context = context;
    context.port.onReady = () => this.#connection?.resume();
    context.port.carrier(false);
  }

  async listen(at: InetAddress): Promise<void> {
    const { host, signal } = this.#context;
    try {
      this.#listener = await host.sockets.listen(at);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      throw new QapiError(`can't bind ip=${at.host} to socket: ${error.message}`, { cause: error });
    }
    if (signal.aborted) {
      await this.#listener.close();
      signal.throwIfAborted();
    }
    this.#listener.onConnection = (socket) => {
      this.#listener?.pause();
      const from = socket.remoteAddress;
      this.#connected(socket, from !== undefined && isInet(from) ? `connection from ${from.host}:${from.port}` : '');
    };
  }

  /** Resolves once the attempt is under way; a refusal that comes later only shows in the link. */
  async connect(to: InetAddress): Promise<void> {
    const { host } = this.#context;
    const socket = host.sockets.connect(to);
    const text = `connect to ${to.host}:${to.port}`;
    this.#pending = socket;
    this.#info = `socket: ${text}`;
    let failure: HostError | undefined;
    socket.onEvent = (event) => {
      if (event === 'connected') {
        this.#pending = undefined;
        this.#connected(socket, text);
      } else if (event === 'error' || event === 'closed') {
        failure = socket.error;
        this.#pending = undefined;
        this.#info = '';
        socket.close();
      }
    };
    for (let turn = 0; turn < IMMEDIATE_TURNS && this.#pending !== undefined; turn++) {
      await new Promise<void>((resolve) => host.loop.nextTurn({ run: resolve }));
    }
    if (failure !== undefined && failure.code !== 'ECONNREFUSED') {
      throw new QapiError(`can't connect socket: ${failure.message}`, { cause: failure });
    }
  }

  adopt(socket: StreamSocket, text: string): void {
    this.#connected(socket, text);
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
    this.#pending?.close();
    this.#pending = undefined;
    this.#connection?.close();
    this.#connection = undefined;
    await this.#listener?.close();
  }

  #connected(socket: StreamSocket, text: string): void {
    const { port, host, log, id } = this.#context;
    this.#connection = new StreamConnection(socket, port, host.loop, (reason, detail) =>
      this.#disconnected(reason, detail),
    );
    this.#info = `socket: ${text}`;
    port.carrier(true);
    log.info(`socket '${id}': connected`, text === '' ? undefined : { detail: text });
  }

  #disconnected(reason: string, detail: string): void {
    const { port, log, id } = this.#context;
    this.#connection = undefined;
    this.#info = '';
    port.carrier(false);
    const level = reason === 'closed by peer' ? 'info' : 'warn';
    log[level](`socket '${id}': connection ${reason}`, detail === '' ? undefined : { detail });
    this.#listener?.resume();
  }
}

export async function openSocketListen(context: NetdevContext, at: InetAddress): Promise<NetClient> {
  const netdev = new SocketStream(context);
  await netdev.listen(at);
  return netdev;
}

export async function openSocketConnect(context: NetdevContext, to: InetAddress): Promise<NetClient> {
  const netdev = new SocketStream(context);
  await netdev.connect(to);
  if (context.signal.aborted) {
    await netdev.close();
    context.signal.throwIfAborted();
  }
  return netdev;
}

/** @param text as info shows it, behind `socket: `. */
export function openSocketAdopted(context: NetdevContext, socket: StreamSocket, text: string): NetClient {
  const netdev = new SocketStream(context);
  netdev.adopt(socket, text);
  return netdev;
}
