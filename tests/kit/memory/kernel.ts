/**
 * A kernel with taps in memory, for tests in virtual time: what was written to a tap is kept, what its other side sends
 * waits to be read, and every call can be made to fail.
 *
 * @example
 * const test = createTestHost();
 * const { kernel, host } = withKernel(test);
 * const netdev = await createTap({ script: 'no', downscript: 'no' }, createRecordingContext(host));
 * kernel.taps[0].arrive(frame);
 * test.runUntilIdle();
 */
import type { Descriptor, Host, Kernel, ProgramEnd } from '../../../src/net/host.ts';
import { type HostError, SOCKET_FAILED, WOULD_BLOCK } from '../../../src/net/host.ts';
import { hostError } from '../../../src/node/errno.ts';
import type { TestHost } from '../host.ts';
import type { VirtualLoop } from '../virtual-loop.ts';

const VNET_HDR = 0x4000;
const FIRST_NUMBER = 10;

export class MemoryTap implements Descriptor {
  readonly number: number;
  onEvent: Descriptor['onEvent'] = () => {};
  error: HostError | undefined;
  isClosed = false;
  /** Every ioctl in order: its name, and the number or the first word of what it was given. */
  readonly ioctls: string[] = [];
  /** Fails these ioctls by name. */
  readonly failing = new Map<string, string>();
  /** What was written, header included. */
  readonly written: Uint8Array[] = [];
  /** errno of every write, or of every read, from now on. */
  writeError: string | undefined;
  readError: string | undefined;
  /** EAGAIN to every write. */
  isFull = false;
  /** System calls made. */
  reads = 0;
  writes = 0;
  name = '';
  flags = 0;
  reading = false;
  writing = false;
  readonly #loop: VirtualLoop;
  readonly #features: number;
  readonly #arrived: Uint8Array[] = [];

  constructor(loop: VirtualLoop, number: number, features: number) {
    this.#loop = loop;
    this.number = number;
    this.#features = features;
  }

  get hasHeader(): boolean {
    return (this.flags & VNET_HDR) !== 0;
  }

  /** The other side sends. The header is zeros unless given. */
  arrive(bytes: Uint8Array, header: Uint8Array = new Uint8Array(10)): void {
    this.arriveRaw(this.hasHeader ? Uint8Array.of(...header, ...bytes) : bytes.slice());
  }

  arriveRaw(bytes: Uint8Array): void {
    this.#arrived.push(bytes);
    this.#loop.wake(this);
  }

  /** Frames that nobody read yet. */
  get waiting(): number {
    return this.#arrived.length;
  }

  /** What was written, without headers. */
  get frames(): Uint8Array[] {
    return this.written.map((bytes) => bytes.subarray(this.hasHeader ? 10 : 0));
  }

  /** The interface is deleted. */
  vanish(): void {
    this.readError = this.writeError = 'EBADFD';
    this.#loop.wake(this);
  }

  /** There is room again. */
  drain(): void {
    this.isFull = false;
    this.#loop.wake(this);
  }

  read(bytes: Uint8Array, offset: number, length: number): number {
    this.reads++;
    if (this.isClosed) return this.#fail('EBADF');
    if (this.readError !== undefined) return this.#fail(this.readError);
    const next = this.#arrived.shift();
    if (next === undefined) return WOULD_BLOCK;
    const taken = Math.min(length, next.length);
    bytes.set(next.subarray(0, taken), offset);
    return taken;
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    this.writes++;
    if (this.isClosed) return this.#fail('EBADF');
    if (this.isFull) return WOULD_BLOCK;
    if (this.writeError !== undefined) return this.#fail(this.writeError);
    this.written.push(bytes.slice(offset, offset + length));
    return length;
  }

  write2(first: Uint8Array, o1: number, l1: number, second: Uint8Array, o2: number, l2: number): number {
    const joined = new Uint8Array(l1 + l2);
    joined.set(first.subarray(o1, o1 + l1));
    joined.set(second.subarray(o2, o2 + l2), l1);
    return this.write(joined, 0, joined.length);
  }

