import type { Yard } from '../yard.ts';

/** The event goes out before the reply; the yard ends after it, when the monitor had its turn. */
export function quit(yard: Yard): void {
  yard.emit('SHUTDOWN', { guest: false, reason: 'host-qmp-quit' });
  yard.host.loop.nextTurn({ run: () => yard.onQuit() });
}
