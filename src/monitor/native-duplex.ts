/** A stream of the native layer as a stream of Node, with the descriptors that come along. */
import { Duplex } from 'node:stream';
import { SOCKET_FAILED, type StreamSocket, WOULD_BLOCK } from '../net/index.ts';

const CHUNK_BYTES = 16 * 1024;

export class NativeDuplex extends Duplex {
  readonly #socket: StreamSocket;
  readonly #close: (descriptor: number) => void;
  /** Came with the last message that brought any. */
  #passed: number[] = [];
  #wantsMore = false;
  #pending: { bytes: Uint8Array; offset: number; done: (error?: Error | null) => void } | undefined;

  /** @param close closes a descriptor that nobody took. */
  constructor(socket: StreamSocket, close: (descriptor: number) => void) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.#close = close;
    socket.onEvent = (event) => {
      if (event === 'readable') this.#pull();
      else if (event === 'writable') this.#push();
      else if (event === 'error' || event === 'closed') this.destroy();
    };
  }

  /** As in QEMU a later message's descriptors replace those that nobody asked for, and of several the first is meant. */
  takeDescriptor(): number | undefined {
    const first = this.#passed.shift();
    this.#drop();
    return first;
  }

  /** Sends what is queued, then closes. */
  destroySoon(): void {
    this.end(() => this.destroy());
  }

  /** Node itself would read ahead: descriptors that come then would replace those of a request that still waits. */
  override pause(): this {
    super.pause();
    this.#updateInterest();
    return this;
  }

  override resume(): this {
    super.resume();
    this.#updateInterest();
    return this;
  }

  override _read(): void {
    this.#wantsMore = true;
    this.#updateInterest();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#pending = { bytes: chunk, offset: 0, done };
    this.#push();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.shutdown();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#drop();
    this.#socket.close();
    done(error);
    pending?.done(new Error('closed'));
  }

  #pull(): void {
    while (this.#wantsMore && !this.isPaused() && !this.destroyed) {
      const bytes = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      const count = this.#socket.readInto(bytes, 0, CHUNK_BYTES);
      if (count === WOULD_BLOCK) break;
      if (count === SOCKET_FAILED) {
        this.destroy();
        return;
      }
      const arrived = this.#socket.takeDescriptors?.() ?? [];
      if (arrived.length > 0) {
        this.#drop();
        this.#passed = arrived;
      }
      this.#wantsMore = false;
      // _read follows when there is room for more, perhaps inside this call.
      this.push(count === 0 ? null : bytes.subarray(0, count));
      if (count === 0) break;
    }
    this.#updateInterest();
  }

  #push(): void {
    const pending = this.#pending;
    if (pending !== undefined) {
      const { bytes, offset, done } = pending;
      const taken = this.#socket.write(bytes, offset, bytes.length - offset);
      if (taken === SOCKET_FAILED) {
        this.destroy();
        return;
      }
      if (taken > 0) pending.offset += taken;
      if (pending.offset >= bytes.length) {
        this.#pending = undefined;
        done();
      }
    }
    this.#updateInterest();
  }

  #updateInterest(): void {
    if (this.destroyed) return;
    this.#socket.interest(this.#wantsMore && !this.isPaused(), this.#pending !== undefined);
  }

  #drop(): void {
    for (const descriptor of this.#passed) this.#close(descriptor);
    this.#passed = [];
  }
}
