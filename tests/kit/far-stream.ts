/** The far side of a stream netdev: a program that speaks the framing over one end of an in-memory connection. */
import type { StreamSocket } from '../../src/net/host.ts';
import { type FrameSink, StreamDecoder, StreamEncoder } from '../../src/netdevs/framing/index.ts';

export class FarStream implements FrameSink {
  /** Copies of the frames that arrived. */
  readonly received: Uint8Array[] = [];
  readonly socket: StreamSocket;
  readonly #decoder = new StreamDecoder();
  readonly #encoder = new StreamEncoder();
  readonly #waiting: Uint8Array[] = [];
  #stalled = false;
  readonly #buffer = new Uint8Array(8192);

  constructor(socket: StreamSocket) {
    this.socket = socket;
    socket.onEvent = (event) => {
      if (event === 'readable') this.#read();
      if (event === 'writable') this.#write();
    };
    this.#updateInterest();
  }

  send(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#write();
  }

  /** Any bytes, outside the framing. */
  raw(...bytes: number[]): void {
    this.socket.write(Uint8Array.from(bytes), 0, bytes.length);
  }

  stall(): void {
    this.#stalled = true;
    this.#updateInterest();
  }

  unstall(): void {
    this.#stalled = false;
    this.#updateInterest();
  }

  /** Gone in the middle of a frame. */
  vanish(): void {
    this.raw(0, 0, 1, 0, 1, 2, 3);
    this.socket.reset();
  }

  frame(bytes: Uint8Array, offset: number, length: number): boolean {
    this.received.push(bytes.slice(offset, offset + length));
    return true;
  }

  #read(): void {
    for (;;) {
      const count = this.socket.readInto(this.#buffer, 0, this.#buffer.length);
      if (count <= 0) return;
      this.#decoder.push(this.#buffer, 0, count, this);
    }
  }

  #write(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#encoder.flush(this.socket); next = this.#waiting[0]) {
      if (!this.#encoder.write(this.socket, next, 0, next.length)) break;
      this.#waiting.shift();
    }
    this.#encoder.flush(this.socket);
    this.#updateInterest();
  }

  #updateInterest(): void {
    this.socket.interest(!this.#stalled, this.#waiting.length > 0 || this.#encoder.isBlocked);
  }
}
