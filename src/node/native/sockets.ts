/** Sockets over the addon: everything that Sockets can, with the kernel's own semantics. */
import type {
  AdoptedSocket,
  Capabilities,
  DatagramOptions,
  DatagramSocket,
  Family,
  Listener,
  SocketAddress,
  Sockets,
  StreamSocket,
} from '../../net/index.ts';
import { hostError, toHostError } from '../errno.ts';
import { KeptAnswers } from '../kept-answers.ts';
import { isOwn } from '../own-addresses.ts';
import type { ConnectOptions } from '../stream-origin.ts';
import { adopt } from './adopt.ts';
import type { NativeContext } from './context.ts';
import { NativeDatagram } from './datagram.ts';
import { canBind, DOMAINS, openDatagram, openPing } from './datagram-open.ts';
import { NativeListener } from './listener.ts';
import { boundAddress, type Connecting, connecting, guarded, hasPath, type ListenOptions } from './open-socket.ts';
import { NativeStream } from './stream.ts';

export class NativeSockets implements Sockets {
  readonly can: Capabilities = {
    unixDatagram: true,
    descriptors: true,
    abstractUnix: true,
    ping: true,
    tcp: true,
    udp: true,
  };
  readonly #context: NativeContext;
  readonly #own = new KeptAnswers((host: string) => canBind(this.#context, host) && isOwn(host));

  constructor(context: NativeContext) {
    this.#context = context;
  }

  connect(to: SocketAddress, options: ConnectOptions = {}): StreamSocket {
    const context = this.#context;
    const isUnix = to.family === 'unix';
    let started: Connecting;
    try {
      started = connecting(context, to, options);
    } catch (error) {
      return new NativeStream(context, toHostError(error));
    }
    const { fd, isConnected } = started;
    const stage = isConnected ? 'answered' : 'connecting';
    const passDescriptors = isUnix && options.passDescriptors === true;
    const { share } = options;
    const limitsHops = options.hopLimit !== undefined;
    const local = isUnix ? to : undefined;
    return new NativeStream(context, { fd, stage, local, remote: to, passDescriptors, share, limitsHops });
  }

  mayConnect(share: number): boolean {
    const { descriptors, open } = this.#context.host;
    return descriptors.wouldOpen(open.size, share);
  }

  listen(at: SocketAddress, options: ListenOptions = {}): Promise<Listener> {
    return NativeListener.listen(this.#context, at, options);
  }

  isOwnAddress(host: string, maxAgeMs?: number): boolean {
    return this.#own.get(host, maxAgeMs);
  }

  async datagram(options: DatagramOptions): Promise<DatagramSocket> {
    const { descriptors, open } = this.#context.host;
    const { bind, share } = options;
    if (!descriptors.mayOpen(open.size, false, share)) throw hostError('EMFILE');
    descriptors.begin(share);
    try {
      const fd = await openDatagram(this.#context, options);
      return this.#datagram(fd, options.family, bind !== undefined && hasPath(bind) ? bind : undefined, share);
    } finally {
      descriptors.begun(share);
    }
  }

  async ping(family: Family, share?: number): Promise<DatagramSocket> {
    const { descriptors, open } = this.#context.host;
    if (!descriptors.mayOpen(open.size, false, share)) throw hostError('EMFILE');
    return this.#datagram(openPing(this.#context, family), family, undefined, share);
  }

  adopt(descriptor: number, options: { passDescriptors?: boolean } = {}): AdoptedSocket {
    return adopt(this.#context, descriptor, options.passDescriptors === true);
  }

  closeDescriptor(descriptor: number): void {
    this.#context.closePassed(descriptor);
  }

  isPassed(descriptor: number): boolean {
    return this.#context.host.passed.has(descriptor);
  }

  #datagram(
    fd: number,
    family: Family | 'unix',
    path: { family: 'unix'; path: string } | undefined,
    share: number | undefined,
  ): NativeDatagram {
    const context = this.#context;
    return guarded(context, fd, () => {
      const asked = path ?? { family: 'unix', path: '' };
      const local = boundAddress(context, fd, asked);
      return new NativeDatagram(context, {
        fd,
        domain: DOMAINS[family],
        local,
        isConnected: false,
        path: path?.path,
        share,
      });
    });
  }
}
