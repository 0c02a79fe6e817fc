/**
 * Listening sockets. While paused, or before somebody wants connections, they wait in the kernel's backlog.
 *
 * Out of descriptors, accept(2) fails while the connection stays in the backlog and the descriptor readable: the listener
 * looks away for a moment instead of spinning, and recovers by itself.
 */
import type { Listener, SocketAddress, StreamSocket, Timer } from '../../net/index.ts';
import { nodeClock } from '../clock.ts';
import type { Destroyable } from '../destroyable.ts';
import { READABLE } from './binding.ts';
import { ACCEPT_BUDGET } from './budgets.ts';
import type { NativeContext } from './context.ts';
import { EAGAIN, ECONNABORTED, EINTR, SOCK_FLAGS } from './linux.ts';
import { boundAddress, guarded, hasPath, type ListenOptions, listening, removePath } from './open-socket.ts';
import type { ReadyHandler, Watch } from './readiness.ts';
import { NativeStream } from './stream.ts';

/** How long accepting rests after a failure, which most often is a lack of descriptors or memory. */
const REST_MS = 100;
/** Every thousandth accept failure is logged after the first. */
const LOG_EVERY = 1000;

export class NativeListener implements Listener, Destroyable, ReadyHandler {
  readonly address: SocketAddress;
  readonly #context: NativeContext;
  readonly #passDescriptors: boolean;
  readonly #reserved: boolean;
  readonly #share: number | undefined;
  /** The path this listener made, and removes. */
  readonly #path: string | undefined;
  readonly #restTimer: Timer;
  #fd: number;
  #watch: Watch | undefined;
  #onConnection: ((socket: StreamSocket) => void) | undefined;
  #paused = false;
  #resting = false;
  #closing: Promise<void> | undefined;

  /**
   * @param fd listening; the listener's from now on.
   * @param path removed at close.
   */
  constructor(
    context: NativeContext,
    fd: number,
    address: SocketAddress,
    path: string | undefined,
    options: Pick<ListenOptions, 'passDescriptors' | 'reserved' | 'share'>,
  ) {
    this.#context = context;
    this.#fd = fd;
    this.address = address;
    this.#path = path;
    this.#passDescriptors = options.passDescriptors === true && address.family === 'unix';
    this.#reserved = options.reserved === true;
    this.#share = options.share;
    this.#restTimer = context.host.timers.create(() => {
      this.#resting = false;
      this.#update();
    });
    context.host.open.add(this);
  }

  /** Rejects with HostError. */
  static async listen(context: NativeContext, at: SocketAddress, options: ListenOptions): Promise<NativeListener> {
    const fd = await listening(context, at, options);
    return guarded(context, fd, () => {
      const path = hasPath(at) ? at.path : undefined;
      return new NativeListener(context, fd, boundAddress(context, fd, at), path, options);
    });
  }

  get descriptor(): number {
    return this.#fd;
  }

  get onConnection(): (socket: StreamSocket) => void {
    return this.#onConnection ?? ignoreConnection;
  }

  set onConnection(handler: (socket: StreamSocket) => void) {
    this.#onConnection = handler;
    this.#update();
  }

  pause(): void {
    this.#paused = true;
    this.#update();
  }

  resume(): void {
    this.#paused = false;
    this.#update();
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#restTimer.cancel();
      this.#watch?.close();
      this.#watch = undefined;
      this.#context.calls.close(this.#fd);
      this.#fd = -1;
      if (this.#path !== undefined) removePath(this.#path);
      this.#context.host.open.delete(this);
      resolve();
    });
    return this.#closing;
  }

  destroy(): void {
    void this.close();
  }

  /** ReadyHandler. */
  ready(): void {
    for (let left = ACCEPT_BUDGET; left > 0 && this.#isAccepting; left--) {
      const fd = this.#context.calls.accept4(this.#fd, SOCK_FLAGS);
      if (fd >= 0) this.#serve(fd);
      else if (fd === EAGAIN) return;
      else if (fd !== EINTR && fd !== ECONNABORTED) {
        this.#failed(fd);
        return;
      }
    }
    this.#update();
  }

  get #isAccepting(): boolean {
    return this.#closing === undefined && !this.#paused && !this.#resting && this.#onConnection !== undefined;
  }

  /** The watch follows what is wanted. Without any it does not keep the process alive. */
  #update(): void {
    if (this.#closing !== undefined) return;
    const mask = this.#isAccepting ? READABLE : 0;
    try {
      if (this.#watch !== undefined) this.#watch.interest(mask);
      else if (mask !== 0) this.#watch = this.#context.watcher.watch(this.#fd, mask, this);
    } catch (error) {
      this.#context.host.log.error('a listener cannot be watched', { error });
    }
  }

  #failed(result: number): void {
    const { counters, log } = this.#context.host;
    if (counters.acceptErrors++ % LOG_EVERY === 0) {
      log.warn('accepting a connection failed', { error: this.#context.errorText(result) });
    }
    this.#resting = true;
    this.#restTimer.set(nodeClock.now() + REST_MS);
    this.#update();
  }

  #serve(fd: number): void {
    const { host, calls } = this.#context;
    if (!host.descriptors.mayAccept(host.open.size, this.#reserved, this.#share)) {
      host.counters.refusedConnections++;
      calls.close(fd);
      return;
    }
    const name = this.address.family === 'unix' ? this.address : undefined;
    const socket = new NativeStream(this.#context, {
      fd,
      stage: 'open',
      local: name,
      remote: name,
      passDescriptors: this.#passDescriptors,
      share: this.#share,
    });
    try {
      this.#onConnection?.(socket);
    } catch (error) {
      host.counters.callbackErrors++;
      host.log.error('a connection handler threw', { error });
      socket.reset();
    }
  }
}

const ignoreConnection = (_socket: StreamSocket): void => {};
