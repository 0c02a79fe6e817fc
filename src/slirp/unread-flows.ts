/**
 * Flows that the host has bytes for which their guest does not take, counted for each port. What waits for them is the
 * kernel's memory, of which one port must not use up all: where there are many, the system is told to hold less for each,
 * and more again once the guest has taken what waits and they are fewer. It is told again only when that is half of what it
 * was, or twice.
 */
import type { TcpFlow } from './tcp-flow.ts';
import { MANY_UNREAD, MIN_RECEIVE_BYTES, UNREAD_BYTES } from './tcp-limits.ts';

/** What the system holds for a flow unless it is told otherwise. */
const UNLIMITED = Number.POSITIVE_INFINITY;

export class UnreadFlows {
  readonly #counts = new Map<number, number>();

  /** Bytes wait in the system for this flow, or do so no more. */
  note(flow: TcpFlow, waits: boolean): void {
    if (waits !== flow.unread) {
      flow.unread = waits;
      this.#add(flow.ingress, waits ? 1 : -1);
    }
    if (waits) this.#limit(flow, this.countOf(flow.ingress));
    else if (flow.receiveLimit !== UNLIMITED) this.#raise(flow, this.countOf(flow.ingress));
  }

  /** The flow is about to be another port's. */
  move(flow: TcpFlow, ingress: number): void {
    if (!flow.unread) return;
    this.#add(flow.ingress, -1);
    this.#add(ingress, 1);
  }

  #add(ingress: number, change: number): void {
    const count = this.countOf(ingress) + change;
    if (count > 0) this.#counts.set(ingress, count);
    else this.#counts.delete(ingress);
  }

  countOf(ingress: number): number {
    return this.#counts.get(ingress) ?? 0;
  }

  #limit(flow: TcpFlow, count: number): void {
    const bytes = share(count);
    if (bytes === UNLIMITED || bytes > flow.receiveLimit / 2) return;
    flow.receiveLimit = bytes;
    flow.socket?.limitReceive?.(bytes);
  }

  #raise(flow: TcpFlow, count: number): void {
    const bytes = share(count);
    if (bytes < 2 * flow.receiveLimit) return;
    flow.receiveLimit = bytes;
    flow.socket?.limitReceive?.(bytes);
  }
}

function share(count: number): number {
  return count <= MANY_UNREAD ? UNLIMITED : Math.max(MIN_RECEIVE_BYTES, Math.floor(UNREAD_BYTES / count));
}
