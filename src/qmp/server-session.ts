/**
 * One client's QMP session (QEMU monitor/qmp.c).
 *
 * Theory of operation. Bytes go through the JSON reader; each document or parse error becomes an item of the in-band
 * queue, so answers keep the order of requests. One in-band item runs at a time. With `oob` negotiated, requests with
 * `exec-oob` run when they are read and may overtake.
 *
 * Back-pressure: reading stops (bytes not yet parsed are kept, the transport is paused) while the queue is full (8
 * items with oob, otherwise one request at a time), while a request waits for its turn, or while the output is over its
 * high-water mark; no request starts then either. So only events can pile up at a client that does not read, and a client with too much queued is
 * disconnected. What a client sends is read in pieces and run one by one as long as there is time in the turn of the loop
 * (session-turns.ts), so that frames and other clients are served in between. Nobody else is affected.
 *
 * States: see request-runner.ts; while negotiating, events are neither sent nor kept. `end()` is the client's half-close:
 * what was received is answered, then the session closes.
 */
import type { JsonValue } from '../qapi/index.ts';
import type { Capability } from './capabilities.ts';
import { wantsOob } from './envelope.ts';
import { JsonReader } from './json-reader.ts';
import { eventText, messageText } from './message-text.ts';
import { RequestRunner } from './request-runner.ts';
import type { QmpCloseReason, QmpServerOptions, QmpServerTransport } from './server-transport.ts';
import type { QmpTarget } from './target.ts';

/** In-band requests waiting with oob (QEMU's QMP_REQ_QUEUE_LEN_MAX). */
export const MAX_QUEUED_REQUESTS = 8;
/** Out-of-band requests running at once. */
const MAX_OOB_RUNNING = 8;
/** Bytes read before the time is looked at. */
const PIECE_BYTES = 4096;
/** A request, and so what a client can make us hold and repeat: QEMU takes 64 MiB. */
export const MAX_REQUEST_BYTES = 1024 * 1024;
/** Over this many unsent bytes no further request starts. */
export const OUTPUT_HIGH_WATER = 1024 * 1024;
/** Over this many unsent bytes the client is disconnected. */
export const OUTPUT_LIMIT = 16 * 1024 * 1024;

type Item = { readonly request: JsonValue } | { readonly error: string };

export class QmpServerSession {
  readonly #target: QmpTarget;
  readonly #transport: QmpServerTransport;
  readonly #options: QmpServerOptions;
  readonly #offered: readonly Capability[];
  readonly #reader: JsonReader;
  readonly #runner: RequestRunner;
  readonly #queue: Item[] = [];
  /** Received and not yet parsed, oldest first. */
  readonly #held: Uint8Array[] = [];
  #heldOffset = 0;
  #running = false;
  #oobRunning = 0;
  #waitsForTurn = false;
  #ended = false;
  #closed = false;
  #advancing = false;
  #inputPaused = false;
  #unsubscribe: (() => void) | undefined;

