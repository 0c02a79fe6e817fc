import type {
  AdoptedSocket,
  Capabilities,
  DatagramOptions,
  DatagramSocket,
  Listener,
  SocketAddress,
  Sockets,
  StreamSocket,
} from '../net/index.ts';
import { hostError, needsNative } from './errno.ts';
import { KeptAnswers } from './kept-answers.ts';
import { type ListenOptions, NodeListener } from './listener.ts';
import { isOwn } from './own-addresses.ts';
import type { SocketContext } from './socket-context.ts';
import { type ConnectOptions, connectingOrigin } from './stream-origin.ts';
import { NodeStreamSocket } from './stream-socket.ts';

export class NodeSockets implements Sockets {
  readonly can: Capabilities = {
    unixDatagram: false,
    descriptors: false,
    abstractUnix: process.platform === 'linux',
    ping: false,
    tcp: true,
    udp: true,
  };
  readonly #context: SocketContext;
  readonly #own = new KeptAnswers(isOwn);

  constructor(context: SocketContext) {
    this.#context = context;
  }

  connect(to: SocketAddress, options: ConnectOptions = {}): StreamSocket {
    return new NodeStreamSocket(this.#context, connectingOrigin(this.#context, to, options));
  }

  mayConnect(share: number): boolean {
    const { descriptors, open } = this.#context;
    return descriptors.wouldOpen(open.size, share);
  }

  listen(at: SocketAddress, options: ListenOptions = {}): Promise<Listener> {
    return NodeListener.listen(this.#context, at, options);
  }

  isOwnAddress(host: string, maxAgeMs?: number): boolean {
    return this.#own.get(host, maxAgeMs);
  }

  async datagram(options: DatagramOptions): Promise<DatagramSocket> {
    const { descriptors, open } = this.#context;
    const { share } = options;
    if (!descriptors.mayOpen(open.size, false, share)) throw hostError('EMFILE');
    descriptors.begin(share);
    try {
      // Loaded when first needed: many yards never do, and node:dgram takes its time to start.
      const { NodeDatagramSocket } = await import('./datagram-socket.ts');
      return await NodeDatagramSocket.open(this.#context, options);
    } finally {
      descriptors.begun(share);
    }
  }

  ping(): Promise<DatagramSocket> {
    return Promise.reject(needsNative('ICMP echo sockets'));
  }

  adopt(): AdoptedSocket {
    throw needsNative('passed descriptors');
  }
}
