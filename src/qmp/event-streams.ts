/** The event streams of one session: bounded queues between the session and its readers. */
import { QmpSessionError } from './errors.ts';
import type { EventStream, EventStreamOptions } from './session.ts';
import type { QmpEvent } from './target.ts';
import { fromJson } from './values.ts';

export const DEFAULT_EVENT_CAP = 1000;

/** What a stream yields; the types above it are the schema's. */
export interface ReceivedEvent {
  readonly event: string;
  readonly data: unknown;
  readonly timestamp: { readonly seconds: number; readonly microseconds: number };
}

export class EventStreams {
  readonly #streams = new Set<QueuedEventStream>();
  readonly #bigint: boolean;
  /** Set once the session is over: streams asked for later end at once. */
  #over: { readonly error: QmpSessionError | undefined } | undefined;

  constructor(bigint: boolean) {
    this.#bigint = bigint;
  }

  open(name: string, options: EventStreamOptions): EventStream<ReceivedEvent> {
    const stream = new QueuedEventStream(name, options, () => this.#streams.delete(stream));
    if (this.#over === undefined) this.#streams.add(stream);
    else stream.finish(this.#over.error);
    if (options.signal !== undefined) stream.endOn(options.signal);
    return stream;
  }

  push(event: QmpEvent): void {
    if (this.#streams.size === 0) return;
    let received: ReceivedEvent | QmpSessionError | undefined;
    for (const stream of [...this.#streams]) {
      if (!stream.wants(event.event)) continue;
      received ??= this.#convert(event);
      if (received instanceof QmpSessionError) stream.finish(received);
      else stream.push(received);
    }
  }

  /** The session is over: without an error streams end, with one they throw it. */
  finish(error: QmpSessionError | undefined): void {
    this.#over ??= { error };
    for (const stream of [...this.#streams]) stream.finish(error);
  }

  #convert(event: QmpEvent): ReceivedEvent | QmpSessionError {
    const { seconds, microseconds } = event.timestamp;
    try {
      const data = event.data === undefined ? {} : fromJson(event.data, `${event.event}.data`, this.#bigint);
      return { event: event.event, data, timestamp: { seconds, microseconds } };
    } catch (error) {
      if (error instanceof QmpSessionError) return error;
      throw error;
    }
  }
}

type Waiter = {
  readonly resolve: (result: IteratorResult<ReceivedEvent, undefined>) => void;
  readonly reject: (error: unknown) => void;
};

const DONE: IteratorResult<ReceivedEvent, undefined> = { done: true, value: undefined };

class QueuedEventStream implements EventStream<ReceivedEvent> {
  readonly #name: string;
  readonly #cap: number;
  readonly #onEnd: () => void;
  #queue: ReceivedEvent[] = [];
  #waiters: Waiter[] = [];
  #ended = false;
  /** Thrown once, behind the queued events. */
  #error: { readonly reason: unknown } | undefined;
  #release: (() => void) | undefined;

  constructor(name: string, options: EventStreamOptions, onEnd: () => void) {
    this.#name = name;
    this.#cap = options.cap ?? DEFAULT_EVENT_CAP;
    this.#onEnd = onEnd;
  }

  endOn(signal: AbortSignal): void {
    const abort = (): void => this.#end({ reason: signal.reason });
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    this.#release = () => signal.removeEventListener('abort', abort);
  }

  wants(event: string): boolean {
    return this.#name === '*' || this.#name === event;
  }

  push(event: ReceivedEvent): void {
    if (this.#ended) return;
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter.resolve({ done: false, value: event });
    else if (this.#queue.length < this.#cap) this.#queue.push(event);
    else {
      const text = `more than ${this.#cap} events '${this.#name}' waited to be read`;
      this.finish(new QmpSessionError('NY_QMP_OVERFLOW', text));
    }
  }

  finish(error: QmpSessionError | undefined): void {
    this.#end(error === undefined ? undefined : { reason: error });
  }

  next(): Promise<IteratorResult<ReceivedEvent, undefined>> {
    const event = this.#queue.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#error !== undefined) {
      const { reason } = this.#error;
      this.#error = undefined;
      return Promise.reject(reason);
    }
    if (this.#ended) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<ReceivedEvent, undefined>> {
    this.#queue = [];
    this.#end(undefined);
    this.#error = undefined;
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): EventStream<ReceivedEvent> {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #end(error: { readonly reason: unknown } | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#release?.();
    this.#onEnd();
    const waiters = this.#waiters;
    this.#waiters = [];
    if (error !== undefined && waiters.length === 0) this.#error = error;
    for (const [index, waiter] of waiters.entries()) {
      // The first reader gets the error, later ones the end, as with one reader asking twice.
      if (error !== undefined && index === 0) waiter.reject(error.reason);
      else waiter.resolve(DONE);
    }
  }
}
