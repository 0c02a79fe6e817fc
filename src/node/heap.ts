/**
 * How much of V8's heap is in use. When it is used up V8 ends the process, with every guest's connections: so what makes it
 * grow, a socket each, is refused before.
 */
import { getHeapStatistics } from 'node:v8';
import type { Log } from '../net/index.ts';
import { nodeClock } from './clock.ts';
import { OnceAMinute } from './once-a-minute.ts';

/** Of the heap's limit (node --max-old-space-size): the rest is for what is open, and for garbage. */
const SHORT_SHARE = 0.85;
/** The limit that V8 tells has three semi-spaces in it, which never hold what stays; 16 MiB each on 64-bit machines. */
const YOUNG_BYTES = 3 * 16 * 1024 * 1024;
/** Asking takes some microseconds. */
const ASK_MS = 20;

export interface HeapUse {
  /** Bytes. */
  readonly used: number;
  readonly limit: number;
}

export class Heap {
  readonly #log: Log;
  readonly #read: () => HeapUse;
  #askedAt = Number.NEGATIVE_INFINITY;
  readonly #warning = new OnceAMinute();
  #isShort = false;

  constructor(log: Log, read: () => HeapUse = heapUse) {
    this.#log = log;
    this.#read = read;
  }

  /** Whether nothing may be begun that stays. */
  isShort(): boolean {
    const now = nodeClock.now();
    if (now - this.#askedAt < ASK_MS) return this.#isShort;
    this.#askedAt = now;
    const { used, limit } = this.#read();
    this.#isShort = used > limit * SHORT_SHARE;
    if (this.#isShort && this.#warning.isDue()) {
      this.#log.warn(
        'little memory is left: new connections are refused until others end; node --max-old-space-size raises the limit',
        { usedMiB: Math.round(used / 2 ** 20), limitMiB: Math.round(limit / 2 ** 20) },
      );
    }
    return this.#isShort;
  }
}

function heapUse(): HeapUse {
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
  return { used, limit: limit - YOUNG_BYTES };
}
