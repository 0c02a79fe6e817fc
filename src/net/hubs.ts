/** The hubs of a network, and the check that no loop of them comes to be. */
import { QapiError } from '../qapi/error.ts';
import type { Endpoint } from './endpoint.ts';
import { Hub, HubPort } from './hub.ts';

export class Hubs {
  readonly #hubs: Hub[] = [];

  /** Newest first. */
  all(): readonly Hub[] {
    return this.#hubs;
  }

  find(id: number): Hub | undefined {
    return this.#hubs.find((hub) => hub.id === id);
  }

  /** The hub of that id, made on first use. */
  ensure(id: number): Hub {
    let hub = this.find(id);
    if (hub === undefined) {
      hub = new Hub(id);
      this.#hubs.unshift(hub);
    }
    return hub;
  }

  /** Name for a port that was given none: `hub<id>port<n>`. */
  portName(id: number): string {
    return this.find(id)?.nextPortName ?? `hub${id}port0`;
  }
}

/** The hub that a client is a port of. */
export function hubOf(endpoint: Endpoint): Hub | undefined {
  return endpoint.relay instanceof HubPort ? endpoint.relay.hub : undefined;
}

/** @throws QapiError when `netdev` is a port of a hub whose frames get to `hub` already. */
export function refuseLoop(netdev: Endpoint, hub: Hub | undefined): void {
  const from = hubOf(netdev);
  if (from !== undefined && hub !== undefined && reaches(from, hub)) {
    throw new QapiError(`netdev '${netdev.name}' is connected to hub ${hub.id} already`);
  }
}

/** Whether frames of one hub get to the other, and thereby back. */
function reaches(from: Hub, to: Hub): boolean {
  const seen = new Set([from]);
  for (const hub of seen) {
    if (hub === to) return true;
    for (const port of hub.ports()) {
      const next = port.peer === undefined ? undefined : hubOf(port.peer);
      if (next !== undefined) seen.add(next);
    }
  }
  return false;
}
