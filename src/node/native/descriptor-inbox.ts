/** Descriptors that came with the bytes of a unix stream (SCM_RIGHTS), until the owner takes them; the rest is closed. */
import { MAX_PASSED_DESCRIPTORS } from '../../net/index.ts';
import type { NativeContext } from './context.ts';

export class DescriptorInbox {
  readonly #context: NativeContext;
  /** [count, numbers ...] of one recvmsg(2). */
  readonly #arrived = new Int32Array(1 + MAX_PASSED_DESCRIPTORS);
  #waiting: number[] = [];

  constructor(context: NativeContext) {
    this.#context = context;
  }

  /** As recv(2). */
  receive(fd: number, bytes: Uint8Array, offset: number, length: number): number {
    const arrived = this.#arrived;
    arrived[0] = 0;
    const count = this.#context.binding.receiveDescriptors(fd, bytes, offset, length, arrived);
    const passed = Math.abs(arrived[0] as number);
    for (let i = 1; i <= passed && i < arrived.length; i++) {
      const descriptor = arrived[i] as number;
      if (this.#waiting.length < MAX_PASSED_DESCRIPTORS) this.#waiting.push(descriptor);
      else this.#context.calls.close(descriptor);
    }
    return count;
  }

  take(): number[] {
    const taken = this.#waiting;
    this.#waiting = [];
    return taken;
  }

  close(): void {
    for (const descriptor of this.take()) this.#context.calls.close(descriptor);
  }
}
