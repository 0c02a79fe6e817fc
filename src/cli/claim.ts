/**
 * One live yard per name. Theory of operation: each starter writes a claim file of its own (`claim.PID.START`, START
 * being the kernel's start time of that process, so a reused pid is no match), then looks for others. A dead process's
 * claim is removed. Seeing a live one means giving up one's own: at once if the other says `running`, after a random
 * pause and another try if it is still `claiming`. Two winners are impossible: whoever claimed later looked later, and
 * saw the earlier claim. Nothing needs to be released after kill -9.
 */
import { readdirSync, readFileSync, renameSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A rival that is still claiming after this long is taken for the winner. */
const CLAIM_LIMIT_MS = 5000;
const PATTERN = /^claim\.([1-9]\d{0,9})\.(\d+)$/;

export class NameTakenError extends Error {
  override readonly name = 'NameTakenError';
  readonly pid: number;
  constructor(pid: number) {
    super(`held by pid ${pid}`);
    this.pid = pid;
  }
}

export interface Claim {
  /** Gives the name back and removes the directory, and the one above, if nothing else is in them. */
  release(): void;
}

interface Rival {
  readonly pid: number;
  readonly running: boolean;
}

/**
 * @param makeDirectory makes the yard's directory and returns its path; called again if a yard that ends removes it.
 * @throws NameTakenError with the live holder's pid.
 */
export async function claimName(makeDirectory: () => string): Promise<Claim> {
  const directory = makeDirectory();
  const file = join(directory, `claim.${process.pid}.${startTime(process.pid) ?? 0}`);
  const deadline = Date.now() + CLAIM_LIMIT_MS;
  for (;;) {
    try {
      writeFileSync(file, 'claiming\n', { mode: 0o600 });
    } catch (error) {
      if (!isCode(error, 'ENOENT') || Date.now() > deadline) throw error;
      makeDirectory();
      continue;
    }
    const rival = findRival(directory, unlinkIfThere);
    if (rival === undefined) break;
    unlinkIfThere(file);
    if (rival.running || Date.now() > deadline) throw new NameTakenError(rival.pid);
    await sleep(5 + Math.random() * 25);
  }
  writeFileSync(`${file}.new`, 'running\n', { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return {
    release: () => {
      unlinkIfThere(file);
      removeIfEmpty(directory);
      removeIfEmpty(dirname(directory));
    },
  };
}

/** The pid of the yard that holds the name, if one does. Changes nothing. */
export function holderOf(directory: string): number | undefined {
  try {
    return findRival(directory, () => {})?.pid;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** @param onDead gets the claims of processes that are gone */
function findRival(directory: string, onDead: (path: string) => void): Rival | undefined {
  let found: Rival | undefined;
  for (const name of readdirSync(directory)) {
    const match = PATTERN.exec(name);
    if (match === null) continue;
    const pid = Number(match[1]);
    if (pid === process.pid) continue;
    const path = join(directory, name);
    if (!isAlive(pid, Number(match[2]))) {
      onDead(path);
      continue;
    }
    const running = readIfThere(path)?.startsWith('running') === true;
    if (found === undefined || running) found = { pid, running };
  }
  return found;
}

function isAlive(pid: number, start: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Another user's process may have the number of a yard that is gone: its start time tells. Where /proc hides that
    // too, the folder does: it is this user's, and so was the yard.
    return isCode(error, 'EPERM') && startTime(pid) === start;
  }
  const now = startTime(pid);
  return now === undefined || now === start;
}

/** Field 22 of /proc/PID/stat, clock ticks since boot; undefined where there is no /proc, NaN for a zombie. */
function startTime(pid: number): number | undefined {
  const text = readIfThere(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? Number.NaN : Number(fields[19]);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'ESRCH')) return undefined;
    throw error;
  }
}

/** As a service, ours may lie in a directory of root's: then it stays, which is no failure of the yard. */
function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Not empty, gone already, or not ours to remove.
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
