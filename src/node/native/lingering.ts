/**
 * A stream that its owner has closed or reset, while bytes it had taken wait for a peer that reads slowly.
 *
 * Closed: once the kernel has the bytes it sends them by itself. Reset: the kernel would drop what the peer has not
 * acknowledged, so the descriptor is kept until it has; no event tells of that, so the send buffer is looked at.
 */
import { SOCKET_FAILED, type Timer } from '../../net/index.ts';
import { nodeClock } from '../clock.ts';
import type { Destroyable } from '../destroyable.ts';
import { FAILED, WRITABLE } from './binding.ts';
import type { NativeContext } from './context.ts';
import { MEMINFO_BYTES, MEMINFO_WMEM_QUEUED, SO_LINGER, SO_MEMINFO, SOL_SOCKET } from './linux.ts';
import type { ReadyHandler, Watch } from './readiness.ts';
import { host32, putHost32 } from './sockaddr.ts';
import type { StreamOutput } from './stream-output.ts';

/** How long the peer may take; of a reset, without acknowledging anything. */
const LINGER_MS = 30_000;
/** A reset that waits for acknowledgments: first look, and the longest time between two. */
const FIRST_LOOK_MS = 1;
const MOST_LOOK_MS = 64;
/** Resets that wait at a time: the oldest gives way. */
const MAX_RESETTING = 1024;

export class LingeringStream implements Destroyable, ReadyHandler {
  readonly descriptor: number;
  readonly share: number | undefined;
  readonly #context: NativeContext;
  readonly #output: StreamOutput;
  readonly #ending: 'close' | 'reset';
  readonly #timer: Timer;
  readonly #watch: Watch;
  #endsAt = nodeClock.now() + LINGER_MS;
  #lookMs = FIRST_LOOK_MS;
  #unsent = 0;

  /**
   * @param descriptor closed at the end, as `output` is cleared; it counts as one of `share` until then
   * @throws HostError, and then both are still the caller's
   */
  constructor(
    context: NativeContext,
    { descriptor, share }: { descriptor: number; share: number | undefined },
    output: StreamOutput,
    ending: 'close' | 'reset',
  ) {
    this.descriptor = descriptor;
    this.share = share;
    this.#context = context;
    this.#output = output;
    this.#ending = ending;
    this.#watch = context.watcher.watch(descriptor, output.waiting > 0 ? WRITABLE : 0, this);
    this.#timer = context.host.timers.create(() => this.#onTimer());
    this.#timer.set(this.#endsAt);
    context.host.open.add(this);
    if (ending === 'close') return;
    const { resetting } = context;
    if (resetting.size >= MAX_RESETTING) {
      const [oldest] = resetting;
      oldest?.destroy();
    }
    resetting.add(this);
    if (output.waiting === 0) this.#look();
  }

  /** ReadyHandler. */
  ready(events: number): void {
    const failed = (events & FAILED) !== 0 || this.#output.unblock(this.descriptor) === SOCKET_FAILED;
    if (failed) this.destroy();
    else if (this.#output.waiting === 0) this.#allHandedOver();
    else this.#endsAt = nodeClock.now() + LINGER_MS;
  }

  destroy(): void {
    this.#timer.cancel();
    this.#output.clear();
    this.#watch.close();
    this.#context.host.open.delete(this);
    this.#context.resetting.delete(this);
    if (this.#ending === 'reset') resetOnClose(this.#context, this.descriptor);
    this.#context.calls.close(this.descriptor);
  }

  #allHandedOver(): void {
    if (this.#ending === 'close') {
      this.destroy();
      return;
    }
    this.#watch.interest(0);
    this.#look();
  }

  #onTimer(): void {
    if (nodeClock.now() >= this.#endsAt) this.destroy();
    else if (this.#output.waiting > 0) this.#timer.set(this.#endsAt);
    else this.#look();
  }

  #look(): void {
    const unsent = unsentBytes(this.#context, this.descriptor);
    if (unsent === 0) {
      this.destroy();
      return;
    }
    const now = nodeClock.now();
    if (unsent !== this.#unsent) this.#endsAt = now + LINGER_MS;
    this.#unsent = unsent;
    this.#timer.set(Math.min(now + this.#lookMs, this.#endsAt));
    this.#lookMs = Math.min(2 * this.#lookMs, MOST_LOOK_MS);
  }
}

/** What a TCP socket's send buffer holds that the peer has not acknowledged, by the kernel's count; 0 of others. */
export function unsentBytes(context: NativeContext, fd: number): number {
  const { calls, scratch } = context;
  if (calls.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, scratch, 0, MEMINFO_BYTES) < MEMINFO_BYTES) return 0;
  return host32(scratch, MEMINFO_WMEM_QUEUED);
}

/** close(2) sends a RST. */
export function resetOnClose(context: NativeContext, fd: number): void {
  const value = context.scratch;
  putHost32(value, 0, 1);
  putHost32(value, 4, 0);
  context.calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, value, 0, 8);
}
