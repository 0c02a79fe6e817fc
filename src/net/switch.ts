/**
 * The yard's learning switch. Known unicast goes to one port; unknown unicast, multicast and broadcast to all others,
 * within what the floods of each ingress, and of all together, may cost. Every egress has its own fair queue, that of the
 * client behind the port, so one slow guest stops nobody.
 *
 * Of a known unicast the sender learns its egress's result; a flood is BUSY only when every output is. With more than
 * two ports BUSY is passed on only to clients that stop single flows (NetClient.perFlowBusy): a descriptor that stopped
 * reading for one slow guest would freeze the others. With two ports it is not told to one whose own egress is over the
 * mark too: two guests that write without reading would wait for each other for ever.
 */
import { AddressGuard } from './address-guard.ts';
import { BUSY, DROPPED, type SendResult, TAKEN } from './client.ts';
import { DROP_CLAIMED_ADDRESS, DROP_FLOOD_LIMIT, DROP_NO_DESTINATION, DROP_SAME_PORT } from './drop-reasons.ts';
import type { Endpoint } from './endpoint.ts';
import { FloodBudget } from './flood-budget.ts';
import type { Frame } from './frame.ts';
import { type BatchTask, FLUSH, type Host } from './host.ts';
import { MacTable, TABLE_CAP } from './mac-table.ts';
import { SwitchPort, type SwitchPortInfo } from './switch-port.ts';
import type { Trace } from './trace.ts';

export interface SwitchEntry {
  /** 48-bit number. */
  readonly mac: number;
  /** Name of the net client behind the port. */
  readonly port: string;
  readonly static: boolean;
  readonly ageSeconds: number;
}

export class Switch {
  /** Most addresses in the table. */
  readonly cap = TABLE_CAP;
  readonly #host: Host;
  readonly #trace: Trace;
  readonly #table = new MacTable();
  readonly #ports: SwitchPort[] = [];
  readonly #bySerial = new Map<number, SwitchPort>();
  readonly #floods = new FloodBudget();
  readonly #guard = new AddressGuard();
  /** Frames that went to more than their one destination. */
  floodedFrames = 0;

