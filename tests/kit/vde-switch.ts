/** A vde_switch in memory, with a host whose unix datagrams are UDP of the in-memory network underneath. */
import type {
  DatagramSocket,
  Host,
  InetAddress,
  Listener,
  SocketAddress,
  Sockets,
  StreamSocket,
} from '../../src/net/host.ts';
import { createDatagramBatch } from './datagram-peer.ts';
import type { TestHost } from './host.ts';
import type { MemoryDatagram } from './memory/datagram.ts';
import { hostError } from './memory/errors.ts';

const ADDRESS_AT = 12;
const ADDRESS_BYTES = 110;

/** Paths of unix datagram sockets, and the loopback address that stands for each. */
export class UnixDatagrams {
  readonly paths = new Map<string, InetAddress>();
  readonly sockets: Sockets;
  /** In the order of their making. */
  readonly made: MemoryDatagram[] = [];
  /** Options of each, in the same order. */
  readonly asked: { mode?: number; group?: string; usableBy?: string }[] = [];
  /** Names that fail to bind. */
  readonly failing = new Map<string | RegExp, string>();

  constructor(inner: Sockets) {
    this.sockets = {
      can: { ...inner.can, unixDatagram: true },
      connect: (to, options) => inner.connect(to, options),
      listen: (at, options) => inner.listen(at, options),
      isOwnAddress: (host, maxAgeMs) => inner.isOwnAddress(host, maxAgeMs),
      ping: (family) => inner.ping(family),
      adopt: (descriptor) => inner.adopt(descriptor),
      datagram: async (options) => {
        const { bind, mode, group, usableBy } = options;
        if (options.family !== 'unix' || bind?.family !== 'unix') return inner.datagram(options);
        for (const [name, code] of this.failing) if (bind.path.search(name) >= 0) throw hostError(code);
        if (this.paths.has(bind.path)) throw hostError('EADDRINUSE');
        this.asked.push({
          ...(mode === undefined ? {} : { mode }),
          ...(group === undefined ? {} : { group }),
          ...(usableBy === undefined ? {} : { usableBy }),
        });
        const socket = await inner.datagram({
          family: 'ipv4',
          bind: { family: 'ipv4', host: '127.0.0.1', port: 0 },
        });
        return this.#name(socket as MemoryDatagram, bind.path);
      },
    };
  }

  #name(socket: MemoryDatagram, path: string): DatagramSocket {
    this.made.push(socket);
    this.paths.set(path, socket.localAddress);
    const connect = socket.connect.bind(socket);
    const close = socket.close.bind(socket);
    const unlink = (): void => void this.paths.delete(path);
    return Object.assign(socket, {
      connect: (to: SocketAddress) => {
        const at = to.family === 'unix' ? this.paths.get(to.path) : undefined;
        if (at === undefined) socket.raise('ENOENT');
        else connect(at);
      },
      unlink,
      close: () => {
        unlink();
        return close();
      },
    });
  }
}

export function withUnixDatagrams(test: TestHost): { readonly host: Host; readonly unix: UnixDatagrams } {
  const unix = new UnixDatagrams(test.host.sockets);
  const { host } = test;
  const identity = { processId: 42, userName: 'tester', home: '/home/tester' };
  return {
    unix,
    host: {
      clock: host.clock,
      timers: host.timers,
      loop: host.loop,
      random: host.random,
      sockets: unix.sockets,
      resolver: host.resolver,
      files: host.files,
      log: host.log,
      identity,
      get kernel() {
        return host.kernel;
      },
    },
  };
}

/** Answers every request as the switch does, and hands frames of all ports to the test. */
export class MemoryVdeSwitch {
  /** Copies of the frames that came from clients. */
  readonly received: Uint8Array[] = [];
  readonly requests: Uint8Array[] = [];
  readonly controls: StreamSocket[] = [];
  /** What to do with a request; the default answers. */
  onRequest: (control: StreamSocket, request: Uint8Array) => void = (control, request) => this.answer(control, request);
  readonly #test: TestHost;
  readonly #unix: UnixDatagrams;
  readonly #data: DatagramSocket[] = [];
  readonly #clients: SocketAddress[] = [];
  #listener: Listener | undefined;

  constructor(test: TestHost, unix: UnixDatagrams) {
    this.#test = test;
    this.#unix = unix;
  }

  async listen(directory: string): Promise<this> {
    this.#listener = await this.#test.network.local.sockets.listen({ family: 'unix', path: `${directory}/ctl` });
    this.#listener.onConnection = (control) => {
      this.controls.push(control);
      const bytes = new Uint8Array(256);
      control.onEvent = (event) => {
        const count = event === 'readable' ? control.readInto(bytes, 0, bytes.length) : 0;
        if (count <= 0) return;
        const request = bytes.slice(0, count);
        this.requests.push(request);
        this.onRequest(control, request);
      };
      control.interest(true, false);
    };
    return this;
  }

  answer(control: StreamSocket, request: Uint8Array): void {
    const text = new TextDecoder().decode(request.subarray(ADDRESS_AT + 2, ADDRESS_AT + ADDRESS_BYTES));
    const client = this.#unix.paths.get(text.slice(0, text.indexOf('\0')));
    if (client === undefined) throw new RangeError('no such socket');
    const path = `/switch/${String(this.#data.length).padStart(3, '0')}.9`;
    void this.#test.network.local.sockets
      .datagram({ family: 'ipv4', bind: { family: 'ipv4', host: '127.0.0.1', port: 0 } })
      .then((socket) => {
        this.#data.push(socket);
        this.#clients.push(client);
        this.#unix.paths.set(path, socket.localAddress as InetAddress);
        const batch = createDatagramBatch(64, 1 << 17);
        socket.onEvent = () => {
          while (socket.receiveBatch(batch) > 0) {
            for (let i = 0; i < batch.count; i++) {
              const offset = batch.offset[i] as number;
              this.received.push(batch.bytes.slice(offset, offset + (batch.length[i] as number)));
            }
          }
        };
        socket.interest(true, false);
        const reply = new Uint8Array(ADDRESS_BYTES);
        reply[0] = 1;
        reply.set(new TextEncoder().encode(path), 2);
        control.write(reply, 0, reply.length);
      });
  }

  /** To the client that asked last. */
  send(bytes: Uint8Array): void {
    const socket = this.#data.at(-1);
    const batch = createDatagramBatch(1, bytes.length + 1);
    batch.bytes.set(bytes);
    batch.length[0] = bytes.length;
    batch.peer[0] = this.#clients.at(-1);
    batch.count = 1;
    socket?.sendBatch(batch);
  }

  /** Everything at once, as when it is killed. */
  async close(): Promise<void> {
    for (const control of this.controls.splice(0)) control.close();
    for (const socket of this.#data.splice(0)) await socket.close();
    await this.#listener?.close();
    this.#listener = undefined;
  }
}
