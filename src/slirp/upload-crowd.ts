/**
 * How many flows guests send bytes on at the same time, and what window that leaves to each. The queue in front of us (a
 * tap's has room for some hundred frames) is filled by all of them together: with windows that know nothing of each other
 * a crowd of uploads loses more than it carries.
 */
import type { TcpFlow } from './tcp-flow.ts';
import { CROWD_BYTES, CROWD_MIN_WINDOW, CROWD_PERIOD_MS, INITIAL_WINDOW, MAX_WINDOW } from './tcp-limits.ts';

export class UploadCrowd {
  #period = 0;
  #current = 0;
  #last = 0;

  /** What is offered to this flow, which has to be two of its segments: a stack makes no longer ones of less. */
  window(flow: TcpFlow): number {
    const share = Math.floor(CROWD_BYTES / Math.max(1, this.#last, this.#current));
    const least = Math.max(CROWD_MIN_WINDOW, Math.min(2 * flow.guestMss, INITIAL_WINDOW));
    return Math.min(Math.max(share, least), MAX_WINDOW);
  }

  /** Bytes of this flow came in at `heardAt`, which may be a while ago: the socket takes them now. */
  sent(flow: TcpFlow, heardAt: number): void {
    const period = Math.floor(heardAt / CROWD_PERIOD_MS);
    if (period < this.#period) return;
    if (period > this.#period) {
      this.#last = period === this.#period + 1 ? this.#current : 0;
      this.#current = 0;
      this.#period = period;
    }
    if (flow.sentInPeriod === period) return;
    flow.sentInPeriod = period;
    this.#current++;
  }
}
