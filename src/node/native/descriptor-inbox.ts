/** Descriptors that came with the bytes of a unix stream (SCM_RIGHTS), until the owner takes them; the rest is closed. */
import { MAX_PASSED_DESCRIPTORS } from '../../net/index.ts';
import type { NativeContext } from './context.ts';

export class DescriptorInbox {
  readonly #context: NativeContext;
  /** Of one recvmsg(2), as the addon lays them out: count, lost, numbers. */
  readonly #arrived = new Int32Array(2 + MAX_PASSED_DESCRIPTORS);
  #waiting: number[] = [];

  constructor(context: NativeContext) {
    this.#context = context;
  }

  /** As recv(2). */
  receive(fd: number, bytes: Uint8Array, offset: number, length: number): number {
    const arrived = this.#arrived;
    const { binding, calls, host } = this.#context;
    const got = binding.receiveDescriptors(fd, bytes, offset, length, arrived);
    const [count = 0, lost = 0] = arrived;
    host.counters.lostDescriptors += lost;
    for (let i = 2; i < 2 + count; i++) {
      const descriptor = arrived[i] as number;
      if (this.#waiting.length < MAX_PASSED_DESCRIPTORS) {
        this.#waiting.push(descriptor);
        host.passed.add(descriptor);
      } else {
        calls.close(descriptor);
        host.counters.lostDescriptors++;
      }
    }
    return got;
  }

  take(): number[] {
    const taken = this.#waiting;
    this.#waiting = [];
    return taken;
  }

  close(): void {
    for (const descriptor of this.take()) this.#context.closePassed(descriptor);
  }
}