  ioctl(name: string, argument: number | Uint8Array): number {
    const view = typeof argument === 'number' ? undefined : new DataView(argument.buffer, argument.byteOffset);
    this.ioctls.push(`${name} ${view === undefined ? argument : view.getInt32(view.byteLength > 16 ? 16 : 0, true)}`);
    const failure = this.failing.get(name);
    if (failure !== undefined) throw hostError(failure);
    if (name === 'TUNGETFEATURES') view?.setUint32(0, this.#features, true);
    if (name === 'TUNSETIFF') {
      const bytes = argument as Uint8Array;
      this.name = new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0))).replace('%d', '0');
      this.flags = (view as DataView).getUint16(16, true);
      bytes.set(new TextEncoder().encode(this.name));
      bytes[this.name.length] = 0;
    }
    if (name === 'TUNGETIFF') {
      (argument as Uint8Array).set(new TextEncoder().encode(this.name));
      view?.setUint16(16, this.flags, true);
    }
    return 0;
  }

  interest(readable: boolean, writable: boolean): void {
    this.reading = readable;
    this.writing = writable;
    this.#loop.wake(this);
  }

  poll(): boolean {
    if (this.isClosed) return false;
    let busy = false;
    if (this.writing && !this.isFull) {
      busy = true;
      this.onEvent('writable');
    }
    if (this.reading && (this.#arrived.length > 0 || this.readError !== undefined)) {
      busy = true;
      this.onEvent(this.readError === undefined ? 'readable' : 'error');
    }
    return busy;
  }

  close(): void {
    this.isClosed = true;
    this.onEvent = () => {};
  }

  release(): void {
    this.onEvent = () => {};
  }

  #fail(code: string): number {
    this.error = hostError(code);
    return SOCKET_FAILED;
  }
}

export class MemoryKernel implements Kernel {
  /** Everything opened or adopted, in order. */
  readonly taps: MemoryTap[] = [];
  /** TUNGETFEATURES of those opened from now on. */
  features = 0x7173;
  /** errno of open, by path. */
  readonly missing = new Map<string, string>([['/dev/vhost-net', 'ENOENT']]);
  /** Told of each tap before its first call. */
  onOpen: (tap: MemoryTap) => void = () => {};
  /** Interfaces by name. */
  readonly interfaces = new Map<string, number>();
  /** `program argument ...`, and how many descriptors were given. */
  readonly programs: string[] = [];
  /** waitpid's word for each run, or what happens instead. */
  onRun: (argv: readonly string[]) => Promise<ProgramEnd> = async () => ({ status: 0 });
  onHelper: (argv: readonly string[]) => Promise<Descriptor> = async () => {
    throw hostError('ENOENT');
  };
  readonly #loop: VirtualLoop;

  constructor(loop: VirtualLoop) {
    this.#loop = loop;
  }

  open(path: string): MemoryTap {
    const failure = path === '/dev/net/tun' ? this.missing.get(path) : (this.missing.get(path) ?? 'ENOENT');
    if (failure !== undefined) throw hostError(failure);
    return this.make();
  }

  /** A tap as somebody else would open it; adopt() finds it by its number. */
  make(flags = 0, name = ''): MemoryTap {
    const tap = new MemoryTap(this.#loop, FIRST_NUMBER + this.taps.length, this.features);
    tap.flags = flags;
    tap.name = name;
    this.taps.push(tap);
    this.onOpen(tap);
    return tap;
  }

  adopt(descriptor: number): Descriptor {
    const found = this.taps.find(({ number, isClosed }) => number === descriptor && !isClosed);
    if (found === undefined) throw hostError('EBADF');
    return found;
  }

  controlSocket(): Descriptor {
    const control = new MemoryTap(this.#loop, -1, 0);
    const ioctl = control.ioctl.bind(control);
    control.ioctl = (name, argument) => {
      if (name !== 'SIOCGIFINDEX') return ioctl(name, argument);
      const bytes = argument as Uint8Array;
      const index = this.interfaces.get(new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0))));
      if (index === undefined) throw hostError('ENODEV');
      new DataView(bytes.buffer, bytes.byteOffset).setInt32(16, index, true);
      return 0;
    };
    return control;
  }

  run(argv: readonly string[], options: { descriptors?: readonly Descriptor[] } = {}): Promise<ProgramEnd> {
    this.programs.push(`${argv.join(' ')} (${options.descriptors?.length ?? 0})`);
    return this.onRun(argv);
  }

  receiveDescriptor(argv: (socket: number) => readonly string[]): Promise<Descriptor> {
    const command = argv(3);
    this.programs.push(command.join(' '));
    return this.onHelper(command);
  }

  openIn(): Promise<Descriptor[]> {
    throw hostError('ENOTSUP');
  }
}

/** The test's host with a kernel. */
export function withKernel(test: TestHost): { readonly kernel: MemoryKernel; readonly host: Host } {
  const kernel = new MemoryKernel(test.loop);
  return { kernel, host: Object.create(test.host, { kernel: { value: kernel } }) as Host };
}
