/** Programs that a netdev needs: scripts run to their end, and helpers that send a descriptor back. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { type Descriptor, HostError, type ProgramEnd } from '../../net/index.ts';
import { hostError, toHostError } from '../errno.ts';
import { READABLE } from '../native/binding.ts';
import type { NativeKernel } from './kernel.ts';

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC_NONBLOCK = 1 | 0o2000000 | 0o4000;
/** Where a program finds the first descriptor it is given. */
const FIRST_DESCRIPTOR = 3;
const DEFAULT_TIMEOUT_MS = 60_000;

/** Standard streams inherited, `descriptors` from 3 on. @throws HostError when it cannot be started, or does not end in time */
export function runProgram(
  argv: readonly string[],
  descriptors: readonly number[],
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<ProgramEnd> {
  const child = start(argv, descriptors);
  return ended(child, argv, timeoutMs);
}

function start(argv: readonly string[], descriptors: readonly number[]): ChildProcess {
  const [program, ...args] = argv;
  return spawn(program ?? '', args, { stdio: ['inherit', 'inherit', 'inherit', ...descriptors] });
}

function ended(child: ChildProcess, argv: readonly string[], timeoutMs: number): Promise<ProgramEnd> {
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(toHostError(error));
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      if (late) reject(new HostError('ETIMEDOUT', `${argv[0]} did not end within ${timeoutMs / 1000} s`));
      else resolve({ status: code === null ? constants.signals[signal as NodeJS.Signals] : code << 8 });
    });
  });
}

/**
 * One descriptor from a helper that gets its end of a socket as number 3 (QEMU net/tap.c, qemu-bridge-helper).
 * @throws HostError when it sends none, ends with another status than 0, or takes too long.
 */
export async function receiveDescriptor(
  kernel: NativeKernel,
  argv: (socket: number) => readonly string[],
  timeoutMs: number,
): Promise<Descriptor> {
  const { binding } = kernel;
  const pair = new Int32Array(2);
  const made = binding.calls.socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC_NONBLOCK, 0, new Uint8Array(pair.buffer), 0, 8);
  if (made < 0) throw hostError(binding.errnoName(-made));
  const [ours, theirs] = pair as unknown as [number, number];
  const end = kernel.own(ours);
  let received: Descriptor | undefined;
  let failure: HostError | undefined;
  try {
    const command = argv(FIRST_DESCRIPTOR);
    let child: ChildProcess;
    try {
      child = start(command, [theirs]);
    } finally {
      binding.calls.close(theirs);
    }
    const finished = ended(child, command, timeoutMs);
    const arrived = new Promise<void>((resolve) => {
      const watch = kernel.readiness.watch(ours, READABLE, {
        ready: () => {
          const bytes = new Uint8Array(1);
          const descriptors = new Int32Array(3);
          const n = binding.receiveDescriptors(ours, bytes, 0, 1, descriptors);
          if (n < 0 && binding.errnoName(-n) === 'EAGAIN') return;
          watch.close();
          const count = descriptors[0] as number;
          if (n < 0) failure = hostError(binding.errnoName(-n));
          else if (count === 1) received = kernel.adopt(descriptors[1] as number);
          else for (let i = 1; i <= Math.abs(count) && i < 3; i++) binding.calls.close(descriptors[i] as number);
          resolve();
        },
      });
    });
    // The helper's end closes with it at the latest, so both settle.
    const { status } = await finished;
    await arrived;
    if (failure !== undefined) throw failure;
    if (status !== 0) throw new HostError('EIO', `${command[0]} ended with status ${status}`);
    if (received === undefined) throw new HostError('EPROTO', `${command[0]} ended without sending a descriptor`);
    return received;
  } catch (error) {
    received?.close();
    throw error;
  } finally {
    end.close();
  }
}
