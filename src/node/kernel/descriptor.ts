/** A device, or another descriptor that is read and written as it is: one system call a frame. */
import { type Descriptor, type HostError, SOCKET_FAILED, WOULD_BLOCK } from '../../net/index.ts';
import type { Destroyable } from '../destroyable.ts';
import { hostError } from '../errno.ts';
import { FAILED, type NativeBinding, READABLE, WRITABLE } from '../native/binding.ts';
import type { Readiness, ReadyHandler, Watch } from '../native/readiness.ts';

const EAGAIN = -11;
const EINTR = -4;

export class NativeDescriptor implements Descriptor, ReadyHandler, Destroyable {
  readonly number: number;
  /** -1 once closed: the number may then be somebody else's. */
  #fd: number;
  onEvent: Descriptor['onEvent'] = () => {};
  readonly #binding: NativeBinding;
  readonly #readiness: Readiness;
  readonly #open: Set<Destroyable>;
  #watch: Watch | undefined;
  #failure = 0;
  readonly #flagsBefore: number | undefined;

  /**
   * @param open everything open of this host, which ends it when it closes.
   * @param flagsBefore of an adopted one's file: who gets it back finds them as they were.
   */
  constructor(
    binding: NativeBinding,
    readiness: Readiness,
    open: Set<Destroyable>,
    number: number,
    flagsBefore?: number,
  ) {
    this.#flagsBefore = flagsBefore;
    this.#binding = binding;
    this.#readiness = readiness;
    this.#open = open;
    this.number = number;
    this.#fd = number;
    open.add(this);
  }

  get descriptor(): number {
    return this.#fd;
  }

  get error(): HostError | undefined {
    return this.#failure === 0 ? undefined : hostError(this.#binding.errnoName(-this.#failure));
  }

  read(bytes: Uint8Array, offset: number, length: number): number {
    const n = this.#binding.calls.read(this.#fd, bytes, offset, length);
    return n >= 0 ? n : this.#failed(n);
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    const n = this.#binding.calls.write(this.#fd, bytes, offset, length);
    return n >= 0 ? n : this.#failed(n);
  }

  write2(first: Uint8Array, o1: number, l1: number, second: Uint8Array, o2: number, l2: number): number {
    const n = this.#binding.calls.writev(this.#fd, first, o1, l1, second, o2, l2);
    return n >= 0 ? n : this.#failed(n);
  }

  ioctl(name: string, argument: number | Uint8Array): number {
    const { ioctls } = this.#binding;
    const call = Object.hasOwn(ioctls, name) ? ioctls[name] : undefined;
    if (call === undefined) throw hostError('ENOTTY');
    const result =
      typeof argument === 'number' ? call(this.#fd, argument) : call(this.#fd, argument, 0, argument.length);
    if (result < 0) throw hostError(this.#binding.errnoName(-result));
    return result;
  }

  interest(readable: boolean, writable: boolean): void {
    if (this.#fd < 0) return;
    const events = (readable ? READABLE : 0) | (writable ? WRITABLE : 0);
    if (this.#watch === undefined) {
      if (events !== 0) this.#watch = this.#readiness.watch(this.#fd, events, this);
    } else {
      this.#watch.interest(events);
    }
  }

  ready(events: number): void {
    if ((events & WRITABLE) !== 0) this.onEvent('writable');
    if (this.#fd < 0) return;
    if ((events & READABLE) !== 0) this.onEvent('readable');
    if (this.#fd < 0 || (events & FAILED) === 0) return;
    this.onEvent('error');
    // It may have been in passing: an interface is gone only when a read says so.
    if (this.#fd >= 0) this.#watch?.rearm();
  }

  close(): void {
    const fd = this.#letGo();
    if (fd >= 0) this.#binding.calls.close(fd);
  }

  release(): void {
    const fd = this.#letGo();
    if (fd >= 0 && this.#flagsBefore !== undefined) this.#binding.calls.fcntlSetFlags(fd, this.#flagsBefore);
  }

  /** @returns the number it had, or -1 */
  #letGo(): number {
    const fd = this.#fd;
    if (fd < 0) return fd;
    this.#fd = -1;
    this.onEvent = () => {};
    this.#watch?.close();
    this.#open.delete(this);
    return fd;
  }

  destroy(): void {
    this.close();
  }

  #failed(result: number): number {
    if (result === EAGAIN || result === EINTR) return WOULD_BLOCK;
    this.#failure = result;
    return SOCKET_FAILED;
  }
}
