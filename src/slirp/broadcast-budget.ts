/**
 * What the guests of one port may cause the user network to send to everybody: DHCP answers, ARP questions. The switch
 * lets a port flood so much, and that of `user` is one for all of its guests: what one guest uses up, the others still have.
 */
import type { Clock } from '../net/host.ts';
import { IngressBuckets } from './ingress-buckets.ts';

/** A boot takes three: a question whether the address is free, the offer and the lease. */
export const BROADCASTS_PER_SECOND = 50;
export const BROADCAST_BURST = 400;

export class BroadcastBudget {
  readonly #clock: Clock;
  readonly #drop: (reason: string) => void;
  readonly #buckets = new IngressBuckets(BROADCASTS_PER_SECOND, BROADCAST_BURST);

  constructor(clock: Clock, drop: (reason: string) => void) {
    this.#clock = clock;
    this.#drop = drop;
  }

  /** Whether one more may be sent because of that port; counts it if not. */
  take(ingress: number): boolean {
    if (this.#buckets.take(ingress, this.#clock.now())) return true;
    this.#drop('broadcast-limit');
    return false;
  }

  ingressGone(ingress: number): void {
    this.#buckets.ingressGone(ingress);
  }
}
