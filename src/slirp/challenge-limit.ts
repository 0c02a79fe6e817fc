/** Challenge ACKs of all flows within a second (RFC 5961 §7), with a share for each ingress. */
import { Shares } from '../net/index.ts';
import { CHALLENGE_ACKS } from './tcp-limits.ts';

const PERIOD_MS = 1000;

export class ChallengeLimit {
  #shares = new Shares(CHALLENGE_ACKS);
  #since = 0;

  take(ingress: number, now: number): boolean {
    if (now - this.#since >= PERIOD_MS) {
      this.#since = now;
      if (this.#shares.used > 0) this.#shares = new Shares(CHALLENGE_ACKS);
    }
    if (!this.#shares.allows(ingress)) return false;
    this.#shares.take(ingress);
    return true;
  }
}
