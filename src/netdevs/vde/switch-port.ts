/**
 * A port of a vde_switch, taken over its control socket: connect, bind our data socket, ask, wait for the answer, connect
 * the data socket to where the answer says. The port lives as long as the control connection: its end means that the
 * switch dropped us, or is gone.
 *
 * A switch of version 2.3.2 refuses by silence what it cannot give (no such port, none free, a port of another user), and
 * by closing the connection what it cannot read: the first ends after REPLY_TIMEOUT_MS.
 */
import {
  type DatagramSocket,
  type Host,
  HostError,
  type StreamSocket,
  type Timer,
  WOULD_BLOCK,
} from '../../net/index.ts';
import { bindDataSocket } from './data-socket.ts';
import type { VdePlan } from './options.ts';
import { encodeRequest, parseReply, REPLY_BYTES } from './vde-protocol.ts';

export const REPLY_TIMEOUT_MS = 3000;

export interface SwitchPort {
  /** The switch's directory. */
  readonly directory: string;
  /** Connected: frames go to the switch, and come from nobody else. */
  readonly data: DatagramSocket;
  readonly control: StreamSocket;
}

/**
 * The port of the first switch there is.
 * @throws HostError with a text that says what failed.
 */
export async function openSwitchPort(
  host: Host,
  plan: VdePlan,
  name: string,
  signal: AbortSignal,
): Promise<SwitchPort> {
  let reason: unknown;
  for (const directory of plan.directories) {
    try {
      return await openAt(host, directory, plan, name, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof HostError)) throw error;
      if (reason === undefined || error.code !== 'ENOENT') reason = error;
    }
  }
  throw reason;
}

async function openAt(
  host: Host,
  directory: string,
  plan: VdePlan,
  name: string,
  signal: AbortSignal,
): Promise<SwitchPort> {
  const control = host.sockets.connect({ family: 'unix', path: `${directory}/ctl` });
  const conversation = new Conversation(host, control, signal);
  let data: DatagramSocket | undefined;
  try {
    await conversation.connected();
    const { socket, path } = await bindDataSocket(host, directory, plan);
    data = socket;
    signal.throwIfAborted();
    const { processId = 0, userName = '' } = host.identity ?? {};
    const request = encodeRequest(plan.port, path, `netyard ${name} user=${userName} pid=${processId}`);
    const reply = parseReply(await conversation.ask(request, silence(directory, plan.port)));
    if (reply === undefined) throw new HostError('EPROTO', `what answers at ${directory} is no vde_switch`);
    data.connect({ family: 'unix', path: reply });
    const error = data.takeError();
    if (error !== undefined) throw error;
    // The switch is connected to it by now. Without a name it cannot be left behind, whatever becomes of us.
    data.unlink?.();
    return { directory, data, control };
  } catch (error) {
    control.close();
    await data?.close();
    throw error;
  } finally {
    conversation.end();
  }
}

const silence = (directory: string, port: number): string =>
  `the switch at ${directory} does not answer: ${
    port === 0 ? 'all its ports are taken' : `it has no port ${port}, or another user has it`
  }`;

/** The control connection until the port is there; afterwards its events are the owner's. */
class Conversation {
  readonly #control: StreamSocket;
  readonly #timer: Timer;
  readonly #deadlineMs: number;
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.#fail(this.#signal.reason);
  readonly #reply = new Uint8Array(REPLY_BYTES);
  #received = 0;
  #isConnected = false;
  #failure: unknown;
  #silence = 'the switch does not take connections';
  #resolve: (() => void) | undefined;
  #reject: ((reason: unknown) => void) | undefined;

  constructor(host: Host, control: StreamSocket, signal: AbortSignal) {
    this.#control = control;
    this.#signal = signal;
    this.#timer = host.timers.create(() => this.#fail(new HostError('ETIMEDOUT', this.#silence)));
    this.#deadlineMs = host.clock.now() + REPLY_TIMEOUT_MS;
    this.#timer.set(this.#deadlineMs);
    signal.addEventListener('abort', this.#onAbort, { once: true });
    control.onEvent = (event) => {
      if (event === 'connected') this.#connected();
      else if (event === 'readable') this.#read();
      else if (event === 'error' || event === 'closed') this.#fail(control.error ?? REFUSED);
    };
  }

  connected(): Promise<void> {
    return this.#wait(() => this.#isConnected);
  }

  async ask(request: Uint8Array, silence: string): Promise<Uint8Array> {
    this.#silence = silence;
    // The switch reads once: half a request is none.
    if (this.#control.write(request, 0, request.length) !== request.length) throw this.#control.error ?? REFUSED;
    this.#control.interest(true, false);
    await this.#wait(() => this.#received === REPLY_BYTES);
    return this.#reply;
  }

  end(): void {
    this.#timer.cancel();
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#control.onEvent = () => {};
  }

  async #wait(isDone: () => boolean): Promise<void> {
    if (this.#signal.aborted) throw this.#signal.reason;
    if (this.#failure !== undefined) throw this.#failure;
    if (isDone()) return;
    await new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  #connected(): void {
    this.#isConnected = true;
    this.#resolve?.();
  }

  #read(): void {
    const count = this.#control.readInto(this.#reply, this.#received, REPLY_BYTES - this.#received);
    if (count === WOULD_BLOCK) return;
    if (count <= 0) {
      this.#fail(count === 0 ? REFUSED : (this.#control.error ?? REFUSED));
      return;
    }
    this.#received += count;
    if (this.#received < REPLY_BYTES) return;
    this.#control.interest(false, false);
    this.#resolve?.();
  }

  #fail(reason: unknown): void {
    this.#failure ??= reason;
    this.#reject?.(reason);
  }
}

const REFUSED = new HostError('ECONNREFUSED', 'the switch refused the connection');
