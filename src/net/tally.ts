/**
 * What one end of a wire counts, per wire and before conversion: what A sent = what was dropped at A (`sendDropped`) +
 * what B received + what was dropped on the way to B (`receiveDropped`) + what waits for B.
 */
import type { Counters, DropReason, SendResult } from './client.ts';
import { DROPPED } from './client.ts';
import type { Trace } from './trace.ts';

export class Tally {
  /** Good frames are counted here by the ends themselves: one more call a frame would be felt. */
  readonly counters: Counters = {
    sentFrames: 0,
    sentBytes: 0,
    receivedFrames: 0,
    receivedBytes: 0,
    dropped: Object.create(null) as Record<DropReason, number>,
  };
  /** Frames of this client that went nowhere, and frames on their way to it that were dropped. */
  sendDropped = 0;
  receiveDropped = 0;
  /** Where drops are counted. */
  #dropped = this.counters.dropped;
  readonly #name: string;
  readonly #trace: Trace;

  constructor(name: string, trace: Trace) {
    this.#name = name;
    this.#trace = trace;
  }

  /** For an end that no query lists: its drops are shown at `client`. */
  showDropsAt(client: Tally): void {
    this.#dropped = client.counters.dropped;
  }

  /** A frame on its way to this client is gone. */
  lost(reason: DropReason): void {
    this.receiveDropped++;
    this.drop(reason);
  }

  /** A frame of this client goes nowhere. */
  unsent(reason: DropReason): SendResult {
    this.sendDropped++;
    this.drop(reason);
    return DROPPED;
  }

  drop(reason: DropReason): void {
    const dropped = this.#dropped;
    dropped[reason] = (dropped[reason] ?? 0) + 1;
    this.#trace('drop', this.#name, reason);
  }
}
