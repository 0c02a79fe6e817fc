/** Programs that a netdev needs: scripts run to their end, and helpers that send a descriptor back. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { type Descriptor, HostError, type ProgramEnd, programEnd } from '../../net/index.ts';
import { hostError, toHostError } from '../errno.ts';
import type { NativeKernel } from './kernel.ts';

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC_NONBLOCK = 1 | 0o2000000 | 0o4000;
/** Where a program finds the first descriptor it is given. */
const FIRST_DESCRIPTOR = 3;
const DEFAULT_TIMEOUT_MS = 60_000;

/**
 * Runs a program to its end: standard streams inherited, `descriptors` as 3, 4, ...
 * @throws HostError when it cannot be started, or ETIMEDOUT: it is killed then.
 */
export async function runProgram(
  argv: readonly string[],
  descriptors: readonly number[],
  timeoutMs = DEFAULT_TIMEOUT_MS,
  signal?: AbortSignal,
): Promise<ProgramEnd> {
  signal?.throwIfAborted();
  return ended(start(argv, descriptors), argv, timeoutMs, signal);
}

/** Forks and executes before it returns, so the caller may close the descriptors then. */
function start(argv: readonly string[], descriptors: readonly number[]): ChildProcess {
  const [program = '', ...args] = argv;
  try {
    return spawn(program, args, { stdio: ['inherit', 'inherit', 'inherit', ...descriptors] });
  } catch (error) {
    throw toHostError(error);
  }
}

function ended(
  child: ChildProcess,
  argv: readonly string[],
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<ProgramEnd> {
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    const abort = (): void => void child.kill('SIGKILL');
    signal?.addEventListener('abort', abort);
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    child.once('error', (error) => {
      done();
      reject(toHostError(error));
    });
    child.once('exit', (code, killedBy) => {
      done();
      if (signal?.aborted) reject(signal.reason);
      else if (late) reject(new HostError('ETIMEDOUT', `${argv[0]} did not end within ${timeoutMs / 1000} s`));
      else resolve({ status: code === null ? constants.signals[killedBy as NodeJS.Signals] : code << 8 });
    });
  });
}

/**
 * One descriptor from a helper, which finds its end of a socket as number 3 (the protocol of qemu-bridge-helper: one byte
 * with the descriptor beside it, then exit status 0).
 * @throws HostError when it sends none, ends with another status than 0, or takes too long.
 */
export async function receiveDescriptor(
  kernel: NativeKernel,
  argv: (socket: number) => readonly string[],
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Descriptor> {
  signal?.throwIfAborted();
  const [ours, theirs] = socketPair(kernel);
  try {
    const command = argv(FIRST_DESCRIPTOR);
    let child: ChildProcess;
    try {
      child = start(command, [theirs]);
    } finally {
      kernel.binding.calls.close(theirs);
    }
    const { status } = await ended(child, command, timeoutMs, signal);
    // What it sent waits in the socket; taken in any case, so that it is closed on failure.
    const received = take(kernel, ours);
    if (status !== 0) {
      received?.close();
      throw new HostError('EIO', `${command[0]} ${programEnd(status)}`);
    }
    if (received === undefined) throw new HostError('EPROTO', `${command[0]} ended without sending a descriptor`);
    return received;
  } finally {
    kernel.binding.calls.close(ours);
  }
}

function socketPair({ binding }: NativeKernel): [number, number] {
  const bytes = new Uint8Array(8);
  const made = binding.calls.socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC_NONBLOCK, 0, bytes, 0, bytes.length);
  if (made < 0) throw hostError(binding.errnoName(-made));
  const [ours = -1, theirs = -1] = new Int32Array(bytes.buffer);
  return [ours, theirs];
}

/** The one descriptor that waits in a socket; several are closed, as is what came with them. */
function take(kernel: NativeKernel, socket: number): Descriptor | undefined {
  const { binding } = kernel;
  const descriptors = new Int32Array(4);
  if (binding.receiveDescriptors(socket, new Uint8Array(1), 0, 1, descriptors) <= 0) return undefined;
  const [count = 0, lost, first = -1] = descriptors;
  if (count === 1 && lost === 0) return kernel.adopt(first);
  for (const descriptor of descriptors.subarray(2, 2 + count)) binding.calls.close(descriptor);
  return undefined;
}
