/**
 * A stream over a descriptor: every read is one recv(2) into the caller's memory, writes are as stream-output.ts has them.
 *
 * connecting -> open -> ended, by close() or by an error, which is then known. When the owner closes it while taken bytes
 * wait, a LingeringStream goes on with the descriptor.
 *
 * Readiness is level-triggered, so a read that came back short, or the end of the turn's budget, simply waits for the
 * next event. Watching for `readable` ends only when an event comes that nobody wants: owners turn it off and on often.
 * There is no object but this one and its output per stream (and, once it was full, its EarlyRoom), and no memory held
 * while it is idle.
 */
import {
  type BatchTask,
  FLUSH,
  type HostError,
  type IcmpRecord,
  isInet,
  SOCKET_FAILED,
  type SocketAddress,
  type StreamEvent,
  type StreamSocket,
  WOULD_BLOCK,
} from '../../net/index.ts';
import type { Destroyable } from '../destroyable.ts';
import { toHostError } from '../errno.ts';
import { FAILED, READABLE, URGENT, WRITABLE } from './binding.ts';
import { READ_BUDGET } from './budgets.ts';
import type { NativeContext } from './context.ts';
import { DescriptorInbox } from './descriptor-inbox.ts';
import { EarlyRoom } from './early-room.ts';
import { LingeringStream, resetOnClose, unsentBytes } from './lingering.ts';
import {
  EAGAIN,
  EINTR,
  IPPROTO_TCP,
  MSG_DONTWAIT,
  MSG_PEEK,
  SHUT_WR,
  SO_BUF_LOCK,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_RCVBUF,
  SO_SNDBUF,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
} from './linux.ts';
import { limitHops } from './open-socket.ts';
import type { ReadyHandler, Watch } from './readiness.ts';
import { host32, putHost32 } from './sockaddr.ts';
import { StreamOutput } from './stream-output.ts';

const CONNECTING = 0;
const OPEN = 1;
const ENDED = 2;

/**
 * Unix sockets have no autotuning, and the default of 208 KiB is less than a turn's worth of frames: writers stop and go
 * all the time. The kernel grants as much of this as net.core.wmem_max allows, doubled: with the stock 208 KiB that is 1.7
 * times the frames of 64 bytes from stream to stream per second and 1.2 times those of 1514, with 1 MiB 2.1 and 1.4.
 */
const UNIX_SEND_BUFFER_BYTES = 1024 * 1024;

/** Where the kernel begins to size a receive buffer by itself again; it had told its peer of no more before. */
const MOST_RECEIVED = 4 * 1024 * 1024;

/** A peer that was silent for so long is asked, again and again, and is gone if it never answers: 55 s in all. */
const PEER_IDLE_S = 5;
const PEER_INTERVAL_S = 10;
const PEER_PROBES = 5;

const ignoreEvent = (_event: StreamEvent): void => {};

export interface StreamStart {
  readonly fd: number;
  /** `answered`: it is connected, and the owner is to be told. */
  readonly stage: 'connecting' | 'answered' | 'open';
  readonly local?: SocketAddress | undefined;
  readonly remote?: SocketAddress | undefined;
  readonly passDescriptors?: boolean | undefined;
  readonly share?: number | undefined;
  /** It connects with `hopLimit`. */
  readonly limitsHops?: boolean | undefined;
}

export class NativeStream implements StreamSocket, Destroyable, ReadyHandler, BatchTask {
  onEvent: (event: StreamEvent) => void = ignoreEvent;
  /** Present on streams that pass descriptors. */
  declare takeDescriptors?: () => number[];
  share: number | undefined;
  icmpError: IcmpRecord | undefined;
  readonly #context: NativeContext;
  readonly #output: StreamOutput;
  #fd: number;
  #watch: Watch | undefined;
  /** What the watch is set to. */
  #mask = 0;
  #state: number;
  #error: HostError | undefined;
  /** Nothing can be written any more; what the peer sent before is still there to be read. */
  #writeError: HostError | undefined;
  #local: SocketAddress | undefined;
  #remote: SocketAddress | undefined;
  #inbox: DescriptorInbox | undefined;
  #earlyRoom: EarlyRoom | undefined;
  /** Bytes that may still be read in this turn; 0 = an event comes first. */
  #allowance = READ_BUDGET;
  #wantRead = false;
  #wantWrite = false;
  #atEnd = false;
  #shut = false;
  /** At the last event, urgent data was not read yet. */
  #urgent = false;
  #limitsHops = false;

