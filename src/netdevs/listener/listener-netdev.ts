/**
 * netdev `listener`: any number of stream connections, each a port of the yard's switch (ours, not QEMU's).
 *
 * Theory of operation. The netdev's own port carries nothing. A connection becomes the child `ID.N`, N the lowest number
 * free; the child is what `info network`, set_link, netdev_del (which ends the connection) and the stream events name. It
 * goes when its connection ends. At MAX_CONNECTIONS further ones are accepted and closed at once.
 */
import type {
  BatchLoop,
  ChildPort,
  Frame,
  Listener,
  NetClient,
  NetdevContext,
  Port,
  SocketAddress,
  StreamSocket,
} from '../../net/index.ts';
import type { NetdevListenerOptions } from '../../schema/net.ts';
import { addressToQapi, addressUri, listenAt, takeListener } from '../address/index.ts';
import { StreamConnection } from '../framing/index.ts';

/** As many as QEMU allows queues, and far beyond the guests of one machine. */
const MAX_CONNECTIONS = 1024;
/** Names of other netdevs that a new connection steps over before it is refused. */
const MAX_NAME_TRIES = 64;
/** For its owner only: whoever connects is on the network. */
const UNIX_MODE = 0o600;
const BACKLOG = 128;

/** One connection, as a net client. */
class ConnectedPort implements NetClient {
  readonly offloads = 0;
  readonly #connection: StreamConnection;
  readonly #info: string;

  constructor(
    socket: StreamSocket,
    port: Port,
    loop: BatchLoop,
    info: string,
    onEnd: (reason: string, detail: string) => void,
  ) {
    this.#connection = new StreamConnection(socket, port, loop, onEnd);
    this.#info = info;
    port.onReady = () => this.#connection.resume();
  }

  receive(frame: Frame): boolean {
    return this.#connection.send(frame);
  }

  linkChanged(): void {}

  info(): string {
    return this.#info;
  }

  async close(): Promise<void> {
    this.#connection.close();
  }
}

class ListenerNetdev implements NetClient {
  readonly offloads = 0;
  readonly hasNoWire = true;
  readonly #context: NetdevContext;
  readonly #listener: Listener;
  readonly #children = new Map<number, { client: ConnectedPort; port: ChildPort }>();
  /** No number below this one is free. */
  #lowestFree = 0;
  #refused = 0;

  constructor(context: NetdevContext, listener: Listener) {
    this.#context = context;
    this.#listener = listener;
    context.port.carrier(false);
    listener.onConnection = (socket) => this.#accepted(socket);
  }

  receive(_frame: Frame): boolean {
    return true;
  }

  linkChanged(): void {}

  info(): string {
    return `listening on ${addressUri(this.#listener.address)}, ${this.#children.size} connected`;
  }

  async close(): Promise<void> {
    for (const number of [...this.#children.keys()]) this.#remove(number);
    await this.#listener.close();
  }

  #accepted(socket: StreamSocket): void {
    const { id, log } = this.#context;
    if (this.#children.size >= MAX_CONNECTIONS) {
      if (this.#refused++ === 0) {
        log.warn(`listener: ${MAX_CONNECTIONS} connections, further ones are closed`, { netdev: id });
      }
      socket.close();
      return;
    }
    // As with stream: a unix client has no name of its own.
    const own = this.#listener.address;
    const address = own.family === 'unix' ? own : socket.remoteAddress;
    let failure: unknown;
    for (let number = this.#lowestFree, tries = 0; tries < MAX_NAME_TRIES; number++) {
      if (this.#children.has(number)) continue;
      tries++;
      try {
        this.#open(number, socket, address);
        return;
      } catch (error) {
        // Another netdev has this name: the next number is as good.
        failure = error;
      }
    }
    log.warn('listener: no port for a connection', {
      netdev: id,
      error: failure instanceof Error ? failure.message : String(failure),
    });
    socket.close();
  }

  /** @throws QapiError if the child's name is taken; nothing is left open then. */
  #open(number: number, socket: StreamSocket, address: SocketAddress | undefined): void {
    const name = `${this.#context.id}.${number}`;
    let client: ConnectedPort | undefined;
    const port = this.#context.openChild(
      name,
      (childPort) => {
        const onEnd = (reason: string, detail: string): void => this.#ended(number, name, reason, detail);
        client = new ConnectedPort(socket, childPort, this.#context.host.loop, addressUri(address), onEnd);
        return client;
      },
      () => this.#remove(number),
    );
    if (client === undefined) return;
    this.#children.set(number, { client, port });
    while (this.#children.has(this.#lowestFree)) this.#lowestFree++;
    const { id, log } = this.#context;
    log.info('listener port: connected', { netdev: id, port: name, address: addressUri(address) });
    this.#emitConnected(name, address);
  }

  #emitConnected(name: string, address: SocketAddress | undefined): void {
    this.#context.emit('NETDEV_STREAM_CONNECTED', { 'netdev-id': name, addr: addressToQapi(address) });
  }

  #ended(number: number, name: string, reason: string, detail: string): void {
    const level = reason === 'closed by peer' ? 'info' : 'warn';
    const fields = { netdev: this.#context.id, port: name };
    this.#context.log[level](`listener port: connection ${reason}`, detail === '' ? fields : { ...fields, detail });
    this.#remove(number);
    this.#context.emit('NETDEV_STREAM_DISCONNECTED', { 'netdev-id': name });
  }

  #remove(number: number): void {
    const child = this.#children.get(number);
    if (child === undefined) return;
    this.#children.delete(number);
    if (number < this.#lowestFree) this.#lowestFree = number;
    child.port.remove();
    void child.client.close();
  }
}

/** The driver. Rejects with QapiError when it cannot listen. */
export async function createListener(options: NetdevListenerOptions, context: NetdevContext): Promise<NetClient> {
  const { addr } = options;
  if (addr.type === 'fd') return new ListenerNetdev(context, takeListener(context, addr.str));
  const listening = { backlog: BACKLOG, mode: UNIX_MODE };
  const listener = await listenAt('listener', addr, context.host, context.signal, listening);
  return new ListenerNetdev(context, listener);
}
