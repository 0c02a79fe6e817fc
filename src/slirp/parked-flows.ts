/** Flows that wait until the way to their guest is clear. By address: so the port says for whom it is not. */
import type { IpAddress } from './ip-layer.ts';
import type { TcpFlow } from './tcp-flow.ts';

export class ParkedFlows {
  readonly #guests = new Map<string, Set<TcpFlow>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(flow: TcpFlow): void {
    const key = keyOf(flow.guest);
    let flows = this.#guests.get(key);
    if (flows === undefined) {
      flows = new Set();
      this.#guests.set(key, flows);
    }
    flows.add(flow);
    this.#size++;
  }

  remove(flow: TcpFlow): void {
    const key = keyOf(flow.guest);
    const flows = this.#guests.get(key);
    if (!flows?.delete(flow)) return;
    this.#size--;
    if (flows.size === 0) this.#guests.delete(key);
  }

  /** Those of one guest, which are parked no more. */
  take(guest: IpAddress): Iterable<TcpFlow> {
    const key = keyOf(guest);
    const flows = this.#guests.get(key);
    if (flows === undefined) return [];
    this.#guests.delete(key);
    this.#size -= flows.size;
    return flows;
  }
}

/** Made when the way becomes blocked or clear, not per segment. */
const keyOf = (guest: IpAddress): string => `${guest[0]}.${guest[1]}.${guest[2]}.${guest[3]}`;