  /** @param start a descriptor, which is the stream's from now on; or the error that there is none. */
  constructor(context: NativeContext, start: StreamStart | HostError) {
    this.#context = context;
    this.#output = new StreamOutput(context);
    this.#fd = -1;
    this.#state = CONNECTING;
    if (!(start instanceof Error)) this.share = start.share;
    context.host.open.add(this);
    if (start instanceof Error) {
      this.#fail(start);
      return;
    }
    this.#fd = start.fd;
    this.#local = start.local;
    this.#remote = start.remote;
    this.#limitsHops = start.limitsHops === true;
    if (start.local?.family === 'unix') {
      context.calls.setsockoptInt(start.fd, SOL_SOCKET, SO_SNDBUF, UNIX_SEND_BUFFER_BYTES);
    }
    if (start.passDescriptors === true) {
      const inbox = new DescriptorInbox(context);
      this.#inbox = inbox;
      this.takeDescriptors = () => inbox.take();
    }
    if (start.stage === 'open') this.#state = OPEN;
    else if (start.stage === 'connecting') this.#setMask(WRITABLE);
    else context.host.loop.nextTurn(this);
  }

  get descriptor(): number {
    return this.#fd;
  }

  get error(): HostError | undefined {
    return this.#error;
  }

  get localAddress(): SocketAddress | undefined {
    if (this.#state === OPEN) this.#local ??= this.#ask('getsockname');
    return this.#state === CONNECTING ? undefined : this.#local;
  }

  get remoteAddress(): SocketAddress | undefined {
    if (this.#state === OPEN) this.#remote ??= this.#ask('getpeername');
    return this.#state === CONNECTING ? undefined : this.#remote;
  }

  readInto(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#state !== OPEN) return this.#readUnopened();
    if (this.#allowance <= 0 || length === 0) return WOULD_BLOCK;
    const count =
      this.#inbox === undefined
        ? this.#context.calls.recv(this.#fd, bytes, offset, length, MSG_DONTWAIT)
        : this.#inbox.receive(this.#fd, bytes, offset, length);
    if (count > 0) {
      this.#allowance = count < length ? 0 : this.#allowance - count;
      return count;
    }
    if (count === 0 && this.#writeError === undefined) {
      this.#atEnd = true;
      this.#endIfBothEnded();
      return 0;
    }
    this.#allowance = 0;
    if (count === EAGAIN || count === EINTR) return WOULD_BLOCK;
    this.#fail(this.#writeError ?? this.#context.error(count));
    return SOCKET_FAILED;
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#state !== OPEN || this.#shut) return this.#state === CONNECTING ? WOULD_BLOCK : SOCKET_FAILED;
    const output = this.#output;
    if (output.isBlocked) return length === 0 ? 0 : WOULD_BLOCK;
    const waited = output.waiting;
    const taken = output.write(this.#fd, bytes, offset, length);
    if (taken === SOCKET_FAILED) return this.#failWriting();
    if (output.isBlocked) this.#awaitRoom();
    else if (waited === 0 && output.waiting > 0) this.#context.host.loop.atBatchEnd(FLUSH, this);
    return taken;
  }

  write2(bytes: Uint8Array, o1: number, l1: number, o2: number, l2: number): number {
    const first = this.write(bytes, o1, l1);
    if (first < l1) return first;
    const second = this.write(bytes, o2, l2);
    return second < 0 ? first : first + second;
  }

  writeUrgent(byte: number): number {
    if (this.#state !== OPEN || this.#shut) return this.#state === CONNECTING ? WOULD_BLOCK : SOCKET_FAILED;
    const output = this.#output;
    const taken = output.writeUrgent(this.#fd, byte);
    if (taken === SOCKET_FAILED) return this.#failWriting();
    if (output.isBlocked) this.#awaitRoom();
    return taken;
  }

  isUrgentNext(): boolean {
    if (!this.#urgent || this.#state !== OPEN) return false;
    const { binding, scratch } = this.#context;
    putHost32(scratch, 0, 0);
    return binding.ioctls['SIOCATMARK']?.(this.#fd, scratch, 0, 4) === 0 && host32(scratch, 0) === 1;
  }

  room(): number {
    return this.#state !== OPEN || this.#shut ? 0 : this.#output.room;
  }

  interest(readable: boolean, writable: boolean): void {
    this.#wantRead = readable;
    this.#wantWrite = writable;
    if (this.#state === OPEN) this.#setMask(this.#wanted() | (this.#atEnd ? 0 : this.#mask & READABLE));
  }

  limitReceive(bytes: number): void {
    if (this.#fd < 0) return;
    const { calls } = this.#context;
    // The kernel doubles it, for what it needs itself, and grants no more than net.core.rmem_max.
    calls.setsockoptInt(this.#fd, SOL_SOCKET, SO_RCVBUF, Math.min(bytes, MOST_RECEIVED) >> 1);
    // From then on it would size neither buffer by itself; before Linux 5.15 that is so for ever.
    if (bytes > MOST_RECEIVED) calls.setsockoptInt(this.#fd, SOL_SOCKET, SO_BUF_LOCK, 0);
  }

  askPeer(on: boolean): void {
    if (this.#state !== OPEN) return;
    const { calls } = this.#context;
    calls.setsockoptInt(this.#fd, SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0);
    if (!on) return;
    calls.setsockoptInt(this.#fd, IPPROTO_TCP, TCP_KEEPINTVL, PEER_INTERVAL_S);
    calls.setsockoptInt(this.#fd, IPPROTO_TCP, TCP_KEEPCNT, PEER_PROBES);
    // Starts the kernel's timer anew, so it comes last.
    calls.setsockoptInt(this.#fd, IPPROTO_TCP, TCP_KEEPIDLE, PEER_IDLE_S);
  }

  shutdown(): void {
    if (this.#state !== OPEN || this.#shut) return;
    this.#shut = true;
    this.#wantWrite = false;
    this.#flush();
  }

  reset(): void {
    if (this.#state === OPEN) {
      if (!this.#output.isBlocked) this.#output.flush(this.#fd);
      if (this.#output.waiting > 0 || unsentBytes(this.#context, this.#fd) > 0) {
        this.#linger('reset');
        return;
      }
      resetOnClose(this.#context, this.#fd);
    }
    this.destroy();
  }

  close(): void {
    if (this.#state === OPEN && !this.#output.isBlocked) this.#output.flush(this.#fd);
    if (this.#state === OPEN && this.#output.waiting > 0) this.#linger('close');
    else this.destroy();
  }

  /** At once, unsent bytes dropped. */
  destroy(): void {
    this.onEvent = ignoreEvent;
    // Once ended, what waits is the LingeringStream's.
    if (this.#state !== ENDED) this.#release();
  }

  /** BatchTask: the end of a batch in which something was written, or the turn after connecting. */
  run(): void {
    if (this.#state === CONNECTING) this.#opened();
    else if (this.#state === OPEN && !this.#output.isBlocked) this.#flush();
  }

  /** ReadyHandler. */
  ready(events: number): void {
    if (this.#state === OPEN) this.#serve(events);
    else if (this.#state === CONNECTING) this.#finishConnect(events);
  }

  #serve(events: number): void {
    this.#allowance = READ_BUDGET;
    this.#urgent = (events & URGENT) !== 0;
    const wasWanted = this.#wantRead;
    let now = events;
    if ((events & FAILED) !== 0) {
      now = this.#afterFailure();
      if (this.#state !== OPEN) return;
    }
    if ((now & WRITABLE) !== 0 && this.#output.isBlocked && this.#writeError === undefined) {
      this.#output.isBlocked = false;
      this.#earlyRoom?.stop();
      this.#flush();
    }
    if ((now & READABLE) !== 0 && this.#wantRead && !this.#atEnd) this.#emit('readable');
    if (this.#state === OPEN && (now & WRITABLE) !== 0 && this.#wantWrite && !this.#output.isBlocked) {
      this.#emit('writable');
    }
    if (this.#state !== OPEN) return;
    // Owners stop and go on within a turn: only an event that nobody wanted when it came ends the watch.
    const keep = !this.#atEnd && (events & FAILED) === 0 && (wasWanted || (events & READABLE) === 0);
    this.#setMask(this.#wanted() | (keep ? this.#mask & READABLE : 0));
    if ((events & FAILED) !== 0) this.#watch?.rearm();
  }

  /** Bytes that came before the error are read first. Returns what there is to do before it. */
  #afterFailure(): number {
    const { calls, scratch } = this.#context;
    const waits = this.#wantRead && !this.#atEnd;
    const peeked = calls.recv(this.#fd, scratch, 0, 1, MSG_PEEK | MSG_DONTWAIT);
    if (peeked >= 0 && waits) return READABLE;
    if (peeked < 0 && peeked !== EAGAIN) {
      this.#fail(this.#context.error(peeked), true);
      return 0;
    }
    if (this.#wanted() === 0) return 0;
    const code = this.#context.intOption(this.#fd, SOL_SOCKET, SO_ERROR);
    if (code === 0) return READABLE | WRITABLE;
    const error = this.#context.error(-code);
    if (peeked > 0 && !this.#atEnd) this.#endWriting(error);
    else this.#fail(error, true);
    return 0;
  }

  #finishConnect(events: number): void {
    const code = this.#context.intOption(this.#fd, SOL_SOCKET, SO_ERROR);
    if (code !== 0) {
      if (this.#limitsHops) this.#takeIcmpError();
      this.#fail(this.#context.error(-code), true);
      return;
    }
    if ((events & WRITABLE) === 0) {
      this.#watch?.rearm();
      return;
    }
    this.#opened();
  }

  #takeIcmpError(): void {
    const record: IcmpRecord = {
      type: 0,
      code: 0,
      mtu: 0,
      offender: undefined,
      destination: undefined,
      quoted: new Uint8Array(0),
    };
    if (this.#context.errorQueue.next(this.#fd, record) > 0 && record.type >= 0) this.icmpError = record;
  }

  #opened(): void {
    this.#state = OPEN;
    if (this.#limitsHops && this.#remote !== undefined && isInet(this.#remote)) {
      limitHops(this.#context, this.#fd, this.#remote.family, 0);
    }
    this.#emit('connected');
    if (this.#state === OPEN) this.#setMask(this.#wanted());
  }

  #wanted(): number {
    const readable = this.#wantRead && !this.#atEnd ? READABLE : 0;
    if (this.#writeError !== undefined) return readable;
    return readable | (this.#output.isBlocked || (this.#wantWrite && !this.#shut) ? WRITABLE : 0);
  }

  #setMask(wanted: number): void {
    // Who reads is told what is urgent.
    const mask = (wanted & READABLE) === 0 ? wanted & ~URGENT : wanted | URGENT;
    if (mask === this.#mask) return;
    this.#mask = mask;
    if (this.#watch !== undefined) this.#watch.interest(mask);
    else this.#startWatching(mask);
  }

  #startWatching(mask: number): void {
    try {
      this.#watch = this.#context.watcher.watch(this.#fd, mask, this);
    } catch (error) {
      this.#fail(toHostError(error));
    }
  }

  /** The kernel is full. */
  #awaitRoom(): void {
    this.#setMask(this.#mask | WRITABLE);
    this.#earlyRoom ??= new EarlyRoom(this.#context, () => this.#lookForRoom());
    this.#earlyRoom.full();
  }

  #lookForRoom(): void {
    if (this.#state !== OPEN || !this.#output.isBlocked) this.#earlyRoom?.stop();
    else if (this.#earlyRoom?.worthwhile(this.#fd)) this.#serve(WRITABLE);
  }

  /** Hands over what waits, and then the end if it is due. */
  #flush(): void {
    if (this.#writeError !== undefined) return;
    const output = this.#output;
    const result = output.flush(this.#fd);
    if (result === SOCKET_FAILED) this.#failWriting();
    else if (output.isBlocked) this.#awaitRoom();
    else if (this.#shut) {
      // After the peer's end the descriptor is closed at once, which tells the peer the same.
      if (!this.#atEnd) this.#context.calls.shutdown(this.#fd, SHUT_WR);
      this.#endIfBothEnded();
    }
  }

  #readUnopened(): number {
    if (this.#state === CONNECTING) return WOULD_BLOCK;
    return this.#atEnd && this.#error === undefined ? 0 : SOCKET_FAILED;
  }

  /** Nothing comes and nothing goes any more: the descriptor is not needed. */
  #endIfBothEnded(): void {
    if (!this.#atEnd || !this.#shut || this.#output.waiting > 0) return;
    this.#release();
    this.#context.host.loop.nextTurn({ run: () => this.#emit('closed') });
  }

  /** The descriptor goes at once; the owner hears of it now, or in a later turn if this is inside a call of its. */
  #fail(error: HostError, now = false): void {
    this.#error = error;
    this.#release();
    if (now) this.#emit('error');
    else this.#context.host.loop.nextTurn({ run: () => this.#emit('error') });
  }

  /** A peer that answered and went away: its answer is read first. @returns what a write answers. */
  #failWriting(): number {
    const { calls, scratch } = this.#context;
    const error = this.#context.error(this.#output.failure);
    if (this.#atEnd || calls.recv(this.#fd, scratch, 0, 1, MSG_PEEK | MSG_DONTWAIT) <= 0) {
      this.#fail(error);
      return SOCKET_FAILED;
    }
    this.#endWriting(error);
    return WOULD_BLOCK;
  }

  /** The error is told when everything that came before it was read. */
  #endWriting(error: HostError): void {
    this.#writeError = error;
    this.#output.abandon();
    this.#setMask(this.#wanted());
  }

  #linger(ending: 'close' | 'reset'): void {
    const fd = this.#fd;
    this.onEvent = ignoreEvent;
    this.#detach();
    try {
      new LingeringStream(this.#context, { descriptor: fd, share: this.share }, this.#output, ending);
    } catch (error) {
      this.#context.host.log.error('the last bytes of a closed stream are lost', { error });
      this.#output.clear();
      this.#context.calls.close(fd);
    }
  }

  #release(): void {
    const fd = this.#fd;
    this.#detach();
    this.#output.clear();
    if (fd >= 0) this.#context.calls.close(fd);
  }

  /** Ended, but for the output and the descriptor. */
  #detach(): void {
    this.#state = ENDED;
    this.#earlyRoom?.stop();
    this.#inbox?.close();
    this.#context.host.open.delete(this);
    this.#watch?.close();
    this.#watch = undefined;
    this.#fd = -1;
  }

  #ask(what: 'getsockname' | 'getpeername'): SocketAddress | undefined {
    const { scratch, addresses } = this.#context;
    const length = this.#context.calls[what](this.#fd, scratch, 0, scratch.length);
    return length < 0 ? undefined : addresses.decode(scratch, 0, Math.min(length, scratch.length));
  }

  #emit(event: StreamEvent): void {
    try {
      this.onEvent(event);
    } catch (error) {
      this.#context.host.counters.callbackErrors++;
      this.#context.host.log.error('a stream event handler threw', { error });
    }
  }
}
