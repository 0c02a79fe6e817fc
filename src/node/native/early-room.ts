/**
 * Room in a full TCP socket, before the kernel tells of it. To epoll(7) such a socket is writable once a third of its send
 * buffer is free. Over a long path acknowledgments come in bursts, and when one frees a little less than that, the rest of
 * the round trip passes with bytes at hand that could have been under way.
 *
 * So a full socket is looked at after a few milliseconds, and ever more rarely: one whose peer does not read costs four
 * looks, then it is left to the kernel.
 */
import type { Timer } from '../../net/index.ts';
import { nodeClock } from '../clock.ts';
import type { NativeContext } from './context.ts';
import { MEMINFO_BYTES, MEMINFO_SNDBUF, MEMINFO_WMEM_QUEUED, SO_MEMINFO, SOL_SOCKET } from './linux.ts';
import { host32 } from './sockaddr.ts';

const FIRST_LOOK_MS = 4;
const LAST_LOOK_MS = 32;
/** Less is not worth a turn: bytes, and the part of the buffer. */
const LEAST_ROOM_BYTES = 65_536;
const LEAST_SHARE = 16;

export class EarlyRoom {
  readonly #context: NativeContext;
  readonly #timer: Timer;
  #waitMs = 0;

  /** @param look calls worthwhile() if the socket is still full. */
  constructor(context: NativeContext, look: () => void) {
    this.#context = context;
    this.#timer = context.host.timers.create(look);
  }

  /** The kernel has refused bytes. */
  full(): void {
    if (this.#waitMs === 0) this.#lookIn(FIRST_LOOK_MS);
  }

  /** It is no longer full, or no longer there. */
  stop(): void {
    this.#waitMs = 0;
    this.#timer.cancel();
  }

  /** At a look. Otherwise it is looked at again, if not too often yet. */
  worthwhile(fd: number): boolean {
    const waited = this.#waitMs;
    this.#waitMs = 0;
    const { calls, scratch } = this.#context;
    if (calls.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, scratch, 0, MEMINFO_BYTES) < MEMINFO_BYTES) return false;
    const size = host32(scratch, MEMINFO_SNDBUF);
    const queued = host32(scratch, MEMINFO_WMEM_QUEUED);
    // Only TCP counts there.
    if (queued === 0) return false;
    const room = size - queued;
    if (room >= LEAST_ROOM_BYTES && room * LEAST_SHARE >= size) return true;
    if (waited < LAST_LOOK_MS) this.#lookIn(2 * waited);
    return false;
  }

  #lookIn(milliseconds: number): void {
    this.#waitMs = milliseconds;
    this.#timer.set(nodeClock.now() + milliseconds);
  }
}
