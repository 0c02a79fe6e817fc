/**
 * Flows that the host has bytes for which their guest does not take, counted for each port. What waits for them is the
 * kernel's memory, of which one port must not use up all: where there are many, the system is told to hold less for each.
 * It is told again only when that is half of what it was.
 */
import type { TcpFlow } from './tcp-flow.ts';
import { MANY_UNREAD, MIN_RECEIVE_BYTES, UNREAD_BYTES } from './tcp-limits.ts';

export class UnreadFlows {
  readonly #counts = new Map<number, number>();

  /** Bytes wait in the system for this flow, or do so no more. */
  note(flow: TcpFlow, waits: boolean): void {
    if (waits === flow.unread) {
      if (waits) this.#limit(flow, this.countOf(flow.ingress));
      return;
    }
    flow.unread = waits;
    const count = this.countOf(flow.ingress) + (waits ? 1 : -1);
    if (count > 0) this.#counts.set(flow.ingress, count);
    else this.#counts.delete(flow.ingress);
    if (waits) this.#limit(flow, count);
  }

  countOf(ingress: number): number {
    return this.#counts.get(ingress) ?? 0;
  }

  #limit(flow: TcpFlow, count: number): void {
    if (count <= MANY_UNREAD) return;
    const bytes = Math.max(MIN_RECEIVE_BYTES, Math.floor(UNREAD_BYTES / count));
    if (bytes > flow.receiveLimit >> 1) return;
    flow.receiveLimit = bytes;
    flow.socket?.limitReceive?.(bytes);
  }
}
