/** A session with a target in this process: the interface of a remote one, without JSON text and sockets. */
import { type JsonObject, type JsonValue, QapiError, type QmpSchema } from '../qapi/index.ts';
import type { NetyardSchema } from '../schema/net.ts';
import { CAPABILITIES_COMMAND } from './capabilities.ts';
import { asQmpError, noReply, QmpSessionError } from './errors.ts';
import { EventStreams } from './event-streams.ts';
import { Patience } from './patience.ts';
import type { EventStreamOptions, ExecuteOptions, QmpSession } from './session.ts';
import type { QmpTarget } from './target.ts';
import { fromJson, toJsonArguments } from './values.ts';

export interface LocalSessionOptions {
  /** Integers of results beyond 2^53 arrive as bigint instead of an error. */
  readonly bigint?: boolean | undefined;
}

/**
 * Opens a session with a target. Closing it leaves the target as it is.
 * @example const session = createLocalSession(yard); await session.execute('query-version');
 */
export function createLocalSession<S extends QmpSchema = NetyardSchema, I extends number | bigint = number>(
  target: QmpTarget,
  options: LocalSessionOptions = {},
): QmpSession<S, I> {
  return new LocalSession(target, options.bigint === true) as unknown as QmpSession<S, I>;
}

class LocalSession {
  readonly #target: QmpTarget;
  readonly #bigint: boolean;
  readonly #streams: EventStreams;
  readonly #unsubscribe: () => void;
  /** Settles when the newest command has; commands of one session run strictly in order. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(target: QmpTarget, bigint: boolean) {
    this.#target = target;
    this.#bigint = bigint;
    this.#streams = new EventStreams(bigint);
    this.#unsubscribe = target.subscribe((event) => this.#streams.push(event));
  }

  execute(name: string, args?: object, options?: ExecuteOptions): Promise<unknown> {
    return this.call(name, args, options);
  }

  async call(name: string, args?: object, options: ExecuteOptions = {}): Promise<unknown> {
    // Taken before waiting, so that later changes by the caller do not matter.
    const json = toJsonArguments(args);
    const patience = new Patience(options, (ms) => noReply(name, ms));
    const result = await patience.wait(() => {
      const run = this.#last.then(() => this.#run(name, json, patience.over));
      this.#last = run.catch(() => {});
      return run;
    });
    return fromJson(result === undefined ? {} : result, name, this.#bigint);
  }

  async #run(
    name: string,
    args: JsonObject | undefined,
    over: AbortSignal | undefined,
  ): Promise<JsonValue | undefined> {
    if (this.#closed) throw new QmpSessionError('NY_QMP_CLOSED', 'the session is closed');
    over?.throwIfAborted();
    try {
      if (!this.#target.isKnown(name)) throw unknownCommand(name);
      return await this.#target.execute(name, args, { monitor: this });
    } catch (error) {
      throw asQmpError(error);
    }
  }

  events(name: string, options: EventStreamOptions = {}) {
    return this.#streams.open(name, options);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unsubscribe();
    this.#streams.finish(undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function unknownCommand(name: string): QapiError {
  const text =
    name === CAPABILITIES_COMMAND
      ? 'Capabilities negotiation is already complete, command ignored'
      : `The command ${name} has not been found`;
  return new QapiError(text, { class: 'CommandNotFound' });
}
