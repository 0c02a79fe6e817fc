/**
 * What a stream took and the kernel has not yet. Large writes go straight from the caller's bytes to send(2); what the
 * kernel refuses of them is not taken. Small ones are gathered and leave together with the next large one or at the end of
 * the batch; what the kernel refuses of those waits here, and until it is gone nothing more is taken.
 */
import { SOCKET_FAILED, WOULD_BLOCK } from '../../net/index.ts';
import type { NativeContext } from './context.ts';
import { EAGAIN, EINTR, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_OOB } from './linux.ts';

/**
 * What `room` answers while the kernel takes bytes: how much it really takes is only known by trying. It begins small, so
 * that a slow network does not fill the guest's window with bytes that wait here, and grows with what was taken since the
 * kernel last refused: a fast one is never kept waiting for the next window.
 */
const LEAST_ROOM_BYTES = 512 * 1024;
const MOST_ROOM_BYTES = 4 * 1024 * 1024;
/** From here on a copy costs more than a system call of its own. */
const DIRECT_BYTES = 16 * 1024;
/** Below this a loop beats making a view. */
const COPY_BY_HAND = 24;
/** A rest that fills a smaller part of its chunk is moved out of it. */
const KEEP_SHARE = 4;
const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;

export class StreamOutput {
  /** The kernel is full: nothing is taken before `unblock`. */
  isBlocked = false;
  /** -errno behind the last SOCKET_FAILED. */
  failure = 0;
  readonly #context: NativeContext;
  #chunk: Uint8Array | undefined;
  /** The chunk is the rest that the kernel refused, and not of the pool. */
  #isRest = false;
  #start = 0;
  #end = 0;
  #room = LEAST_ROOM_BYTES;

  constructor(context: NativeContext) {
    this.#context = context;
  }

  /** Taken bytes that the kernel does not have. */
  get waiting(): number {
    return this.#end - this.#start;
  }

  /** Bytes that a write is likely to take now. */
  get room(): number {
    return this.isBlocked ? 0 : this.#room;
  }

  /** StreamSocket.write; the caller flushes at the end of the batch. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number): number {
    if (length === 0) return 0;
    if (this.isBlocked) return WOULD_BLOCK;
    if (length < DIRECT_BYTES) {
      const chunk = this.#chunkFor(length);
      if (chunk !== undefined) {
        copy(bytes, offset, chunk, this.#end, length);
        this.#end += length;
        return this.#took(length);
      }
    }
    const { calls } = this.#context;
    const chunk = this.#chunk;
    if (chunk === undefined) return this.#sent(calls.send(fd, bytes, offset, length, FLAGS), length);
    const waiting = this.#end - this.#start;
    const sent = calls.sendv(fd, FLAGS, chunk, this.#start, waiting, bytes, offset, length);
    if (sent < waiting) {
      return this.#settle(sent) === SOCKET_FAILED ? SOCKET_FAILED : WOULD_BLOCK;
    }
    this.clear();
    return this.#sent(sent - waiting, length);
  }

  /** One byte, marked; as write. */
  writeUrgent(fd: number, byte: number): number {
    if (this.isBlocked) return WOULD_BLOCK;
    const flushed = this.flush(fd);
    if (flushed < 0) return flushed;
    const { calls, scratch } = this.#context;
    scratch[0] = byte;
    return this.#sent(calls.send(fd, scratch, 0, 1, FLAGS | MSG_OOB), 1);
  }

  /** Hands over what was gathered. @returns WOULD_BLOCK = not all of it, SOCKET_FAILED, or 0. */
  flush(fd: number): number {
    const chunk = this.#chunk;
    if (chunk === undefined) return 0;
    return this.#settle(this.#context.calls.send(fd, chunk, this.#start, this.#end - this.#start, FLAGS));
  }

  /** The descriptor is writable again. As flush. */
  unblock(fd: number): number {
    this.isBlocked = false;
    return this.flush(fd);
  }

  /** The kernel takes nothing any more. */
  abandon(): void {
    this.clear();
    this.isBlocked = true;
  }

  /** Forgets what waits. */
  clear(): void {
    const chunk = this.#chunk;
    if (chunk === undefined) return;
    if (this.#isRest) this.#context.gather.release(chunk.length);
    else this.#context.gather.give(chunk);
    this.#chunk = undefined;
    this.#isRest = false;
    this.#start = this.#end = 0;
  }

  /** Of a direct send. */
  #sent(result: number, length: number): number {
    if (result === length) return this.#took(length);
    if (result > 0) {
      this.#block();
      return result;
    }
    return this.#refused(result);
  }

  /** After the chunk's bytes were offered to the kernel. */
  #settle(result: number): number {
    if (result === this.#end - this.#start) {
      this.clear();
      return 0;
    }
    if (result <= 0 && this.#refused(result) === SOCKET_FAILED) {
      this.clear();
      return SOCKET_FAILED;
    }
    this.#block();
    if (result > 0) this.#start += result;
    if (!this.#isRest && this.waiting * KEEP_SHARE < (this.#chunk as Uint8Array).length) this.#keep();
    return WOULD_BLOCK;
  }

  #refused(result: number): number {
    if (result === EAGAIN || result === EINTR || result === 0) {
      this.#block();
      return WOULD_BLOCK;
    }
    this.failure = result;
    return SOCKET_FAILED;
  }

  #took(length: number): number {
    if (this.#room < MOST_ROOM_BYTES) this.#room += length;
    return length;
  }

  #block(): void {
    this.isBlocked = true;
    this.#room = LEAST_ROOM_BYTES;
  }

  /** Moves a small rest out of the pool's chunk: it may stay for long. */
  #keep(): void {
    const chunk = this.#chunk as Uint8Array;
    const rest = chunk.slice(this.#start, this.#end);
    this.#context.gather.give(chunk);
    this.#context.gather.hold(rest.length);
    this.#chunk = rest;
    this.#isRest = true;
    this.#start = 0;
    this.#end = rest.length;
  }

  /** The chunk, with room for `length` more; undefined = flush first. */
  #chunkFor(length: number): Uint8Array | undefined {
    let chunk = this.#chunk;
    while (chunk === undefined || chunk.length - this.#end < length) {
      const larger = this.#context.gather.take(chunk);
      if (larger === undefined) return undefined;
      if (chunk !== undefined) {
        larger.set(chunk.subarray(0, this.#end));
        this.#context.gather.give(chunk);
      }
      this.#chunk = chunk = larger;
    }
    return chunk;
  }
}

function copy(from: Uint8Array, fromOffset: number, to: Uint8Array, toOffset: number, count: number): void {
  if (count > COPY_BY_HAND) {
    to.set(from.subarray(fromOffset, fromOffset + count), toOffset);
    return;
  }
  for (let i = 0; i < count; i++) to[toOffset + i] = from[fromOffset + i] as number;
}
