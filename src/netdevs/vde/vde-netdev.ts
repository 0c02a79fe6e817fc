/**
 * A port of a vde_switch as a net client.
 *
 * While the switch is there, a DatagramWire carries the frames. When the control connection ends, or nobody takes datagrams
 * any more, the switch has dropped us or is gone: the carrier goes down, and every RETRY_MS the port is asked for again,
 * until the switch is back or the netdev is deleted. Why an attempt failed is said once for each reason. QEMU would go on
 * sending into the void.
 */
import {
  DROP_LINK_DOWN,
  type Frame,
  HostError,
  type NetClient,
  type NetdevContext,
  SOCKET_FAILED,
  type Timer,
  WOULD_BLOCK,
} from '../../net/index.ts';
import { DatagramWire } from '../datagram/index.ts';
import type { VdePlan } from './options.ts';
import { openSwitchPort, type SwitchPort } from './switch-port.ts';
import { MAX_VDE_FRAME } from './vde-protocol.ts';

export const RETRY_MS = 1000;
/** Reasons said while one switch is looked for: those that come in turn must not fill the log either. */
const MAX_REASONS = 16;

/** What a datagram socket answers whose peer is no more. */
const PEER_IS_GONE: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTCONN', 'EPIPE', 'ENOENT']);

export class VdeNetdev implements NetClient {
  readonly offloads = 0;
  readonly #context: NetdevContext;
  readonly #plan: VdePlan;
  readonly #retry: Timer;
  readonly #ending = new AbortController();
  readonly #scratch = new Uint8Array(64);
  #port: SwitchPort | undefined;
  #wire: DatagramWire | undefined;
  #info = '';
  /** Why the switch was not found since it was lost. */
  readonly #reasons = new Set<string>();
  /** Of sockets that were given up, and of an attempt under way. */
  #pending: Promise<unknown> = Promise.resolve();

  constructor(context: NetdevContext, plan: VdePlan, port: SwitchPort) {
    this.#context = context;
    // The first switch that was found stays the one.
    this.#plan = { ...plan, directories: [port.directory] };
    this.#retry = context.host.timers.create(() => {
      this.#pending = this.#reopen();
    });
    this.#use(port);
  }

  receive(frame: Frame): boolean {
    if (this.#wire !== undefined) return this.#wire.receive(frame);
    this.#context.port.drop(DROP_LINK_DOWN);
    return true;
  }

  linkChanged(): void {}

  info(): string {
    return this.#info;
  }

  async close(): Promise<void> {
    this.#ending.abort();
    this.#retry.cancel();
    this.#release();
    await this.#pending;
  }

  #use(port: SwitchPort): void {
    this.#port = port;
    this.#reasons.clear();
    this.#wire = new DatagramWire(this.#context, {
      socket: port.data,
      remote: undefined,
      info: '',
      maxDatagram: MAX_VDE_FRAME,
      onError: (error) => this.#dataFailed(error),
    });
    this.#info = `sock=${port.directory},fd=${port.data.descriptor ?? -1}`;
    const { control } = port;
    control.onEvent = (event) => {
      if (event === 'readable') this.#readControl();
      else if (event === 'error' || event === 'closed') this.#lost(control.error?.message);
    };
    control.interest(true, false);
  }

  /** The switch has nothing more to say: bytes are thrown away, the end is what counts. */
  #readControl(): void {
    const { control } = this.#port ?? {};
    const count = control?.readInto(this.#scratch, 0, this.#scratch.length);
    if (count === 0 || count === SOCKET_FAILED) this.#lost(control?.error?.message);
    else if (count === WOULD_BLOCK) return;
  }

  #dataFailed(error: HostError | undefined): void {
    if (error !== undefined && PEER_IS_GONE.has(error.code)) this.#lost(error.message);
  }

  #lost(reason = 'it closed the connection'): void {
    if (this.#port === undefined || this.#ending.signal.aborted) return;
    const { id, log, port, host } = this.#context;
    log.warn(`netdev '${id}': lost the switch at ${this.#port.directory} (${reason}): looking for it again`);
    this.#release();
    this.#retry.set(host.clock.now() + RETRY_MS);
    port.carrier(false);
    // What was refused waits for a word; without a carrier it is dropped.
    port.ready();
  }

  #release(): void {
    this.#port?.control.close();
    this.#port = undefined;
    const wire = this.#wire;
    this.#wire = undefined;
    if (wire !== undefined) this.#pending = Promise.all([this.#pending, wire.close()]);
  }

  async #reopen(): Promise<void> {
    const { host, id, log, port } = this.#context;
    const { signal } = this.#ending;
    let found: SwitchPort;
    try {
      found = await openSwitchPort(host, this.#plan, id, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#sayWhy(error);
      this.#retry.set(host.clock.now() + RETRY_MS);
      return;
    }
    if (signal.aborted) {
      found.control.close();
      await found.data.close();
      return;
    }
    this.#use(found);
    log.info(`netdev '${id}': the switch at ${found.directory} is back`);
    port.carrier(true);
  }

  #sayWhy(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    const reasons = this.#reasons;
    if (reasons.has(text) || reasons.size >= MAX_REASONS) return;
    reasons.add(text);
    const { id, log } = this.#context;
    if (error instanceof HostError) log.warn(`netdev '${id}': the switch is not back: ${text}`);
    else log.error(`netdev '${id}': looking for the switch failed`, { error });
  }
}
