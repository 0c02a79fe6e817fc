/** What measures time must not wait for its turn behind the load: that would be measured too. */
import { execFileSync } from 'node:child_process';

/**
 * This thread runs whenever it can, before everything of ordinary priority (sched(7), SCHED_FIFO). A nice value does not do
 * it: who runs may finish its slice first, which is milliseconds.
 */
export function becomeForemost(): void {
  execFileSync('chrt', ['--fifo', '--pid', '1', String(process.pid)]);
}
