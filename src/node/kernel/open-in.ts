/**
 * Opening in other namespaces. A process of several threads cannot enter a user namespace, so a forked child does; it makes
 * system calls only, sends back what it opened, and ends. We hear of it through the event loop, and kill it when it takes
 * too long.
 */
import { type Descriptor, HostError, type NamespaceStep, type Namespaces } from '../../net/index.ts';
import { errnoText, hostError } from '../errno.ts';
import { READABLE } from '../native/binding.ts';
import type { Watch } from '../native/readiness.ts';
import type { NativeKernel } from './kernel.ts';
import { describeStep, encodeSteps, givesDescriptor } from './namespace-steps.ts';

const O_RDONLY_CLOEXEC = 0o2000000;
const SIGKILL = 9;
const TIMEOUT_MS = 10_000;
/** The largest answer: index, errno, struct ifreq. */
const ANSWER_BYTES = 64;
const BODY_AT = 8;

/** @throws HostError by errno; the message names the step. The descriptors are in the order of their steps. */
export async function openIn(
  kernel: NativeKernel,
  namespaces: Namespaces,
  steps: readonly NamespaceStep[],
  timeoutMs = TIMEOUT_MS,
): Promise<Descriptor[]> {
  const [pid, socket] = fork(kernel, namespaces, steps);
  const child = new Child(kernel, pid, socket, steps);
  try {
    await child.ended(timeoutMs);
    return child.take();
  } finally {
    child.close();
  }
}

function fork(kernel: NativeKernel, namespaces: Namespaces, steps: readonly NamespaceStep[]): [number, number] {
  const { binding } = kernel;
  const opened: number[] = [];
  try {
    const [user, net, mount] = [namespaces.user, namespaces.net, namespaces.mount].map((path) => {
      if (path === undefined) return -1;
      const descriptor = binding.calls.open(path, O_RDONLY_CLOEXEC, 0);
      if (descriptor < 0) {
        const code = binding.errnoName(-descriptor);
        throw new HostError(code, `could not open ${path}: ${errnoText(code)}`);
      }
      opened.push(descriptor);
      return descriptor;
    }) as [number, number, number];
    const out = new Int32Array(2);
    const result = binding.forkInto(user, net, mount, encodeSteps(steps), out);
    if (result < 0) throw hostError(binding.errnoName(-result));
    return [out[0] as number, out[1] as number];
  } finally {
    for (const descriptor of opened) binding.calls.close(descriptor);
  }
}

class Child {
  readonly #kernel: NativeKernel;
  readonly #pid: number;
  readonly #socket: number;
  readonly #steps: readonly NamespaceStep[];
  readonly #answer = new Uint8Array(ANSWER_BYTES);
  readonly #passed = new Int32Array(3);
  /** Ours to close until they are taken. */
  readonly #received: number[] = [];
  #watch: Watch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #done = 0;

  constructor(kernel: NativeKernel, pid: number, socket: number, steps: readonly NamespaceStep[]) {
    this.#kernel = kernel;
    this.#pid = pid;
    this.#socket = socket;
    this.#steps = steps;
  }

  /** Resolves when it did all steps. */
  ended(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#timer = setTimeout(
        () => reject(new HostError('ETIMEDOUT', `namespaces did not answer within ${timeoutMs / 1000} s`)),
        timeoutMs,
      );
      this.#watch = this.#kernel.readiness.watch(this.#socket, READABLE, {
        ready: () => {
          try {
            if (this.#read()) resolve();
          } catch (error) {
            reject(error);
          }
        },
      });
    });
  }

  /** What it opened, each once. */
  take(): Descriptor[] {
    const taken: Descriptor[] = [];
    try {
      for (const number of this.#received) taken.push(this.#kernel.adopt(number));
    } catch (error) {
      for (const descriptor of taken) descriptor.release();
      throw error;
    }
    this.#received.length = 0;
    return taken;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#watch?.close();
    const { calls } = this.#kernel.binding;
    calls.close(this.#socket);
    for (const number of this.#received) calls.close(number);
    // It has nothing to do any more, and holds nothing that needs an orderly end.
    calls.kill(this.#pid, SIGKILL);
    calls.waitpid(this.#pid, 0);
  }

  /** @returns whether it is done. */
  #read(): boolean {
    const { binding } = this.#kernel;
    for (;;) {
      const got = binding.receiveDescriptors(this.#socket, this.#answer, 0, ANSWER_BYTES, this.#passed);
      const [count = 0, lost = 0, number = -1] = this.#passed;
      if (got > 0 && count === 1) this.#received.push(number);
      if (got < 0 && binding.errnoName(-got) === 'EAGAIN') return false;
      if (got < BODY_AT) {
        if (this.#done === this.#steps.length) return true;
        throw new HostError('EPROTO', `${describeStep(this.#steps, this.#done)}: the child ended early`);
      }
      this.#take(got, count, lost);
      if (this.#done === this.#steps.length) return true;
    }
  }

  #take(length: number, descriptors: number, lost: number): void {
    const view = new DataView(this.#answer.buffer);
    const index = view.getInt32(0, true);
    const errno = view.getInt32(4, true);
    if (errno !== 0) {
      const code = this.#kernel.binding.errnoName(errno);
      throw new HostError(code, `${describeStep(this.#steps, index)}: ${errnoText(code)}`);
    }
    // It opened what we may not have any more.
    if (lost !== 0 && descriptors === 0) {
      throw new HostError('EMFILE', `${describeStep(this.#steps, index)}: ${errnoText('EMFILE')}`);
    }
    const step = this.#steps[this.#done++];
    if (lost !== 0 || step === undefined || givesDescriptor(step) !== (descriptors === 1)) {
      throw new HostError('EPROTO', `${describeStep(this.#steps, index)}: an answer that does not fit`);
    }
    if (step.kind === 'tun' && length - BODY_AT === step.request.length) {
      step.request.set(this.#answer.subarray(BODY_AT, length));
    }
  }
}
