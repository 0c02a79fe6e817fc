/** What the native sockets of one host share. */
import type { HostError } from '../../net/index.ts';
import type { Destroyable } from '../destroyable.ts';
import { errnoText, hostError } from '../errno.ts';
import type { SocketContext } from '../socket-context.ts';
import { SockaddrTable } from './address-table.ts';
import type { NativeBinding, NativeCalls } from './binding.ts';
import { ReceiveSlots, SendSlots } from './datagram-batches.ts';
import { ErrorQueue } from './datagram-errors.ts';
import { GatherPool } from './gather.ts';
import type { Readiness } from './readiness.ts';
import { host32, putHost32, SOCKADDR_BYTES } from './sockaddr.ts';

export class NativeContext {
  readonly host: SocketContext;
  readonly binding: NativeBinding;
  readonly calls: NativeCalls;
  readonly watcher: Readiness;
  readonly addresses = new SockaddrTable();
  readonly gather = new GatherPool();
  /** Streams that their owners have reset while bytes were on their way. */
  readonly resetting = new Set<Destroyable>();
  /** One address, or one option's value; used within one call. */
  readonly scratch = new Uint8Array(SOCKADDR_BYTES);

  #receiveSlots: ReceiveSlots | undefined;
  #sendSlots: SendSlots | undefined;
  #errorQueue: ErrorQueue | undefined;

  constructor(host: SocketContext, binding: NativeBinding, watcher: Readiness) {
    this.host = host;
    this.binding = binding;
    this.calls = binding.calls;
    this.watcher = watcher;
  }

  // Made when first needed: many yards have no datagram socket.
  get receiveSlots(): ReceiveSlots {
    this.#receiveSlots ??= new ReceiveSlots(this);
    return this.#receiveSlots;
  }

  get sendSlots(): SendSlots {
    this.#sendSlots ??= new SendSlots(this);
    return this.#sendSlots;
  }

  get errorQueue(): ErrorQueue {
    this.#errorQueue ??= new ErrorQueue(this);
    return this.#errorQueue;
  }

  /** Closes a descriptor that came over a stream and that nobody wants. */
  closePassed(descriptor: number): void {
    this.host.passed.delete(descriptor);
    this.calls.close(descriptor);
  }

  /** @param result of a call: -errno. */
  error(result: number): HostError {
    return hostError(this.errorName(result));
  }

  errorName(result: number): string {
    return this.binding.errnoName(-result);
  }

  errorText(result: number): string {
    return errnoText(this.errorName(result));
  }

  /** The result, if it is none. @throws HostError */
  check(result: number): number {
    if (result < 0) throw this.error(result);
    return result;
  }

  /** An int option; 0 where the kernel does not know it. */
  intOption(fd: number, level: number, name: number): number {
    const value = this.scratch;
    putHost32(value, 0, 0);
    return this.calls.getsockopt(fd, level, name, value, 0, 4) < 0 ? 0 : host32(value, 0);
  }
}
