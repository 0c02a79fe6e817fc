/**
 * Datagrams over a descriptor, in batches: recvmmsg(2) and sendmmsg(2) over arenas that all sockets of a host share.
 *
 * What the kernel refuses for now (EAGAIN, ENOBUFS) stays the caller's, and `writable` follows. The kernel itself tells
 * only about a full send buffer and about the queue of a connected unix peer; for the rest the socket looks again by
 * itself, in the next turns at first and then every millisecond. What it refuses for good is a datagram lost: counted,
 * and told by `error`.
 *
 * Sockets of IP have IP_RECVERR on: ICMP errors are queued for nextError, and what the owner leaves there is dropped.
 */
import {
  type BatchTask,
  type DatagramBatch,
  type DatagramEvent,
  type DatagramSocket,
  type HostError,
  type IcmpRecord,
  type SocketAddress,
  type Timer,
  WOULD_BLOCK,
} from '../../net/index.ts';
import { nodeClock } from '../clock.ts';
import type { Destroyable } from '../destroyable.ts';
import { toHostError } from '../errno.ts';
import { FAILED, READABLE, WRITABLE } from './binding.ts';
import { DATAGRAM_BUDGET } from './budgets.ts';
import type { NativeContext } from './context.ts';
import { Leftovers } from './datagram-batches.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  EAGAIN,
  EINTR,
  ENOBUFS,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SO_ERROR,
  SOL_SOCKET,
} from './linux.ts';
import { removePath } from './open-socket.ts';
import type { ReadyHandler, Watch } from './readiness.ts';
import { encodeAddress } from './sockaddr.ts';

/** Where the length of datagrams is not known yet. */
const SMALL_DATAGRAM = 2048;
/** Looking again for room: so many turns at once, then every REST_MS. */
const SPIN_TURNS = 16;
const REST_MS = 1;
/** Errors told per turn; further ones are only counted. */
const MAX_TOLD = 64;
const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;

const ignoreEvent = (_event: DatagramEvent): void => {};

export interface DatagramStart {
  readonly fd: number;
  readonly domain: number;
  readonly local: SocketAddress;
  readonly isConnected: boolean;
  /** Removed at close. */
  readonly path?: string | undefined;
  readonly share?: number | undefined;
}

export class NativeDatagram implements DatagramSocket, Destroyable, ReadyHandler, BatchTask {
  onEvent: (event: DatagramEvent) => void = ignoreEvent;
  readonly localAddress: SocketAddress;
  readonly share: number | undefined;
  readonly #context: NativeContext;
  readonly #domain: number;
  #fd: number;
  #path: string | undefined;
  #watch: Watch | undefined;
  #mask = 0;
  #connected: boolean;
  #wantRead = false;
  #wantWrite = false;
  #blocked = false;
  /** The kernel will not tell when there is room: turns of looking again so far, 0 = it will. */
  #spins = 0;
  #rest: Timer | undefined;
  #allowance = DATAGRAM_BUDGET;
  /** Received with others and not delivered: the owner's arena was full. */
  #left: Leftovers | undefined;
  /** About the longest datagram of late: how many may be asked for without filling the owner's arena. */
  #largest = SMALL_DATAGRAM;
  #error: HostError | undefined;
  #untold = 0;
  #refusedPeer: SocketAddress | undefined;

  constructor(context: NativeContext, start: DatagramStart) {
    this.#context = context;
    this.#fd = start.fd;
    this.#domain = start.domain;
    this.localAddress = start.local;
    this.#connected = start.isConnected;
    this.#path = start.path;
    this.share = start.share;
    context.host.open.add(this);
  }

  get refusedPeer(): SocketAddress | undefined {
    return this.#refusedPeer;
  }

  get descriptor(): number {
    return this.#fd;
  }

