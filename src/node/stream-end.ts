/** How a stream's net.Socket ends, other than at once. */
import type * as net from 'node:net';
import type { Timer, Timers } from '../net/index.ts';

/** How long a closed stream may take to hand its last bytes to a peer that reads slowly. */
const LINGER_MS = 30_000;

/** With a RST: TCP only. */
export function resetSocket(socket: net.Socket): void {
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