  /** The clock is read once a batch: nothing here is finer than that, and reading it costs a third of a frame. */
  #now = 0;
  #nowIsFresh = false;
  readonly #forgetNow: BatchTask = {
    run: () => {
      this.#nowIsFresh = false;
    },
  };

  constructor(host: Host, trace: Trace) {
    this.#host = host;
    this.#trace = trace;
  }

  /** Frames from addresses that could not be learned, refused moves and the like. */
  get counters(): { full: number; moves: number; movesRefused: number; staticConflicts: number; flooded: number } {
    const { full, moves, movesRefused, staticConflicts } = this.#table;
    return { full, moves, movesRefused, staticConflicts, flooded: this.floodedFrames };
  }

  /** The address table, by address. */
  table(): SwitchEntry[] {
    return this.#table.entries(this.#host.clock.now()).map(({ mac, port, isStatic, ageMs }) => ({
      mac,
      port: this.#bySerial.get(port)?.clientName ?? '',
      static: isStatic,
      ageSeconds: Math.floor(ageMs / 1000),
    }));
  }

  /** In the order in which they joined. */
  ports(): SwitchPortInfo[] {
    return this.#ports.map((port) => port.describe());
  }

  get portCount(): number {
    return this.#ports.length;
  }

  /** Makes `endpoint`, which must be wired to the client by the caller, a port. */
  join(endpoint: Endpoint, client: Endpoint): SwitchPort {
    const port = new SwitchPort(this, endpoint, client, this.#floods.open());
    this.#ports.push(port);
    this.#bySerial.set(endpoint.serial, port);
    for (const mac of client.claims) this.claim(port, mac);
    for (const address of client.owned) this.own(port, address);
    this.#trace('switch-join', client.name, this.#ports.length);
    return port;
  }

  leave(port: SwitchPort): void {
    const index = this.#ports.indexOf(port);
    if (index < 0) return;
    this.#ports.splice(index, 1);
    this.#floods.close(port.purse);
    for (const other of this.#ports) other.told.delete(port);
    this.#bySerial.delete(port.endpoint.serial);
    this.#table.forget(port.endpoint.serial, true);
    this.#guard.forget(port.endpoint.serial);
    this.#trace('switch-leave', port.clientName, this.#ports.length);
  }

  claim(port: SwitchPort, mac: number): void {
    this.#table.claim(Math.floor(mac / 0x1_0000_0000), mac | 0, port.endpoint.serial, this.#host.clock.now());
  }

  own(port: SwitchPort, address: number): void {
    this.#guard.claim(address, port.endpoint.serial);
  }

  /** Its link went down: what was learned there may be elsewhere by now. */
  forgetLearned(port: SwitchPort): void {
    this.#table.forget(port.endpoint.serial, false);
  }

  forward(ingress: SwitchPort, frame: Frame): SendResult {
    const { bytes, offset: o } = frame;
    if (!this.#nowIsFresh) this.#readClock();
    const now = this.#now;
    const serial = ingress.endpoint.serial;
    if (!ingress.isTrusted && this.#guard.forbids(frame, serial)) {
      ingress.endpoint.drop(DROP_CLAIMED_ADDRESS);
      return DROPPED;
    }
    const first = bytes[o + 6]!;
    if ((first & 1) === 0) {
      const high = (first << 8) | bytes[o + 7]!;
      const low = (bytes[o + 8]! << 24) | (bytes[o + 9]! << 16) | (bytes[o + 10]! << 8) | bytes[o + 11]!;
      if ((high | low) !== 0 && this.#table.learn(high, low, serial, now)) {
        this.#trace('switch-move', ingress.clientName, low);
      }
    }
    const destination = bytes[o]!;
    if ((destination & 1) === 0) {
      const high = (destination << 8) | bytes[o + 1]!;
      const low = (bytes[o + 2]! << 24) | (bytes[o + 3]! << 16) | (bytes[o + 4]! << 8) | bytes[o + 5]!;
      const found = this.#table.find(high, low, now);
      if (found === serial) {
        ingress.endpoint.drop(DROP_SAME_PORT);
        return DROPPED;
      }
      const egress = found < 0 ? undefined : this.#bySerial.get(found);
      if (egress !== undefined) {
        const result = egress.endpoint.relayed(frame);
        if (result !== BUSY) return result;
        return this.#busy(ingress, egress);
      }
    }
    return this.#flood(ingress, frame, now);
  }

  #readClock(): void {
    this.#now = this.#host.clock.now();
    this.#nowIsFresh = true;
    this.#host.loop.atBatchEnd(FLUSH, this.#forgetNow);
  }

  #flood(ingress: SwitchPort, frame: Frame, now: number): SendResult {
    const ports = this.#ports;
    let outputs = 0;
    for (let i = 0; i < ports.length; i++) if (ports[i] !== ingress && ports[i]!.endpoint.linkUp) outputs++;
    if (outputs === 0) {
      ingress.endpoint.drop(DROP_NO_DESTINATION);
      return DROPPED;
    }
    // One copy multiplies nothing.
    if (outputs > 1 && !this.#floods.take(ingress.purse, outputs, now)) {
      ingress.endpoint.drop(DROP_FLOOD_LIMIT);
      return DROPPED;
    }
    this.floodedFrames++;
    ingress.floodedFrames++;
    let busy = 0;
    let dropped = 0;
    for (let i = 0; i < ports.length; i++) {
      const port = ports[i]!;
      if (port === ingress || !port.endpoint.linkUp) continue;
      const result = port.endpoint.relayed(frame);
      if (result === BUSY) busy++;
      else if (result === DROPPED) dropped++;
    }
    if (dropped >= outputs) return DROPPED;
    // An output that dropped because it is full is as little open as a busy one.
    if (busy + dropped < outputs) return TAKEN;
    let told: SendResult = TAKEN;
    for (const port of ports) if (port !== ingress) told = this.#busy(ingress, port);
    return told;
  }

  #busy(ingress: SwitchPort, egress: SwitchPort): SendResult {
    // Who is told to stop writing may read again only when it has written.
    egress.endpoint.peer?.wakeSoon();
    const sender = ingress.endpoint.peer;
    if (sender?.client?.perFlowBusy !== true && (this.#ports.length > 2 || sender?.isOverMark === true)) return TAKEN;
    egress.told.add(ingress);
    return BUSY;
  }
}
