/** How the parts around an endpoint see each other: its network, its sender, the relay behind it. */
import type { SendResult } from './client.ts';
import type { Endpoint } from './endpoint.ts';
import type { QueueBudget } from './fair-queue.ts';
import type { Frame } from './frame.ts';
import type { Host } from './host.ts';
import type { Trace } from './trace.ts';
import type { Turns } from './turns.ts';

/** The driver's name of the switch's own ends, which are in no list of clients. */
export const SWITCH_PORT = 'switch';

/** A hub or switch port: instead of receiving, it passes on. */
export interface Relay {
  forward(frame: Frame): SendResult;
  /** An egress that said BUSY is below half again. */
  egressReady(): void;
}

/** The sending endpoint, as its receiver sees it. */
export interface Sender {
  readonly name: string;
  wake(): void;
}

/** What all endpoints of a network share. */
export interface EndpointContext {
  readonly host: Host;
  readonly trace: Trace;
  /** How many clients are entered at this moment, one from inside the other. */
  depth: number;
  readonly budget: QueueBudget;
  readonly turns: Turns;
  claimed(endpoint: Endpoint, mac: number): void;
  owned(endpoint: Endpoint, address: number): void;
  /** The port of that serial, unless it is gone, is charged. */
  charge(ingress: number, ms: number): void;
  nameOf(ingress: number): string | undefined;
}
