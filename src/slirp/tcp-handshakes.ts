/**
 * Flows whose handshake is not over, capped, with a share for each owner: of guests' connects the port they came in by, of
 * dials the forward that strangers came by. Within a share they stand in the order in which they were last asked for, so
 * that the one whose program has given up is found first.
 */
import { ORPHANS, Shares } from '../net/index.ts';
import type { TcpFlow } from './tcp-flow.ts';

export class Handshakes {
  readonly #shares: Shares;
  /** Of those who have one under way, and the recent one. */
  readonly #order = new Map<number, Set<TcpFlow>>();
  #recentOwner = Number.NaN;

  constructor(cap: number) {
    this.#shares = new Shares(cap);
  }

  get size(): number {
    return this.#shares.used;
  }

  /** Who has to go before one more of this owner may begin; undefined = there is room. */
  loser(owner: number): TcpFlow | undefined {
    if (this.#shares.allows(owner)) return undefined;
    return this.oldest(ORPHANS) ?? this.oldest(owner) ?? this.oldest(this.#shares.largest());
  }

  begin(flow: TcpFlow, owner: number): void {
    this.#shares.take(owner);
    flow.handshakeOwner = owner;
    let order = this.#order.get(owner);
    if (order === undefined) {
      order = new Set();
      this.#order.set(owner, order);
    }
    order.add(flow);
    if (owner === this.#recentOwner) return;
    if (this.#order.get(this.#recentOwner)?.size === 0) this.#order.delete(this.#recentOwner);
    this.#recentOwner = owner;
  }

  /** It is asked for again. */
  repeated(flow: TcpFlow): void {
    const order = this.#order.get(flow.handshakeOwner);
    if (order?.delete(flow)) order.add(flow);
  }

  /** It is over, or was given up. */
  end(flow: TcpFlow): void {
    const owner = flow.handshakeOwner;
    const order = this.#order.get(owner);
    if (!order?.delete(flow)) return;
    this.#shares.give(owner);
    if (order.size === 0 && owner !== this.#recentOwner) this.#order.delete(owner);
  }

  /** Nothing for one that stands here no more. */
  move(flow: TcpFlow, owner: number): void {
    if (this.#order.get(flow.handshakeOwner)?.has(flow) !== true) return;
    this.end(flow);
    this.begin(flow, owner);
  }

  /** The one that was last asked for longest ago. */
  oldest(owner: number): TcpFlow | undefined {
    const order = this.#order.get(owner);
    if (order === undefined) return undefined;
    for (const flow of order) return flow;
    return undefined;
  }
}
