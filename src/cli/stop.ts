/** `netyard stop`: asks the yard's process to end and returns when it is gone. */
import { setTimeout as sleep } from 'node:timers/promises';
import { holderOf } from './claim.ts';
import { DEFAULT_NAME, ownDirectory } from './runtime-directory.ts';
import { CommandLineError } from './scan-options.ts';
import { isAddress, notRunning } from './target.ts';

const STOP_LIMIT_MS = 10_000;
const POLL_MS = 20;

/** @throws CommandLineError if no yard of that name runs, or it does not end. */
export async function stopYard(name: string = DEFAULT_NAME): Promise<void> {
  if (isAddress(name)) {
    throw new CommandLineError(`${name} is a monitor, no name of a yard: use 'netyard qmp ${name} quit'`);
  }
  const directory = ownDirectory(name);
  const pid = holderOf(directory);
  if (pid === undefined) throw notRunning(name);
  process.kill(pid, 'SIGTERM');
  for (let waited = 0; waited < STOP_LIMIT_MS; waited += POLL_MS) {
    if (holderOf(directory) !== pid) {
      process.stdout.write(`yard '${name}' (pid ${pid}) ended\n`);
      return;
    }
    await sleep(POLL_MS);
  }
  throw new CommandLineError(
    `yard '${name}' (pid ${pid}) did not end within ${STOP_LIMIT_MS / 1000} s: kill -9 ${pid} is safe, the next start cleans up`,
  );
}
