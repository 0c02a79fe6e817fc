/**
 * A port of the switch: the switch's own end of a wire. What is dropped here is counted at the client behind it.
 */
import type { NetClient, SendResult } from './client.ts';
import type { Endpoint } from './endpoint.ts';
import type { Relay } from './endpoint-context.ts';
import type { FloodPurse } from './flood-budget.ts';
import type { Frame } from './frame.ts';
import type { Switch } from './switch.ts';

export interface SwitchPortInfo {
  readonly name: string;
  /** May claim addresses of the yard's own. */
  readonly trusted: boolean;
  readonly linkUp: boolean;
  readonly queuedFrames: number;
  readonly queuedBytes: number;
  /** Frames from and to the client behind the port. */
  readonly receivedFrames: number;
  readonly sentFrames: number;
  readonly floodedFrames: number;
}

export class SwitchPort implements NetClient, Relay {
  readonly offloads = 0;
  readonly endpoint: Endpoint;
  readonly clientName: string;
  readonly isTrusted: boolean;
  /** Ports whose sender was told BUSY on the way to this one. */
  readonly told = new Set<SwitchPort>();
  floodedFrames = 0;
  /** What its floods may cost. */
  readonly purse: FloodPurse;
  readonly #switch: Switch;

  constructor(owner: Switch, endpoint: Endpoint, client: Endpoint, purse: FloodPurse) {
    this.#switch = owner;
    this.purse = purse;
    this.endpoint = endpoint;
    this.clientName = client.name;
    this.isTrusted = client.isTrusted;
    endpoint.relay = this;
  }

  forward(frame: Frame): SendResult {
    return this.#switch.forward(this, frame);
  }

  egressReady(): void {
    const waiting = [...this.told];
    this.told.clear();
    for (const port of waiting) port.endpoint.peer?.wake();
  }

  describe(): SwitchPortInfo {
    const { counters, linkUp, peer } = this.endpoint;
    return {
      name: this.clientName,
      trusted: this.isTrusted,
      linkUp,
      queuedFrames: peer?.queuedFrames ?? 0,
      queuedBytes: peer?.queuedBytes ?? 0,
      receivedFrames: counters.receivedFrames,
      sentFrames: counters.sentFrames,
      floodedFrames: this.floodedFrames,
    };
  }

  /** Frames reach a switch port through forward(). */
  receive(): boolean {
    return true;
  }

  linkChanged(up: boolean): void {
    if (!up) this.#switch.forgetLearned(this);
  }

  info(): string {
    return '';
  }

  async close(): Promise<void> {}
}
