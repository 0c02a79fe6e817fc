import type { Listener, StreamSocket } from '../../../src/net/host.ts';
import type { MemoryAddress } from './network.ts';
import type { MemoryStream } from './stream.ts';

export class MemoryListener implements Listener {
  readonly address: MemoryAddress;
  readonly v6Only: boolean;
  readonly #backlog: number;
  readonly #onGone: (listener: MemoryListener) => void;
  readonly #waiting: MemoryStream[] = [];
  #onConnection: ((socket: StreamSocket) => void) | undefined;
  #paused = false;
  #closed = false;

  constructor(
    address: MemoryAddress,
    options: { backlog: number; v6Only: boolean },
    onGone: (listener: MemoryListener) => void,
  ) {
    this.address = address;
    this.v6Only = options.v6Only;
    this.#backlog = options.backlog;
    this.#onGone = onGone;
  }

  get onConnection(): (socket: StreamSocket) => void {
    return this.#onConnection ?? (() => {});
  }

  set onConnection(callback: (socket: StreamSocket) => void) {
    this.#onConnection = callback;
    this.#drain();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#drain();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const stream of this.#waiting.splice(0)) stream.reset();
    this.#onGone(this);
  }

  /** False when the backlog is full. */
  offer(stream: MemoryStream): boolean {
    if (this.#closed || this.#waiting.length > this.#backlog) return false;
    this.#waiting.push(stream);
    this.#drain();
    return true;
  }

  #drain(): void {
    while (!this.#paused && !this.#closed && this.#onConnection !== undefined) {
      const stream = this.#waiting.shift();
      if (stream === undefined) return;
      if (!stream.isClosed) this.#onConnection(stream);
    }
  }
}
