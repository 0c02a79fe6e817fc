/** Which monitor a subcommand talks to: a yard by name, or any QMP socket. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type QmpSession } from '../node/qmp.ts';
import { holderOf } from './claim.ts';
import { DEFAULT_NAME, isName, ownDirectory, QMP_SOCKET, runtimeDirectory, runtimeRoot } from './runtime-directory.ts';
import { CommandLineError } from './scan-options.ts';
import { runningIn, yardsElsewhere } from './yards-elsewhere.ts';

/** A monitor that does not greet within this time is not going to. */
const CONNECT_LIMIT_MS = 5000;

/** An address starts with a scheme or holds a slash; anything else is a yard's name. */
export function isAddress(word: string): boolean {
  return word.includes('/') || /^(unix|tcp):/.test(word);
}

/** A name whose directory is there. */
export function isYardName(word: string): boolean {
  return isName(word) && existsSync(runtimeDirectory(word));
}

/** @throws CommandLineError that says which yards run. */
export async function connectTo(target: string = DEFAULT_NAME): Promise<QmpSession> {
  const address = isAddress(target) ? target : socketOf(target);
  try {
    return await connect(address, { timeoutMs: CONNECT_LIMIT_MS });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandLineError(`cannot reach the monitor at ${address}: ${reason}`, { cause: error });
  }
}

const startOf = (name: string): string => (name === DEFAULT_NAME ? 'netyard' : `netyard -name ${name}`);

/** With where it looked, and what runs elsewhere. */
export function notRunning(name: string): CommandLineError {
  const root = runtimeRoot();
  const running = runningIn(root);
  const advice = running.length === 0 ? `start it with '${startOf(name)}'` : `those that run are ${running.join(', ')}`;
  const elsewhere = yardsElsewhere().map(({ root: other, xdg, names }) => {
    const way = xdg === undefined ? 'XDG_RUNTIME_DIR not set' : `XDG_RUNTIME_DIR=${xdg}`;
    return `in ${other} (${way}) there runs ${names.join(', ')}`;
  });
  return new CommandLineError([`no yard named '${name}' is running in ${root}: ${advice}`, ...elsewhere].join('\n'));
}

function socketOf(name: string): string {
  const directory = ownDirectory(name);
  const pid = holderOf(directory);
  if (pid === undefined) throw notRunning(name);
  const path = join(directory, QMP_SOCKET);
  if (!existsSync(path)) {
    throw new CommandLineError(
      `yard '${name}' (pid ${pid}) has no monitor at ${path}: give the socket of its -qmp option instead`,
    );
  }
  return path;
}
