/** The patience of a caller: a signal and a time, after which nobody waits any more. */
import { QmpSessionError } from './errors.ts';
import type { ExecuteOptions } from './session.ts';

export class Patience {
  /** Aborted when it is over; undefined where it has no end. */
  readonly over: AbortSignal | undefined;
  readonly #timeout: AbortSignal | undefined;
  readonly #late: string;

  /** @param late the message of NY_QMP_TIMEOUT, given the milliseconds */
  constructor({ signal, timeoutMs }: ExecuteOptions, late: (ms: number) => string) {
    this.#timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    this.#late = timeoutMs === undefined ? '' : late(timeoutMs);
    const signals = [signal, this.#timeout].filter((one) => one !== undefined);
    this.over = signals.length > 0 ? AbortSignal.any(signals) : undefined;
  }

  /** What to throw for an error that work under `over` ended with: running out of time has a text of its own. */
  explain(error: unknown): unknown {
    if (this.#timeout?.aborted !== true || error !== this.#timeout.reason) return error;
    return new QmpSessionError('NY_QMP_TIMEOUT', this.#late, { cause: error });
  }

  /**
   * Runs work that cannot be called back. What it comes to when nobody waits any more is nobody's, error or not.
   * @throws what the work throws; the signal's reason; QmpSessionError NY_QMP_TIMEOUT
   */
  async wait<T>(work: () => Promise<T>): Promise<T> {
    const { over } = this;
    if (over === undefined) return work();
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(this.explain(over.reason));
      if (over.aborted) {
        giveUp();
        return;
      }
      over.addEventListener('abort', giveUp, { once: true });
      work()
        .finally(() => over.removeEventListener('abort', giveUp))
        .then(resolve, reject);
    });
  }
}
