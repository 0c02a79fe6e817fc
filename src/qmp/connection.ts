/**
 * A QMP client over any byte transport: greeting, negotiation, replies by id, events to streams. Speaks to QEMU and
 * to netyard.
 */
import type { JsonObject, JsonValue, QmpSchema } from '../qapi/index.ts';
import type { NetyardSchema } from '../schema/net.ts';
import { CAPABILITIES_COMMAND } from './capabilities.ts';
import { isObject } from './envelope.ts';
import { noReply, QmpError, QmpSessionError } from './errors.ts';
import { EventStreams } from './event-streams.ts';
import { JsonReader } from './json-reader.ts';
import { writeJson } from './json-writer.ts';
import { Patience } from './patience.ts';
import type { EventStreamOptions, ExecuteOptions, QmpSession } from './session.ts';
import type { VersionInfo } from './target.ts';
import type { QmpTransport } from './transport.ts';
import { fromJson, toJsonArguments } from './values.ts';

export interface QmpOpenOptions {
  /** Gives up; the reason is thrown. It has no effect once the session is open. */
  readonly signal?: AbortSignal | undefined;
  /** Integers of results beyond 2^53 arrive as bigint instead of an error. */
  readonly bigint?: boolean | undefined;
}

/** A remote session: what the interface has, and what the peer said of itself. */
export interface QmpConnection<S extends QmpSchema = NetyardSchema, I extends number | bigint = number>
  extends QmpSession<S, I> {
  /** The peer's version, from its greeting. */
  readonly version: VersionInfo;
  /** What the peer offered, e.g. `oob`. */
  readonly capabilities: readonly string[];
  /** Settles when the session is over, with the reason unless close() was it. Never rejects. */
  readonly closed: Promise<QmpSessionError | undefined>;
}

/**
 * Waits for the greeting and negotiates.
 * @throws QmpSessionError NY_QMP_PROTOCOL, NY_QMP_DISCONNECTED; the signal's reason
 */
export async function openQmpConnection<S extends QmpSchema = NetyardSchema, I extends number | bigint = number>(
  transport: QmpTransport,
  options: QmpOpenOptions = {},
): Promise<QmpConnection<S, I>> {
  const connection = new RemoteSession(transport, options.bigint === true);
  const { signal } = options;
  if (signal === undefined) {
    await connection.negotiate();
    return connection as unknown as QmpConnection<S, I>;
  }
  const abort = (): void => connection.abandon(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    await connection.negotiate();
  } finally {
    signal.removeEventListener('abort', abort);
  }
  return connection as unknown as QmpConnection<S, I>;
}

interface Pending {
  readonly name: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

class RemoteSession {
  readonly closed: Promise<QmpSessionError | undefined>;
  readonly #transport: QmpTransport;
  readonly #bigint: boolean;
  readonly #streams: EventStreams;
  readonly #pending = new Map<number, Pending>();
  readonly #greeted: Promise<void>;
  #onGreeting: () => void = () => {};
  #failGreeting: (error: unknown) => void = () => {};
  #onClosed: (error: QmpSessionError | undefined) => void = () => {};
  #greeting: JsonObject | undefined;
  #lastId = 0;
  /** Why no command can be given any more. */
  #over: QmpSessionError | undefined;
  #transportGone = false;

  constructor(transport: QmpTransport, bigint: boolean) {
    this.#transport = transport;
    this.#bigint = bigint;
    this.#streams = new EventStreams(bigint);
    this.#greeted = new Promise((resolve, reject) => {
      this.#onGreeting = resolve;
      this.#failGreeting = reject;
    });
    // Awaited by negotiate() only; a failure before that must not count as unhandled.
    this.#greeted.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
    const reader = new JsonReader({
      value: (value) => this.#message(value),
      error: (text) => this.#protocolError(text),
    });
    transport.onData = (bytes) => {
      if (this.#over === undefined) reader.feed(bytes);
    };
    transport.onClosed = (error) => this.#lost(error);
  }

