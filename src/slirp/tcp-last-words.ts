/**
 * Sockets of flows that are reset towards the host while bytes of the guest, received in order, wait for room in them. The
 * flow is gone; here its bytes are written, and then the socket is reset. Each ingress has its share of the places, and
 * beyond it its own oldest is reset.
 */
import { SOCKET_FAILED, type StreamSocket, type Timer, type Timers } from '../net/host.ts';
import { Shares } from '../net/index.ts';
import { seqAdd } from '../wire/index.ts';
import type { Assembler } from './tcp-assembler.ts';
import { LAST_WORDS_MS, MAX_LAST_WORDS } from './tcp-limits.ts';

export class LastWords {
  readonly #timers: Timers;
  readonly #now: () => number;
  /** Oldest first. */
  readonly #open = new Map<Speaker, number>();
  readonly #shares = new Shares(MAX_LAST_WORDS);

  constructor(timers: Timers, now: () => number) {
    this.#timers = timers;
    this.#now = now;
  }

  /** @param pieces begin at `seq`; what lies behind a gap is dropped in the end. */
  take(socket: StreamSocket, pieces: Assembler, seq: number, ingress: number): void {
    if (!this.#shares.allows(ingress)) this.#oldestOf(ingress)?.end();
    const speaker = new Speaker(socket, pieces, seq, this.#timers, this.#now, () => {
      if (this.#open.delete(speaker)) this.#shares.give(ingress);
    });
    this.#open.set(speaker, ingress);
    this.#shares.take(ingress);
    speaker.speak();
  }

  close(): void {
    for (const speaker of this.#open.keys()) speaker.end();
  }

  /** Of all, where the ingress has none itself. */
  #oldestOf(ingress: number): Speaker | undefined {
    let oldest: Speaker | undefined;
    for (const [speaker, owner] of this.#open) {
      if (owner === ingress) return speaker;
      oldest ??= speaker;
    }
    return oldest;
  }
}

class Speaker {
  readonly #socket: StreamSocket;
  readonly #pieces: Assembler;
  readonly #timer: Timer;
  readonly #now: () => number;
  readonly #onEnd: () => void;
  #seq: number;

  constructor(
    socket: StreamSocket,
    pieces: Assembler,
    seq: number,
    timers: Timers,
    now: () => number,
    onEnd: () => void,
  ) {
    this.#socket = socket;
    this.#pieces = pieces;
    this.#seq = seq;
    this.#now = now;
    this.#onEnd = onEnd;
    this.#timer = timers.create(() => this.end());
    this.#timer.set(now() + LAST_WORDS_MS);
    socket.onEvent = (event) => {
      if (event === 'writable') this.speak();
      else if (event === 'error') this.end();
    };
  }

  speak(): void {
    const taken = this.#pieces.drain(this.#seq, this.#socket);
    if (taken > 0) {
      this.#seq = seqAdd(this.#seq, taken);
      this.#timer.set(this.#now() + LAST_WORDS_MS);
    }
    if (taken === SOCKET_FAILED || !this.#pieces.begins(this.#seq)) this.end();
    else this.#socket.interest(false, true);
  }

  end(): void {
    this.#timer.cancel();
    this.#pieces.clear();
    this.#socket.reset();
    this.#onEnd();
  }
}
