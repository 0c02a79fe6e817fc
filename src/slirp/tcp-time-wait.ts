/**
 * Flows in TIME-WAIT, in the order they entered it. They have no timer of their own: one ends those whose time is over, and
 * beyond the cap the oldest gives way. A flow that ended before its time keeps its place until then.
 */
import type { Timer, Timers } from '../net/host.ts';
import { NEVER, type TcpFlow } from './tcp-flow.ts';
import { MAX_TIME_WAIT, TIME_WAIT_MS, TIME_WAIT_STEP_MS } from './tcp-limits.ts';

export class TimeWait {
  readonly #ring: (TcpFlow | undefined)[] = [];
  readonly #timer: Timer;
  readonly #now: () => number;
  readonly #end: (flow: TcpFlow) => void;
  #first = 0;
  #count = 0;

  /** @param end what becomes of a flow whose time is over, or whose place is needed. */
  constructor(timers: Timers, now: () => number, end: (flow: TcpFlow) => void) {
    this.#timer = timers.create(() => this.#expire());
    this.#now = now;
    this.#end = end;
  }

  /** The flow's state has just become TIME-WAIT: from now on only time ends it, or the guest. */
  enter(flow: TcpFlow): void {
    flow.timer?.cancel();
    flow.timer = undefined;
    flow.timerAt = flow.rexmitAt = flow.persistAt = flow.windowAt = NEVER;
    // Many flows, one wake-up.
    flow.lifeAt = Math.ceil((this.#now() + TIME_WAIT_MS) / TIME_WAIT_STEP_MS) * TIME_WAIT_STEP_MS;
    if (this.#count === MAX_TIME_WAIT) this.#endFirst();
    this.#ring[(this.#first + this.#count) % MAX_TIME_WAIT] = flow;
    if (this.#count++ === 0) this.#timer.set(flow.lifeAt);
  }

  close(): void {
    this.#timer.cancel();
    this.#ring.length = 0;
    this.#count = 0;
  }

  #expire(): void {
    const now = this.#now();
    for (let flow = this.#ring[this.#first]; this.#count > 0 && flow !== undefined; flow = this.#ring[this.#first]) {
      if (flow.state === 'TIME-WAIT' && flow.lifeAt > now) {
        this.#timer.set(flow.lifeAt);
        return;
      }
      this.#endFirst();
    }
  }

  #endFirst(): void {
    const flow = this.#ring[this.#first];
    this.#ring[this.#first] = undefined;
    this.#first = (this.#first + 1) % MAX_TIME_WAIT;
    this.#count--;
    if (flow?.state === 'TIME-WAIT') this.#end(flow);
  }
}