  get version(): VersionInfo {
    return fromJson(this.#greeting?.['version'] ?? null, 'version', false) as VersionInfo;
  }

  get capabilities(): readonly string[] {
    return (this.#greeting?.['capabilities'] ?? []) as string[];
  }

  async negotiate(): Promise<void> {
    await this.#greeted;
    await this.#request(CAPABILITIES_COMMAND, undefined);
  }

  /** Gives up while opening. */
  abandon(reason: unknown): void {
    this.#failGreeting(reason);
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(reason);
    void this.close();
  }

  execute(name: string, args?: object, options?: ExecuteOptions): Promise<unknown> {
    return this.call(name, args, options);
  }

  async call(name: string, args?: object, options: ExecuteOptions = {}): Promise<unknown> {
    const json = toJsonArguments(args);
    const patience = new Patience(options, (ms) => noReply(name, ms));
    // The reply of a command that nobody waits for any more is still taken as its own.
    return patience.wait(() => this.#request(name, json));
  }

  events(name: string, options: EventStreamOptions = {}) {
    return this.#streams.open(name, options);
  }

  async close(): Promise<void> {
    if (this.#over === undefined) {
      this.#end(new QmpSessionError('NY_QMP_CLOSED', 'the session is closed'), false);
    }
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #request(name: string, args: JsonObject | undefined): Promise<unknown> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { name, resolve, reject });
      this.#transport.send(`${writeJson({ execute: name, arguments: args, id })}\r\n`);
    });
  }

  /** False stops the reader, for bytes behind a fatal message. */
  #message(value: JsonValue): boolean {
    if (!isObject(value)) return this.#protocolError('a message is not an object');
    if (this.#greeting === undefined) return this.#greet(value['QMP']);
    if (value['event'] !== undefined) return this.#event(value);
    const isError = 'error' in value;
    if (!isError && !('return' in value)) return this.#protocolError('a message is neither reply nor event');
    const id = isError && value['id'] === undefined ? this.#oldestId() : value['id'];
    const pending = typeof id === 'number' ? this.#pending.get(id) : undefined;
    if (pending === undefined) return this.#protocolError('a reply belongs to no request');
    this.#pending.delete(id as number);
    try {
      if (isError) throw errorOf(value['error']);
      pending.resolve(fromJson(value['return']!, pending.name, this.#bigint));
    } catch (error) {
      pending.reject(error);
    }
    return true;
  }

  /** QEMU leaves the id out where it could not read the request; then the oldest one is meant. */
  #oldestId(): number | undefined {
    for (const id of this.#pending.keys()) return id;
    return undefined;
  }

  #greet(greeting: JsonValue | undefined): boolean {
    if (!isObject(greeting) || !isObject(greeting['version']) || !isStrings(greeting['capabilities'])) {
      return this.#protocolError('the greeting is not one of QMP');
    }
    this.#greeting = greeting;
    this.#onGreeting();
    return true;
  }

  #event(value: JsonObject): boolean {
    const { event, data, timestamp } = value;
    if (typeof event !== 'string' || !isObject(timestamp) || (data !== undefined && !isObject(data))) {
      return this.#protocolError('an event is malformed');
    }
    const { seconds, microseconds } = timestamp;
    if (typeof seconds !== 'number' || typeof microseconds !== 'number') {
      return this.#protocolError('an event has no time');
    }
    this.#streams.push({ event, data, timestamp: { seconds, microseconds } });
    return true;
  }

  #protocolError(text: string): boolean {
    this.#end(new QmpSessionError('NY_QMP_PROTOCOL', `the peer does not speak QMP: ${text}`), true);
    return false;
  }

  #lost(cause: Error | undefined): void {
    this.#transportGone = true;
    const text = cause === undefined ? 'the peer closed the connection' : `the connection failed: ${cause.message}`;
    const error = new QmpSessionError('NY_QMP_DISCONNECTED', text, cause === undefined ? {} : { cause });
    if (this.#over === undefined) this.#end(error, true);
    this.#onClosed(this.#over?.code === 'NY_QMP_CLOSED' ? undefined : this.#over);
  }

  #end(error: QmpSessionError, isFailure: boolean): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    this.#failGreeting(error);
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(error);
    this.#streams.finish(isFailure ? error : undefined);
    if (!this.#transportGone) this.#transport.close();
  }
}

function isStrings(value: JsonValue | undefined): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function errorOf(error: JsonValue | undefined): QmpError {
  const members = isObject(error) ? error : {};
  const { class: errorClass, desc, data } = members;
  // A class of a later QEMU is handed on as it is.
  const known = (typeof errorClass === 'string' ? errorClass : 'GenericError') as 'GenericError';
  return new QmpError(known, String(desc), { data: isObject(data) ? data : undefined });
}
