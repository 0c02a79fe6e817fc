/** Devices, descriptors and programs of this machine, over the addon. */
import type { Descriptor, Kernel, NamespaceStep, Namespaces, ProgramEnd } from '../../net/index.ts';
import type { Destroyable } from '../destroyable.ts';
import { hostError } from '../errno.ts';
import type { NativeBinding } from '../native/binding.ts';
import type { Readiness } from '../native/readiness.ts';
import { NativeDescriptor } from './descriptor.ts';
import { openIn } from './open-in.ts';
import { receiveDescriptor, runProgram } from './programs.ts';

const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const MAX_DESCRIPTOR = 0x7fffffff;
const AF_INET = 2;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | O_NONBLOCK | 0o2000000;

export class NativeKernel implements Kernel {
  readonly binding: NativeBinding;
  readonly readiness: Readiness;
  readonly #open: Set<Destroyable>;
  readonly #passed: Set<number>;

  /** @param open, passed as in SocketContext */
  constructor(binding: NativeBinding, readiness: Readiness, open: Set<Destroyable>, passed: Set<number>) {
    this.binding = binding;
    this.readiness = readiness;
    this.#open = open;
    this.#passed = passed;
  }

  open(path: string): Descriptor {
    return this.own(this.binding.calls.open(path, O_RDWR | O_NONBLOCK, 0));
  }

  adopt(descriptor: number): Descriptor {
    const { calls } = this.binding;
    if (!Number.isInteger(descriptor) || descriptor < 0 || descriptor > MAX_DESCRIPTOR) throw hostError('EBADF');
    for (const open of this.#open) if (open.descriptor === descriptor) throw hostError('EBUSY');
    const flags = this.#check(calls.fcntlGetFlags(descriptor));
    this.#check(calls.fcntlSetFlags(descriptor, flags | O_NONBLOCK));
    this.#check(calls.fcntlSetCloexec(descriptor, 1));
    this.#passed.delete(descriptor);
    return new NativeDescriptor(this.binding, this.readiness, this.#open, descriptor, flags);
  }

  controlSocket(): Descriptor {
    return this.own(this.binding.calls.socket(AF_INET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0));
  }

  run(
    argv: readonly string[],
    options: { descriptors?: readonly Descriptor[]; timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<ProgramEnd> {
    return runProgram(
      argv,
      (options.descriptors ?? []).map((one) => one.number),
      options.timeoutMs,
      options.signal,
    );
  }

  receiveDescriptor(
    argv: (socket: number) => readonly string[],
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Descriptor> {
    return receiveDescriptor(this, argv, timeoutMs, signal);
  }

  openIn(namespaces: Namespaces, steps: readonly NamespaceStep[]): Promise<Descriptor[]> {
    return openIn(this, namespaces, steps);
  }

  /** A descriptor that a call returned. @throws HostError when it is -errno. */
  own(result: number): NativeDescriptor {
    return new NativeDescriptor(this.binding, this.readiness, this.#open, this.#check(result));
  }

  #check(result: number): number {
    if (result < 0) throw hostError(this.binding.errnoName(-result));
    return result;
  }
}
