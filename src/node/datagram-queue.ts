/**
 * Datagrams received and not yet pulled, in order, capped in datagrams and bytes. Two growing arrays instead of a ring of
 * MAX_WAITING slots: most sockets only ever hold a few.
 */
import type { DatagramBatch, SocketAddress } from '../net/index.ts';

const MAX_WAITING = 1024;
const MAX_WAITING_BYTES = 2 * 1024 * 1024;

export class DatagramQueue {
  readonly #counters: { droppedDatagrams: number };
  /** Slots before `head` were pulled and are empty. */
  readonly #datagrams: (Uint8Array | undefined)[] = [];
  readonly #sources: (SocketAddress | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  /** @param counters where a datagram that no batch can hold is counted. */
  constructor(counters: { droppedDatagrams: number }) {
    this.#counters = counters;
  }

  get isEmpty(): boolean {
    return this.#head === this.#datagrams.length;
  }

  /** Whether push() may be called with so many bytes. */
  hasRoom(length: number): boolean {
    return this.#datagrams.length - this.#head < MAX_WAITING && this.#bytes + length <= MAX_WAITING_BYTES;
  }

  /** The bytes are kept, not copied. */
  push(datagram: Uint8Array, source: SocketAddress): void {
    this.#datagrams.push(datagram);
    this.#sources.push(source);
    this.#bytes += datagram.length;
  }

  /** Moves the oldest into the batch, as many as fit. One longer than the whole arena is dropped. Returns the count. */
  pull(batch: DatagramBatch): number {
    const capacity = batch.offset.length;
    let used = 0;
    let count = 0;
    while (count < capacity) {
      const datagram = this.#datagrams[this.#head];
      if (datagram === undefined) break;
      const { length } = datagram;
      if (used + length > batch.bytes.length) {
        if (used > 0) break;
        this.#counters.droppedDatagrams++;
        this.#shift(length);
        continue;
      }
      batch.bytes.set(datagram, used);
      batch.offset[count] = used;
      batch.length[count] = length;
      batch.peer[count] = this.#sources[this.#head];
      used += length;
      count++;
      this.#shift(length);
    }
    batch.count = count;
    return count;
  }

  clear(): void {
    this.#datagrams.length = this.#sources.length = this.#head = this.#bytes = 0;
  }

  #shift(length: number): void {
    this.#bytes -= length;
    this.#datagrams[this.#head] = this.#sources[this.#head] = undefined;
    this.#head++;
    // Also for an owner that never empties it: the empty slots must not pile up.
    if (this.#head === this.#datagrams.length || this.#head >= MAX_WAITING) {
      this.#datagrams.splice(0, this.#head);
      this.#sources.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
