/**
 * One connected stream as a wire: frames in towards a port, frames out towards the socket. Shared by stream, socket and
 * listener; it knows nothing of how the connection came about.
 *
 * Reading: level-triggered, one read of up to READ_BYTES a turn, decoded in place in a scratch buffer that all connections
 * share. A BUSY answer stops it at that frame: what was read already is kept (one read at most), interest is given up,
 * and onReady goes on from there; so the kernel's buffer and then the peer fill up, and nothing is lost. A read of very
 * many small frames stops the same way after FRAME_BUDGET of them, and goes on in the next turn.
 *
 * Writing: a frame that the socket cannot take is refused, and `port.ready()` follows once it can.
 */

import {
  type BatchLoop,
  type BatchTask,
  BUSY,
  Frame,
  type Port,
  SOCKET_FAILED,
  type StreamEvent,
  type StreamSocket,
  WOULD_BLOCK,
} from '../../net/index.ts';
import { type FrameSink, StreamDecoder } from './stream-decoder.ts';
import { StreamEncoder } from './stream-encoder.ts';

/** One read, and what one connection gets of a turn before others get theirs, bytes. */
const READ_BYTES = 256 * 1024;
/** Frames of one connection in a turn: about a millisecond of the switch's work. */
const FRAME_BUDGET = 1024;
const EMPTY = new Uint8Array(0);

/** Only used inside one `readable` event, which nothing re-enters. */
const scratch = new Uint8Array(READ_BYTES);

/** Why a connection ended, as a person reads it in the log. */
export type EndReason = 'closed by peer' | 'failed' | 'oversized frame';

export class StreamConnection implements FrameSink {
  readonly socket: StreamSocket;
  readonly #port: Port;
  readonly #onEnd: (reason: EndReason, detail: string) => void;
  readonly #decoder = new StreamDecoder();
  readonly #encoder = new StreamEncoder();
  readonly #frame = new Frame();
  readonly #loop: BatchLoop;
  readonly #nextTurn: BatchTask = { run: () => this.#goOn() };
  #frames = 0;
  #held: Uint8Array = EMPTY;
  #stopped = false;
  #blocked = false;
  #ended = false;
  #zeroLength = 0;

  /**
   * Starts reading at once.
   * @param onEnd called once when the stream ends by itself: not by `close`. The socket is closed already.
   */
  constructor(socket: StreamSocket, port: Port, loop: BatchLoop, onEnd: (reason: EndReason, detail: string) => void) {
    this.socket = socket;
    this.#loop = loop;
    this.#port = port;
    this.#onEnd = onEnd;
    socket.onEvent = (event) => this.#event(event);
    socket.interest(true, false);
  }

  /** NetClient.receive: true = taken. */
  send(frame: Frame): boolean {
    if (this.#ended) return true;
    if (this.#encoder.write(this.socket, frame.bytes, frame.offset, frame.length)) {
      if (this.#encoder.isBlocked) this.#waitForRoom();
      return true;
    }
    this.#waitForRoom();
    return false;
  }

  /** Port.onReady: the way of our frames is clear again. */
  resume(): void {
    if (!this.#stopped || this.#ended) return;
    this.#stopped = false;
    this.#goOn();
  }

  /** Ends it from our side; onEnd is not called. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#forget();
    this.socket.close();
  }

  frame(bytes: Uint8Array, offset: number, length: number): boolean {
    if (this.#port.send(this.#frame.setPlain(bytes, offset, length)) === BUSY) this.#stopped = true;
    return !this.#stopped && ++this.#frames < FRAME_BUDGET && !this.#ended;
  }

  #event(event: StreamEvent): void {
    if (this.#ended) return;
    switch (event) {
      case 'connected':
        return;
      case 'readable':
        this.#read();
        return;
      case 'writable':
        this.#writable();
        return;
      case 'error':
        this.#end('failed', this.socket.error?.message ?? 'unknown error');
        return;
      case 'closed':
        this.#end('closed by peer', '');
        return;
      default:
        event satisfies never;
    }
  }

  #read(): void {
    const count = this.socket.readInto(scratch, 0, READ_BYTES);
    if (count === WOULD_BLOCK) return;
    if (count === SOCKET_FAILED) {
      this.#end('failed', this.socket.error?.message ?? 'unknown error');
      return;
    }
    if (count === 0) {
      this.#end('closed by peer', this.#decoder.isMidFrame ? 'in the middle of a frame' : '');
      return;
    }
    this.#decode(scratch, count);
    if (this.#isPausing) this.#updateInterest();
  }

  /** Decodes what is held, then reads again. */
  #goOn(): void {
    if (this.#stopped || this.#ended) return;
    const held = this.#held;
    this.#held = EMPTY;
    if (held.length > 0) this.#decode(held, held.length);
    this.#updateInterest();
  }

  get #isPausing(): boolean {
    return this.#stopped || this.#held.length > 0;
  }

  #decode(bytes: Uint8Array, length: number): void {
    this.#frames = 0;
    const used = this.#decoder.push(bytes, 0, length, this);
    this.#port.sent();
    while (this.#zeroLength < this.#decoder.zeroLength) {
      this.#zeroLength++;
      this.#port.drop('zero-length');
    }
    if (this.#ended) return;
    if (this.#decoder.oversized > 0) {
      this.#port.drop('oversized');
      this.#end('oversized frame', `length ${this.#decoder.oversized}`);
      return;
    }
    if (used === length) return;
    // The scratch buffer is everybody's; what is held already is this connection's own.
    this.#held = bytes === scratch ? bytes.slice(used, length) : bytes.subarray(used, length);
    if (!this.#stopped) this.#loop.nextTurn(this.#nextTurn);
  }

  #writable(): void {
    if (!this.#encoder.flush(this.socket)) return;
    this.#blocked = false;
    this.#updateInterest();
    this.#port.ready();
  }

  #waitForRoom(): void {
    if (this.#blocked) return;
    this.#blocked = true;
    this.#updateInterest();
  }

  #updateInterest(): void {
    if (!this.#ended) this.socket.interest(!this.#isPausing, this.#blocked);
  }

  #end(reason: EndReason, detail: string): void {
    if (this.#ended) return;
    this.#ended = true;
    const wasBlocked = this.#blocked;
    this.#forget();
    this.socket.close();
    this.#onEnd(reason, detail);
    // A sender that waits for room must not wait for ever; with the link down by now, its frames are dropped and counted.
    if (wasBlocked) this.#port.ready();
  }

  #forget(): void {
    this.#held = EMPTY;
    this.#blocked = false;
    this.#decoder.reset();
    this.#encoder.reset();
  }
}
