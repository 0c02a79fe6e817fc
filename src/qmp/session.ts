/**
 * One interface for whoever steers by QMP: a session with a remote QEMU or netyard, or with a yard in this process.
 * Names, arguments, results and events are checked against a schema at compile time.
 */
import type { CommandArguments, CommandName, CommandReturns, EventData, EventName, QmpSchema } from '../qapi/index.ts';
import type { NetyardSchema } from '../schema/net.ts';

/** How long a caller waits for one command. QMP cannot take a command back: one that has begun runs to its end. */
export interface ExecuteOptions {
  /** Gives up waiting; the signal's reason is thrown. A command that was not begun is not run. */
  readonly signal?: AbortSignal | undefined;
  /** Gives up after this time, waiting for earlier commands included; then NY_QMP_TIMEOUT. Default: none. */
  readonly timeoutMs?: number | undefined;
}

/** Arguments may be left out where none is required. */
export type ExecuteArguments<S extends QmpSchema, K extends CommandName<S>> =
  Record<never, never> extends CommandArguments<S, K>
    ? [args?: CommandArguments<S, K> | undefined, options?: ExecuteOptions]
    : [args: CommandArguments<S, K>, options?: ExecuteOptions];

/** A result type as a session opened with `bigint` gives it: integers beyond 2^53 arrive as bigint. */
export type WithBigint<T> = T extends number
  ? number | bigint
  : T extends readonly (infer E)[]
    ? WithBigint<E>[]
    : T extends object
      ? { [K in keyof T]: WithBigint<T[K]> }
      : T;

/** `I` is number, or number | bigint for a session opened with `bigint`. */
export type Integers<T, I extends number | bigint> = bigint extends I ? WithBigint<T> : T;

/** Wall clock of an event at its source; both -1 if that clock failed. */
export interface EventTimestamp {
  readonly seconds: number;
  readonly microseconds: number;
}

/** One event; `'*'` stands for any. Events without arguments have empty data. */
export type EventOf<S extends QmpSchema, K extends EventName<S> | '*', I extends number | bigint = number> = {
  [E in EventName<S>]: {
    readonly event: E;
    readonly data: Integers<EventData<S, E>, I>;
    readonly timestamp: EventTimestamp;
  };
}[K extends EventName<S> ? K : EventName<S>];

export interface EventStreamOptions {
  /** Events kept for a reader that is behind; one more ends the stream with an error. Default 1000. */
  readonly cap?: number | undefined;
  /** Ends the stream with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Events since events() was called, in order. Ends when the session is closed or the stream is disposed; throws
 * QmpSessionError on overflow (after the events that were kept) and on disconnect.
 */
export interface EventStream<E> extends AsyncIterable<E>, AsyncDisposable {
  next(): Promise<IteratorResult<E, undefined>>;
  /** Ends the stream; a loop that is left calls it. */
  return(): Promise<IteratorResult<E, undefined>>;
  [Symbol.asyncIterator](): EventStream<E>;
}

export interface QmpSession<S extends QmpSchema = NetyardSchema, I extends number | bigint = number>
  extends AsyncDisposable {
  /**
   * Runs a command. Commands of a session run in order; calls need not wait for each other.
   * @returns the command's result; integers as number
   * @throws QmpError with QEMU's class and text when the command fails
   * @throws QmpSessionError when the session fails, on NY_QMP_TIMEOUT, or for an integer beyond 2^53 without `bigint`
   * @throws the reason of `options.signal`
   * @example await session.execute('set_link', { name: 'n0', up: false }, { timeoutMs: 2000 })
   */
  execute<K extends CommandName<S>>(
    name: K,
    ...args: ExecuteArguments<S, K>
  ): Promise<Integers<CommandReturns<S, K>, I>>;
  /** The same without the schema: any name, any arguments. */
  call(name: string, args?: object, options?: ExecuteOptions): Promise<unknown>;
  /**
   * Subscribes at once, not at the first read.
   * @example for await (const event of session.events('NETDEV_STREAM_CONNECTED')) { ... }
   */
  events<K extends EventName<S> | '*'>(name: K, options?: EventStreamOptions): EventStream<EventOf<S, K, I>>;
  /** Ends the session: running commands reject, event streams end. Idempotent. */
  close(): Promise<void>;
}