  constructor(target: QmpTarget, transport: QmpServerTransport, options: QmpServerOptions = {}) {
    this.#target = target;
    this.#transport = transport;
    this.#options = options;
    this.#offered = options.oob === false ? [] : ['oob'];
    const sink = {
      value: (request: JsonValue) => this.#enqueue({ request }),
      error: (text: string) => this.#enqueue({ error: text }),
    };
    this.#reader = new JsonReader(sink, { bytes: MAX_REQUEST_BYTES });
    this.#runner = new RequestRunner(target, this.#offered, this, {
      send: (message) => this.#send(message),
      negotiated: () => this.#subscribe(),
      takeDescriptor: transport.takeDescriptor?.bind(transport),
      defect: (command, error) => options.onDefect?.(command, error),
    });
  }

  /** Sends the greeting. Call once, when the client is connected. */
  start(): void {
    this.#send({ QMP: { version: this.#target.version, capabilities: this.#offered } });
  }

  /** Bytes from the client. The array is kept until it is parsed. */
  receive(bytes: Uint8Array): void {
    if (this.#closed || this.#ended || bytes.length === 0) return;
    this.#held.push(bytes);
    this.#advance();
  }

  /** The client will send no more. */
  end(): void {
    if (this.#closed) return;
    this.#ended = true;
    this.#advance();
  }

  /** The transport's queue shrank. */
  drained(): void {
    this.#advance();
  }

  /** The server ends: requests not yet started are dropped, the running one is answered, then the session closes. */
  shutdown(): void {
    this.#queue.length = 0;
    this.#held.length = 0;
    this.end();
  }

  /** The connection is gone, or has to go: queued requests are dropped, a running one finishes unanswered. */
  dispose(): void {
    this.#finish('disposed');
  }

  /** True once qmp_capabilities succeeded. */
  get negotiated(): boolean {
    return this.#runner.negotiated;
  }

  // Input

  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    while (!this.#closed && (this.#runNext() || this.#parse())) {
      // Each step may make the other possible.
    }
    this.#advancing = false;
    if (this.#closed) return;
    if (this.#ended && this.#isIdle()) {
      this.#finish('ended');
      return;
    }
    if (this.#hasWork() && !this.#transport.turns.hasTime()) this.#waitForTurn();
    // What waits for its turn may ask for descriptors, which the next bytes would replace.
    const pause = this.#held.length > 0 || (this.#queue.length > 0 && !this.#running);
    if (pause !== this.#inputPaused) {
      this.#inputPaused = pause;
      if (pause) this.#transport.pauseInput();
      else this.#transport.resumeInput();
    }
  }

  #waitForTurn(): void {
    if (this.#waitsForTurn) return;
    this.#waitsForTurn = true;
    this.#transport.turns.wait(() => {
      this.#waitsForTurn = false;
      this.#advance();
    });
  }

  #isIdle(): boolean {
    return !this.#hasWork() && !this.#running && this.#oobRunning === 0;
  }

  #hasWork(): boolean {
    return this.#held.length > 0 || this.#queue.length > 0;
  }

  #isFull(): boolean {
    if (this.#closed || this.#isOutputHigh() || this.#oobRunning >= MAX_OOB_RUNNING) return true;
    return this.#runner.oob ? this.#queue.length >= MAX_QUEUED_REQUESTS : this.#running || this.#queue.length > 0;
  }

  #isOutputHigh(): boolean {
    return this.#transport.queuedBytes > (this.#options.outputHighWater ?? OUTPUT_HIGH_WATER);
  }

  /** Parses held bytes until the queue is full; true if it did anything. */
  #parse(): boolean {
    const bytes = this.#held[0];
    if (bytes === undefined || this.#isFull() || !this.#transport.turns.hasTime()) return false;
    const next = this.#reader.feed(bytes, this.#heldOffset, Math.min(bytes.length, this.#heldOffset + PIECE_BYTES));
    this.#heldOffset = next;
    if (next >= bytes.length) {
      this.#held.shift();
      this.#heldOffset = 0;
    }
    return true;
  }

  #enqueue(item: Item): boolean {
    if (this.#runner.oob && 'request' in item && wantsOob(item.request)) {
      this.#oobRunning++;
      void this.#runner.run(item.request).then(() => {
        this.#oobRunning--;
        this.#advance();
      });
    } else {
      this.#queue.push(item);
    }
    return !this.#isFull() && this.#transport.turns.hasTime();
  }

  // Execution

  /** Starts the oldest queued item; true if there was one and it could start. */
  #runNext(): boolean {
    if (this.#running || this.#queue.length === 0 || this.#isOutputHigh() || !this.#transport.turns.hasTime())
      return false;
    const item = this.#queue.shift()!;
    if ('error' in item) {
      this.#send({ error: { class: 'GenericError', desc: item.error } });
      return true;
    }
    this.#running = true;
    void this.#runner.run(item.request).then(() => {
      this.#running = false;
      this.#advance();
    });
    return true;
  }

  // Output

  /** Events start behind the reply that ends the negotiation. */
  #subscribe(): void {
    if (this.#closed || this.#unsubscribe !== undefined) return;
    this.#unsubscribe = this.#target.subscribe((event) => {
      try {
        this.#sendText(eventText(event, this.#options.pretty === true));
      } catch (error) {
        // Data that has no JSON form: whoever emits must not suffer for it.
        this.#options.onDefect?.(event.event, error);
      }
    });
  }

  #send(message: unknown): void {
    this.#sendText(messageText(message, this.#options.pretty === true));
  }

  #sendText(text: string): void {
    if (this.#closed) return;
    if (this.#transport.queuedBytes > (this.#options.outputLimit ?? OUTPUT_LIMIT)) {
      this.#finish('overflow');
      return;
    }
    this.#transport.send(text);
  }

  #finish(reason: QmpCloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unsubscribe?.();
    this.#queue.length = 0;
    this.#held.length = 0;
    this.#reader.reset();
    if (reason === 'overflow') this.#transport.abort();
    else this.#transport.close();
    this.#options.onClosed?.(reason);
  }
}
