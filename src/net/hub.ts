/**
 * QEMU's hub (net/hub.c): a frame that enters at one port leaves at every other, newest port first. No learning. Hubs
 * are made on first use and never deleted.
 *
 * Unlike QEMU's, a port without peer or with its link down takes no part in back-pressure: a sender is told BUSY when
 * every output that exists is busy, and every output has a queue of its own.
 */
import { BUSY, DROPPED, type NetClient, type SendResult, TAKEN } from './client.ts';
import { DROP_NO_DESTINATION } from './drop-reasons.ts';
import type { Endpoint } from './endpoint.ts';
import type { Relay } from './endpoint-context.ts';
import type { Frame } from './frame.ts';

export class Hub {
  readonly id: number;
  /** Newest first. */
  readonly members: HubPort[] = [];
  #nextPort = 0;

  constructor(id: number) {
    this.id = id;
  }

  /** The name of the next port that is given none. */
  get nextPortName(): string {
    return `hub${this.id}port${this.#nextPort}`;
  }

  /** The ports' net clients, newest first. */
  ports(): Endpoint[] {
    return this.members.map((port) => port.endpoint);
  }

  join(endpoint: Endpoint): HubPort {
    const port = new HubPort(this, endpoint);
    this.#nextPort++;
    this.members.unshift(port);
    endpoint.relay = port;
    return port;
  }

  leave(port: HubPort): void {
    const index = this.members.indexOf(port);
    if (index >= 0) this.members.splice(index, 1);
    for (const member of this.members) member.forget(port);
  }
}

export class HubPort implements NetClient, Relay {
  readonly offloads = 0;
  readonly hub: Hub;
  readonly endpoint: Endpoint;
  /** Ports whose sender was told BUSY because of a flood to this one among others. */
  readonly #told = new Set<HubPort>();

  constructor(hub: Hub, endpoint: Endpoint) {
    this.hub = hub;
    this.endpoint = endpoint;
  }

  forward(frame: Frame): SendResult {
    const ports = this.hub.members;
    let outputs = 0;
    let busy = 0;
    let dropped = 0;
    for (let i = 0; i < ports.length; i++) {
      const port = ports[i] as HubPort;
      if (port === this || port.endpoint.peer === undefined || !port.endpoint.linkUp) continue;
      outputs++;
      const result = port.endpoint.relayed(frame);
      if (result === BUSY) {
        busy++;
        port.endpoint.peer.wakeSoon();
      } else if (result === DROPPED) dropped++;
    }
    if (outputs === 0) {
      this.endpoint.drop(DROP_NO_DESTINATION);
      return DROPPED;
    }
    if (dropped === outputs) return DROPPED;
    // An output that dropped because it is full is as little open as a busy one.
    if (busy + dropped < outputs) return TAKEN;
    // Two guests that write without reading would wait for each other for ever.
    if (this.endpoint.peer?.isOverMark === true) return TAKEN;
    for (const port of ports) if (port !== this) port.#told.add(this);
    return BUSY;
  }

  egressReady(): void {
    // Who is woken may send at once and be told BUSY again: that stays.
    const waiting = [...this.#told];
    this.#told.clear();
    for (const port of waiting) port.endpoint.peer?.wake();
  }

  /** That port left: nobody is behind it any more. */
  forget(port: HubPort): void {
    this.#told.delete(port);
  }

  /** Frames reach a hub port through forward(). */
  receive(): boolean {
    return true;
  }

  linkChanged(): void {}

  info(): string {
    return '';
  }

  async close(): Promise<void> {}
}
