/** A QMP session on a byte stream of Node: socket or stdio. */
import type { Readable, Writable } from 'node:stream';
import { type QmpServerOptions, QmpServerSession, type QmpTarget, SessionTurns } from '../qmp/index.ts';
import { HttpGuard } from './http-guard.ts';
import type { MonitorContext } from './monitor.ts';
import { NativeDuplex } from './native-duplex.ts';
import type { Client } from './socket-device.ts';

/** After the session's end, what the client does not take within this time is dropped. */
const FLUSH_LIMIT_MS = 500;
/** A monitor that closes waits this long for a running command's answer. */
const ANSWER_LIMIT_MS = 1000;

/** All monitors of this thread share its loop. */
const turns = new SessionTurns(
  () => performance.now(),
  (task) => void setImmediate(task),
);

export interface StreamPair {
  readonly input: Readable;
  readonly output: Writable;
  /** Reachable for every program of the machine, a browser among them. */
  readonly isTcp?: boolean;
  /** See QmpContext. */
  takeDescriptor?(): number | undefined;
  /** Sends what is queued, then closes. Not called twice. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

export class StreamSession {
  /** Resolves when the stream is gone and nothing of the session is left. */
  readonly closed: Promise<void>;
  readonly #session: QmpServerSession;
  readonly #pair: StreamPair;
  #onClosed: () => void = () => {};
  #limit: NodeJS.Timeout | undefined;
  #gone = false;
  readonly #guard: HttpGuard | undefined;

  /** @param ready the client is greeted once this resolves; undefined = at once. */
  constructor(target: QmpTarget, pair: StreamPair, options: QmpServerOptions, ready: Promise<void> | undefined) {
    this.#pair = pair;
    this.#guard = pair.isTcp === true ? new HttpGuard() : undefined;
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
    const { input, output } = pair;
    this.#session = new QmpServerSession(
      target,
      {
        send: (text) => {
          if (output.writable) output.write(text, 'latin1');
        },
        close: () => {
          if (this.#gone) return;
          this.#endWithin(FLUSH_LIMIT_MS);
          pair.end();
        },
        abort: () => pair.destroy(),
        turns,
        ...(pair.takeDescriptor === undefined ? {} : { takeDescriptor: () => pair.takeDescriptor?.() }),
        pauseInput: () => input.pause(),
        resumeInput: () => input.resume(),
        get queuedBytes() {
          return output.writableLength;
        },
      },
      options,
    );
    input.on('error', this.#onGone);
    output.on('error', this.#onGone);
    output.on('close', this.#onGone);
    if (ready === undefined) this.#begin();
    else void ready.then(() => this.#begin());
  }

  #begin(): void {
    if (this.#gone) return;
    const { input, output } = this.#pair;
    input.on('data', this.#onData);
    input.on('end', this.#onEnd);
    output.on('drain', this.#onDrain);
    this.#session.start();
  }

  /** Answers the running command, then closes; both within bounded time. */
  close(): Promise<void> {
    this.#endWithin(ANSWER_LIMIT_MS + FLUSH_LIMIT_MS);
    this.#session.shutdown();
    return this.closed;
  }

  /** Leaves streams that outlive the session (stdio) as they were. */
  detach(): void {
    const { input, output } = this.#pair;
    input.off('data', this.#onData);
    input.off('end', this.#onEnd);
    output.off('drain', this.#onDrain);
    input.pause();
    this.#onGone();
  }

  readonly #onData = (bytes: Uint8Array): void => {
    if (this.#guard?.refuses(bytes) === true) {
      this.#pair.destroy();
      this.#onGone();
      return;
    }
    this.#session.receive(bytes);
  };
  readonly #onEnd = (): void => this.#session.end();
  readonly #onDrain = (): void => this.#session.drained();
  readonly #onGone = (): void => {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#limit);
    this.#session.dispose();
    this.#onClosed();
  };

  #endWithin(milliseconds: number): void {
    if (this.#limit !== undefined || this.#gone) return;
    this.#limit = setTimeout(() => this.#pair.destroy(), milliseconds);
  }
}

/**
 * A session that owns its socket.
 * @param isTcp reachable for every program of the machine, a browser among them
 */
export function socketSession(
  socket: Client,
  { target, sessionOptions, options }: MonitorContext,
  isTcp: boolean,
): StreamSession {
  return new StreamSession(
    target,
    {
      input: socket,
      output: socket,
      isTcp,
      ...(socket instanceof NativeDuplex ? { takeDescriptor: () => socket.takeDescriptor() } : {}),
      end: () => socket.destroySoon(),
      destroy: () => socket.destroy(),
    },
    sessionOptions,
    options.ready,
  );
}
