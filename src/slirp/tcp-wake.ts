/**
 * Tells that this program slept: the machine was suspended (the monotonic clock stood still, the wall clock went on), or
 * the program was stopped (both went on without it). A wall clock that is set forward looks the same, and does no harm.
 */
import type { Clock, Host, Timer } from '../net/host.ts';
import { WAKE_CHECK_MS, WAKE_GAP_MS } from './tcp-limits.ts';

export class WakeWatch {
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #onWake: () => void;
  #now = 0;
  #wallMs = 0;

  /** @param onWake called after a sleep, while started. */
  constructor(host: Pick<Host, 'clock' | 'timers'>, onWake: () => void) {
    this.#clock = host.clock;
    this.#timer = host.timers.create(() => this.#check());
    this.#onWake = onWake;
  }

  start(): void {
    this.#now = this.#clock.now();
    this.#wallMs = this.#clock.wallMicros() / 1000;
    this.#timer.set(this.#now + WAKE_CHECK_MS);
  }

  stop(): void {
    this.#timer.cancel();
  }

  #check(): void {
    const passed = this.#clock.now() - this.#now;
    const passedOutside = this.#clock.wallMicros() / 1000 - this.#wallMs;
    this.start();
    if (Math.max(passed, passedOutside) > WAKE_CHECK_MS + WAKE_GAP_MS) this.#onWake();
  }
}
