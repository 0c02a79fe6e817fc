/**
 * announce-self (QEMU net/announce.c): every NIC broadcasts a RARP request with its own address, so that switches learn
 * where it is. Named timers repeat it: after the k-th announcement the next follows after initial + (k-1) * step
 * milliseconds, or `max` when that is larger or negative.
 */

import { QapiError } from '../qapi/error.ts';
import { put16, writeMac } from '../wire/index.ts';
import type { Endpoint } from './endpoint.ts';
import { Frame, MIN_FRAME_LENGTH } from './frame.ts';
import type { Host, Timer } from './host.ts';
import type { Trace } from './trace.ts';

const ETHERTYPE_RARP = 0x8035;
const RARP_REQUEST_REVERSE = 3;
/** Timers at once; a name is made up by whoever speaks QMP. */
const TIMER_CAP = 256;

export interface AnnounceParameters {
  /** Milliseconds, as are max and step. */
  readonly initial: number | bigint;
  readonly max: number | bigint;
  /** 0 stops the timer; taken as signed 32 bits, negative = without end. */
  readonly rounds: number | bigint;
  readonly step: number | bigint;
  /** Names of NICs; an empty list matches none. Unset = all. */
  readonly interfaces?: readonly string[] | undefined;
  readonly id?: string | undefined;
}

interface Schedule {
  readonly timer: Timer;
  readonly initial: number;
  readonly max: number;
  readonly step: number;
  readonly interfaces: readonly string[] | undefined;
  left: number;
  sent: number;
}

export class Announcer {
  readonly #host: Host;
  readonly #trace: Trace;
  readonly #clients: () => readonly Endpoint[];
  readonly #schedules = new Map<string, Schedule>();
  readonly #frame = new Frame();
  readonly #bytes = new Uint8Array(MIN_FRAME_LENGTH);

  constructor(host: Host, trace: Trace, clients: () => readonly Endpoint[]) {
    this.#host = host;
    this.#trace = trace;
    this.#clients = clients;
  }

  announce(parameters: AnnounceParameters): void {
    const id = parameters.id ?? '';
    this.#stop(id);
    const rounds = Number(BigInt.asIntN(32, BigInt(parameters.rounds)));
    if (rounds === 0) return;
    if (this.#schedules.size >= TIMER_CAP) throw new QapiError(`more than ${TIMER_CAP} announce timers`);
    const schedule: Schedule = {
      timer: this.#host.timers.create(() => this.#round(id, schedule)),
      initial: Number(parameters.initial),
      max: Number(parameters.max),
      step: Number(parameters.step),
      interfaces: parameters.interfaces,
      left: rounds,
      sent: 0,
    };
    this.#schedules.set(id, schedule);
    this.#round(id, schedule);
  }

  close(): void {
    for (const id of [...this.#schedules.keys()]) this.#stop(id);
  }

  #round(id: string, schedule: Schedule): void {
    for (const client of this.#clients()) {
      if (!client.isNic || client.mac === undefined) continue;
      if (schedule.interfaces !== undefined && !schedule.interfaces.includes(client.name)) continue;
      this.#send(client, client.mac);
    }
    schedule.sent++;
    schedule.left--;
    if (schedule.left === 0) {
      this.#stop(id);
      return;
    }
    const delay = schedule.initial + (schedule.sent - 1) * schedule.step;
    const gap = delay < 0 || delay > schedule.max ? schedule.max : delay;
    // A gap of nothing would keep the loop busy for as long as there are rounds.
    schedule.timer.set(this.#host.clock.now() + Math.max(1, gap));
  }

  #send(nic: Endpoint, mac: number): void {
    if (!nic.linkUp) return;
    writeAnnouncement(this.#bytes, mac);
    nic.send(this.#frame.setPlain(this.#bytes, 0, MIN_FRAME_LENGTH));
    this.#trace('announce', nic.name, mac);
  }

  #stop(id: string): void {
    this.#schedules.get(id)?.timer.cancel();
    this.#schedules.delete(id);
  }
}

/** The 60 bytes of an announcement. */
export function writeAnnouncement(bytes: Uint8Array, mac: number): void {
  bytes.fill(0, 0, MIN_FRAME_LENGTH);
  bytes.fill(0xff, 0, 6);
  writeMac(bytes, 6, mac);
  put16(bytes, 12, ETHERTYPE_RARP);
  put16(bytes, 14, 1);
  put16(bytes, 16, 0x0800);
  bytes[18] = 6;
  bytes[19] = 4;
  put16(bytes, 20, RARP_REQUEST_REVERSE);
  writeMac(bytes, 22, mac);
  writeMac(bytes, 32, mac);
}
