/** How a stream's net.Socket ends, other than at once. */
import { readSync } from 'node:fs';
import type * as net from 'node:net';
import type { Timer, Timers } from '../net/index.ts';
import { descriptorOf, type SendQueues } from './send-queues.ts';

/** How long a closed stream may take to hand its last bytes to a peer that reads slowly. */
const LINGER_MS = 30_000;

/** A reset that waits for acknowledgments: first look, and the longest time between two. */
const FIRST_LOOK_MS = 1;
const MOST_LOOK_MS = 64;
/** What is read of a failed socket: as much as Linux keeps for one (net.ipv4.tcp_rmem). */
const MAX_REST_BYTES = 6 * 1024 * 1024;
const REST_PIECE_BYTES = 64 * 1024;

/**
 * With a RST behind what was written, TCP only: the kernel would drop what the peer has not acknowledged, so it comes when
 * that is acknowledged, or when for LINGER_MS no more of it was.
 * @param writtenAt when bytes last went to the kernel; below 0 = never.
 * @returns the timer, to be cancelled when the socket is closed; undefined: it was reset at once.
 */
export function resetWhenSent(
  socket: net.Socket,
  timers: Timers,
  queues: SendQueues,
  writtenAt: number,
): Timer | undefined {
  const unsentBytes = (): number | undefined => {
    const queued = queues.unacknowledged(socket, writtenAt);
    return queued === undefined ? undefined : queued + socket.writableLength;
  };
  let unsent = writtenAt < 0 ? 0 : unsentBytes();
  if (unsent === 0) {
    resetSocket(socket);
    return undefined;
  }
  let endsAt = performance.now() + LINGER_MS;
  let wait = FIRST_LOOK_MS;
  const timer = timers.create(() => {
    const now = performance.now();
    const before = unsent;
    unsent = unsentBytes();
    if (unsent !== before) endsAt = now + LINGER_MS;
    if (unsent === 0 || now >= endsAt) {
      resetSocket(socket);
      return;
    }
    wait = Math.min(2 * wait, MOST_LOOK_MS);
    timer.set(Math.min(now + wait, endsAt));
  });
  timer.set(performance.now() + wait);
  return timer;
}

/**
 * What the kernel holds of a socket that Node is about to close because writing failed: the peer sent it before its reset.
 * Node reads nothing more of such a socket, so its descriptor is read here.
 */
export function readRest(socket: net.Socket): Uint8Array {
  const fd = descriptorOf(socket);
  const pieces: Uint8Array[] = [];
  let size = 0;
  while (fd >= 0 && size < MAX_REST_BYTES) {
    const piece = new Uint8Array(REST_PIECE_BYTES);
    let count = 0;
    try {
      count = readSync(fd, piece);
    } catch {
      // Nothing is left: EAGAIN, or the reset itself, which is known already.
    }
    if (count <= 0) break;
    pieces.push(piece.subarray(0, count));
    size += count;
  }
  return Buffer.concat(pieces);
}

/** With a RST: TCP only. */
function resetSocket(socket: net.Socket): void {
  if (!socket.destroyed) {
    try {
      socket.resetAndDestroy();
      return;
    } catch {
      // A handle that is no longer there cannot be reset; it is closed already.
    }
  }
  socket.destroy();
}

/** When what was written to it has left, or after LINGER_MS. Returns the timer, to be cancelled when it is closed. */
export function endWhenSent(socket: net.Socket, timers: Timers): Timer {
  const linger = timers.create(() => socket.destroy());
  linger.set(performance.now() + LINGER_MS);
  socket.destroySoon();
  return linger;
}
