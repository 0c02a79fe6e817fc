/** A stream that its owner has closed, while bytes it had taken wait for a peer that reads slowly. */
import { SOCKET_FAILED, type Timer } from '../../net/index.ts';
import { nodeClock } from '../clock.ts';
import type { Destroyable } from '../socket-context.ts';
import { FAILED, WRITABLE } from './binding.ts';
import type { NativeContext } from './context.ts';
import type { ReadyHandler, Watch } from './readiness.ts';
import type { StreamOutput } from './stream-output.ts';

/** How long the peer may take. */
const LINGER_MS = 30_000;

export class LingeringStream implements Destroyable, ReadyHandler {
  readonly descriptor: number;
  readonly #context: NativeContext;
  readonly #output: StreamOutput;
  readonly #timer: Timer;
  readonly #watch: Watch;

  /**
   * @param descriptor closed at the end, as `output` is cleared
   * @throws HostError, and then both are still the caller's
   */
  constructor(context: NativeContext, descriptor: number, output: StreamOutput) {
    this.descriptor = descriptor;
    this.#context = context;
    this.#output = output;
    this.#watch = context.watcher.watch(descriptor, WRITABLE, this);
    this.#timer = context.host.timers.create(() => this.destroy());
    this.#timer.set(nodeClock.now() + LINGER_MS);
    context.host.open.add(this);
  }

  /** ReadyHandler. */
  ready(events: number): void {
    const failed = (events & FAILED) !== 0 || this.#output.unblock(this.descriptor) === SOCKET_FAILED;
    if (failed || this.#output.waiting === 0) this.destroy();
  }

  destroy(): void {
    this.#timer.cancel();
    this.#output.clear();
    this.#watch.close();
    this.#context.host.open.delete(this);
    this.#context.calls.close(this.descriptor);
  }
}
