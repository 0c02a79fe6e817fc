/**
 * The standard streams: what this program says there, and what becomes of it when nobody takes it. A descriptor of a
 * standard stream may as well be a wire or a monitor (`fd=1`): then no text goes there.
 */
import { fstatSync } from 'node:fs';

/** Of standard error: lines that find more than this unread are dropped and counted. */
export const MAX_UNREAD_BYTES = 256 * 1024;

const used = new Set<1 | 2>();
let droppedLines = 0;

/**
 * A reader that is gone (`| head`) wants no more: that is no fault, and a yard runs on. Without this it would end the
 * process with a stack trace. Any other failure of stdout is told once and makes the exit status 1. For stderr there is
 * nobody left to tell.
 */
export function guardOutput(): void {
  let isTold = false;
  process.stderr.on('error', () => {});
  process.stderr.on('drain', tellDropped);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || isTold) return;
    isTold = true;
    process.exitCode = 1;
    complain(`cannot write the output: ${error.message}`);
  });
}

/** These descriptors are wires or monitors; the standard streams may be the same sockets under other numbers. */
export function leaveTo(descriptors: readonly number[]): void {
  for (const stream of [1, 2] as const) {
    if (descriptors.some((descriptor) => descriptor === stream || isSameSocket(descriptor, stream))) used.add(stream);
  }
}

/** Writes to standard output. */
export function print(text: string): void {
  if (!used.has(1)) process.stdout.write(text);
}

/** A line for a person on standard error, behind the program's name. */
export function complain(text: string): void {
  writeError(`netyard: ${text}\n`);
}

/** Writes a line to standard error. */
export function writeError(line: string): void {
  if (used.has(2)) return;
  if (process.stderr.writableLength > MAX_UNREAD_BYTES) droppedLines++;
  else process.stderr.write(line);
}

function tellDropped(): void {
  const count = droppedLines;
  droppedLines = 0;
  if (count > 0) complain(`${count} lines were dropped: nobody read standard error`);
}

function isSameSocket(one: number, other: number): boolean {
  try {
    const [a, b] = [fstatSync(one), fstatSync(other)];
    return a.isSocket() && a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}
