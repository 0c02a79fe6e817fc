/**
 * Runs the requests of one session: what may run before and after the negotiation, what may run out of band, and the
 * reply. Nothing here waits for anything but the command itself; the order of requests is the session's.
 *
 * States: negotiating until qmp_capabilities succeeded, then command.
 */
import { type JsonObject, type JsonValue, QapiError } from '../qapi/index.ts';
import { CAPABILITIES_COMMAND, type Capability, checkOffered, requestedCapabilities } from './capabilities.ts';
import { isObject, parseRequest, type Request } from './envelope.ts';
import { replyOf } from './errors.ts';
import type { QmpTarget } from './target.ts';

export interface RequestHooks {
  /** Sends a reply. Throws when it has no JSON form. */
  send(message: unknown): void;
  /** The reply that ends the negotiation was sent. */
  negotiated(): void;
  /** See QmpContext. */
  readonly takeDescriptor?: (() => number | undefined) | undefined;
  /** A command threw what is no error of the protocol. */
  defect(command: string, error: unknown): void;
}

export class RequestRunner {
  readonly #target: QmpTarget;
  readonly #offered: readonly Capability[];
  readonly #monitor: object;
  readonly #hooks: RequestHooks;
  #negotiated = false;
  #oob = false;

  /** @param monitor stands for the session towards commands. */
  constructor(target: QmpTarget, offered: readonly Capability[], monitor: object, hooks: RequestHooks) {
    this.#target = target;
    this.#offered = offered;
    this.#monitor = monitor;
    this.#hooks = hooks;
  }

  /** True once qmp_capabilities succeeded. */
  get negotiated(): boolean {
    return this.#negotiated;
  }

  /** Out-of-band requests were agreed on. */
  get oob(): boolean {
    return this.#oob;
  }

  /** Runs one request and answers it. Never rejects. */
  async run(value: JsonValue): Promise<void> {
    const id = isObject(value) ? value['id'] : undefined;
    let command = '';
    try {
      const request = parseRequest(value, this.#oob);
      command = request.command;
      const result = await this.#execute(request);
      this.#hooks.send(id === undefined ? { return: result } : { return: result, id });
      if (command === CAPABILITIES_COMMAND) this.#hooks.negotiated();
    } catch (error) {
      if (replyOf(error) === undefined) this.#hooks.defect(command, error);
      this.#sendError(error, id);
    }
  }

  /** The result; a command without one answers with an empty object. */
  async #execute(request: Request): Promise<JsonValue> {
    const { command, args, oob } = request;
    const isCapabilities = command === CAPABILITIES_COMMAND;
    if (!this.#negotiated && !isCapabilities) {
      throw new QapiError("Expecting capabilities negotiation with 'qmp_capabilities'", { class: 'CommandNotFound' });
    }
    if (!isCapabilities && !this.#target.isKnown(command)) {
      throw new QapiError(`The command ${command} has not been found`, { class: 'CommandNotFound' });
    }
    if (oob && (isCapabilities || !this.#target.allowsOob(command))) {
      throw new QapiError(`The command ${command} does not support OOB`);
    }
    if (isCapabilities) {
      this.#negotiate(requestedCapabilities(args));
      return {};
    }
    const result = await this.#target.execute(command, args, {
      monitor: this.#monitor,
      takeDescriptor: this.#hooks.takeDescriptor,
    });
    return result === undefined ? {} : result;
  }

  #negotiate(wanted: ReadonlySet<Capability>): void {
    if (this.#negotiated) {
      throw new QapiError('Capabilities negotiation is already complete, command ignored', {
        class: 'CommandNotFound',
      });
    }
    checkOffered(wanted, this.#offered);
    this.#negotiated = true;
    this.#oob = wanted.has('oob');
  }

  #sendError(error: unknown, id: JsonValue | undefined): void {
    const reply = replyOf(error) ?? { class: 'GenericError', desc: 'Internal error' };
    const content: JsonObject = { class: reply.class, desc: reply.desc };
    if (reply.data !== undefined) content['data'] = reply.data;
    this.#hooks.send(id === undefined ? { error: content } : { id, error: content });
  }
}