  connect(to: SocketAddress): void {
    if (this.#fd < 0) return;
    const { calls, scratch } = this.#context;
    try {
      const length = encodeAddress(to, scratch, 0);
      this.#context.check(calls.connect(this.#fd, scratch, 0, length));
      this.#connected = true;
    } catch (error) {
      this.#connected = false;
      this.#failed(toHostError(error));
    }
  }

  sendBatch(batch: DatagramBatch): number {
    const { count } = batch;
    if (this.#fd < 0 || count === 0) return count;
    if (this.#blocked) return WOULD_BLOCK;
    const { binding, sendSlots } = this.#context;
    let sent = 0;
    let refused = 0;
    try {
      sendSlots.take(batch, this.#connected);
    } catch (error) {
      this.#lost(toHostError(error), count);
      return count;
    }
    while (sent < count) {
      const result = binding.sendBatch(this.#fd, sendSlots, sent, count - sent, FLAGS, this.#domain);
      if (result > 0) {
        if (refused !== 0) this.#failed(this.#context.error(refused));
        sent += result;
        refused = 0;
        this.#spins = 0;
      } else if (result === EAGAIN || result === ENOBUFS || result === 0) {
        this.#block(result);
        break;
      } else if (result !== EINTR && this.#domain !== AF_UNIX && refused === 0) {
        // Perhaps of an earlier datagram, and this one has not been tried.
        refused = result;
      } else if (result !== EINTR) {
        this.#refusedPeer = batch.peer[sent];
        this.#lost(this.#context.error(result), 1);
        sent++;
        refused = 0;
      }
    }
    sendSlots.release();
    return sent === 0 ? WOULD_BLOCK : sent;
  }

  receiveBatch(batch: DatagramBatch): number {
    batch.count = 0;
    if (this.#fd < 0) return 0;
    if (this.#left !== undefined) {
      const count = this.#left.deliver(batch, this.#context.host.counters);
      if (this.#left.isEmpty) this.#left = undefined;
      this.#pollIfDue();
      return count;
    }
    if (this.#allowance <= 0) return 0;
    const { receiveSlots, host } = this.#context;
    const fits = Math.max(1, Math.floor(batch.bytes.length / this.#largest));
    const asked = Math.min(this.#allowance, batch.offset.length, fits);
    const count = receiveSlots.receive(this.#fd, asked, MSG_DONTWAIT, this.#domain);
    if (count <= 0) {
      this.#allowance = 0;
      if (count !== EAGAIN && count !== EINTR && count !== 0) this.#failed(this.#context.error(count));
      return 0;
    }
    this.#allowance = count < asked ? 0 : this.#allowance - count;
    const next = receiveSlots.deliver(batch, 0, count, host.counters);
    this.#largest = Math.max(SMALL_DATAGRAM, this.#largest - (this.#largest >> 4), receiveSlots.longest(count));
    if (next < count) {
      this.#left = new Leftovers(this.#context, next, count);
      this.#pollIfDue();
    }
    return batch.count;
  }

  interest(readable: boolean, writable: boolean): void {
    this.#wantRead = readable;
    this.#wantWrite = writable;
    if (this.#fd < 0) return;
    this.#setMask(this.#wanted() | (this.#mask & READABLE));
    this.#pollIfDue();
  }

  takeError(): HostError | undefined {
    const error = this.#error;
    this.#error = undefined;
    return error;
  }

  nextError(record: IcmpRecord): boolean {
    return this.#fd >= 0 && this.#domain !== AF_UNIX && this.#context.errorQueue.next(this.#fd, record) !== 0;
  }

  unlink(): void {
    if (this.#fd >= 0 && this.#path !== undefined) removePath(this.#path);
    this.#path = undefined;
  }

  close(): Promise<void> {
    this.destroy();
    return Promise.resolve();
  }

  destroy(): void {
    if (this.#fd < 0) return;
    this.onEvent = ignoreEvent;
    this.#rest?.cancel();
    this.#watch?.close();
    this.#watch = undefined;
    this.#context.calls.close(this.#fd);
    this.#fd = -1;
    this.#left = undefined;
    if (this.#path !== undefined) removePath(this.#path);
    this.#context.host.open.delete(this);
  }

  /** BatchTask of the next turn: what the kernel gives no event for. */
  run(): void {
    if (this.#fd < 0) return;
    if (this.#untold > 0) this.#tellErrors();
    if (this.#fd < 0) return;
    if (this.#left !== undefined && this.#wantRead) this.#emit('readable');
    if (this.#spins > 0) this.#tryAgain();
    this.#pollIfDue();
  }

  /** ReadyHandler. */
  ready(events: number): void {
    this.#allowance = DATAGRAM_BUDGET;
    if ((events & FAILED) !== 0) this.#noteError();
    if (this.#fd >= 0 && (events & READABLE) !== 0 && this.#wantRead) this.#emit('readable');
    if (this.#fd >= 0 && (events & WRITABLE) !== 0 && this.#spins === 0) {
      this.#blocked = false;
      if (this.#wantWrite) this.#emit('writable');
    }
    if (this.#fd < 0) return;
    // After an error the watch rests until that is told: the error's place in the queue would bring it back at once.
    this.#setMask(this.#wanted() | ((events & READABLE) === 0 ? this.#mask & READABLE : 0));
  }

  #wanted(): number {
    return (this.#wantRead ? READABLE : 0) | (this.#spins === 0 && (this.#blocked || this.#wantWrite) ? WRITABLE : 0);
  }

  #setMask(mask: number): void {
    if (mask === this.#mask) return;
    this.#mask = mask;
    try {
      if (this.#watch !== undefined) this.#watch.interest(mask);
      else this.#watch = this.#context.watcher.watch(this.#fd, mask, this);
    } catch (error) {
      this.#failed(toHostError(error));
    }
  }

  #block(result: number): void {
    this.#blocked = true;
    const kernelTells = result !== ENOBUFS && (this.#domain !== AF_UNIX || this.#connected);
    if (kernelTells) this.#setMask(this.#mask | WRITABLE);
    else this.#look();
  }

  /** Looks for room again by itself. */
  #look(): void {
    if (this.#spins++ < SPIN_TURNS) {
      this.#context.host.loop.nextTurn(this);
      return;
    }
    this.#rest ??= this.#context.host.timers.create(() => this.#tryAgain());
    this.#rest.set(nodeClock.now() + REST_MS);
  }

  #tryAgain(): void {
    if (this.#fd < 0) return;
    this.#blocked = false;
    if (this.#wantWrite) this.#emit('writable');
    if (this.#fd < 0) return;
    if (!this.#blocked) this.#spins = 0;
    this.#setMask(this.#wanted() | (this.#mask & READABLE));
  }

  /** The kernel has an error; of a datagram that sendBatch saw fail, it is told already. */
  #noteError(): void {
    const code = this.#context.intOption(this.#fd, SOL_SOCKET, SO_ERROR);
    if (code !== 0) this.#error = this.#context.error(-code);
    if (this.#untold === 0) this.#untold = 1;
    this.#context.host.loop.nextTurn(this);
  }

  /** What the owner leaves in the queue of ICMP errors would be told again and again: it goes. */
  #tellErrors(): void {
    for (let left = Math.min(this.#untold, MAX_TOLD); left > 0 && this.#fd >= 0; left--) this.#emit('error');
    this.#untold = 0;
    for (let left = MAX_TOLD; left > 0 && this.#fd >= 0 && this.#isInet; left--) {
      if (this.#context.errorQueue.next(this.#fd, undefined) === 0) break;
    }
    this.#watch?.rearm();
  }

  get #isInet(): boolean {
    return this.#domain === AF_INET || this.#domain === AF_INET6;
  }

  #pollIfDue(): void {
    if (this.#fd >= 0 && this.#wantRead && this.#left !== undefined) this.#context.host.loop.nextTurn(this);
  }

  /** Datagrams that are gone. */
  #lost(error: HostError, count: number): void {
    this.#context.host.counters.sendErrors += count;
    this.#untold += count - 1;
    this.#failed(error);
  }

  /** Told in the next turn: the owner is in a call of ours. */
  #failed(error: HostError): void {
    this.#error = error;
    this.#untold++;
    this.#context.host.loop.nextTurn(this);
  }

  #emit(event: DatagramEvent): void {
    try {
      this.onEvent(event);
    } catch (error) {
      this.#context.host.counters.callbackErrors++;
      this.#context.host.log.error('a datagram event handler threw', { error });
    }
  }
}
