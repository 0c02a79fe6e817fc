/**
 * A FIFO of copied frames in one byte ring that grows and shrinks with what it holds. A frame lies contiguous, its
 * start two bytes behind a multiple of four, so that what follows the Ethernet header is aligned for the checksum.
 */
import type { Frame } from './frame.ts';

const FIELDS = 10;
const OFFSET = 0;
const LENGTH = 1;
const FLAGS = 2;
const GSO_TYPE = 3;
const GSO_SIZE = 4;
const HEADER_LENGTH = 5;
const CHECKSUM_START = 6;
const CHECKSUM_OFFSET = 7;
const QUEUE = 8;
const INGRESS = 9;

/** Small: a queue may have a thousand shares with one frame each. */
const FIRST_BYTES = 1024;
const FIRST_RECORDS = 8;
/** An empty queue gives back a ring larger than this. */
const KEEP_BYTES = 262_144;
const SKEW = 2;

const NO_BYTES = new Uint8Array(0);
const NO_RECORDS = new Int32Array(0);

export class FrameQueue {
  #bytes: Uint8Array = NO_BYTES;
  #records: Int32Array = NO_RECORDS;
  /** Record index of the oldest frame, and the number of frames. */
  #first = 0;
  #count = 0;
  /** Bytes of frames held, without padding. */
  #held = 0;

  get length(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#held;
  }

  /** Bytes of memory behind it. */
  get footprint(): number {
    return this.#bytes.length;
  }

  push(frame: Frame): void {
    const { length } = frame;
    let at = this.#place(length);
    if (at < 0) {
      this.#growBytes(length);
      at = this.#place(length);
    }
    if (this.#count * FIELDS === this.#records.length) this.#growRecords();
    const records = this.#records;
    let r = (this.#first + this.#count) * FIELDS;
    if (r >= records.length) r -= records.length;
    records[r + OFFSET] = at;
    records[r + LENGTH] = length;
    records[r + FLAGS] = frame.flags;
    records[r + GSO_TYPE] = frame.gsoType;
    records[r + GSO_SIZE] = frame.gsoSize;
    records[r + HEADER_LENGTH] = frame.headerLength;
    records[r + CHECKSUM_START] = frame.checksumStart;
    records[r + CHECKSUM_OFFSET] = frame.checksumOffset;
    records[r + QUEUE] = frame.queue;
    records[r + INGRESS] = frame.ingress;
    const { bytes, offset } = frame;
    this.#bytes.set(bytes.subarray(offset, offset + length), at);
    this.#count++;
    this.#held += length;
  }

  /** Points `into` at the oldest frame. It stays valid until shift() or push(). */
  peek(into: Frame): boolean {
    if (this.#count === 0) return false;
    const records = this.#records;
    const r = this.#first * FIELDS;
    into.bytes = this.#bytes;
    into.offset = records[r + OFFSET] as number;
    into.length = records[r + LENGTH] as number;
    into.flags = records[r + FLAGS] as number;
    into.gsoType = records[r + GSO_TYPE] as number;
    into.gsoSize = records[r + GSO_SIZE] as number;
    into.headerLength = records[r + HEADER_LENGTH] as number;
    into.checksumStart = records[r + CHECKSUM_START] as number;
    into.checksumOffset = records[r + CHECKSUM_OFFSET] as number;
    into.queue = records[r + QUEUE] as number;
    into.ingress = records[r + INGRESS] as number;
    return true;
  }

  /** Forgets the oldest frame. */
  shift(): void {
    if (this.#count === 0) return;
    this.#held -= this.#records[this.#first * FIELDS + LENGTH] as number;
    this.#first++;
    if (this.#first * FIELDS === this.#records.length) this.#first = 0;
    this.#count--;
    if (this.#count === 0) this.#emptied();
  }

  /** Forgets the newest frame. */
  pop(): void {
    if (this.#count === 0) return;
    this.#held -= this.#records[this.#record(this.#count - 1) + LENGTH] as number;
    this.#count--;
    if (this.#count === 0) this.#emptied();
  }

  clear(): void {
    this.#count = 0;
    this.#held = 0;
    this.#emptied();
  }

  #emptied(): void {
    this.#first = 0;
    if (this.#bytes.length > KEEP_BYTES) {
      this.#bytes = NO_BYTES;
      this.#records = NO_RECORDS;
    }
  }

  #record(index: number): number {
    const r = (this.#first + index) * FIELDS;
    return r >= this.#records.length ? r - this.#records.length : r;
  }

  /** Where `length` contiguous bytes fit, or -1. */
  #place(length: number): number {
    const size = this.#bytes.length;
    if (this.#count === 0) return SKEW + length <= size ? SKEW : -1;
    const head = this.#records[this.#first * FIELDS + OFFSET] as number;
    const last = this.#record(this.#count - 1);
    const end = (this.#records[last + OFFSET] as number) + (this.#records[last + LENGTH] as number);
    const at = align(end);
    if ((this.#records[last + OFFSET] as number) >= head) {
      if (at + length <= size) return at;
      return SKEW + length <= head ? SKEW : -1;
    }
    return at + length <= head ? at : -1;
  }

  #growBytes(length: number): void {
    let size = Math.max(this.#bytes.length * 2, FIRST_BYTES);
    while (size < this.#held + 8 * this.#count + length + 8) size *= 2;
    const bytes = new Uint8Array(size);
    let at = SKEW;
    for (let i = 0; i < this.#count; i++) {
      const r = this.#record(i);
      const from = this.#records[r + OFFSET] as number;
      const n = this.#records[r + LENGTH] as number;
      bytes.set(this.#bytes.subarray(from, from + n), at);
      this.#records[r + OFFSET] = at;
      at = align(at + n);
    }
    this.#bytes = bytes;
  }

  #growRecords(): void {
    const records = new Int32Array(Math.max(this.#records.length * 2, FIRST_RECORDS * FIELDS));
    const split = this.#first * FIELDS;
    records.set(this.#records.subarray(split));
    records.set(this.#records.subarray(0, split), this.#records.length - split);
    this.#records = records;
    this.#first = 0;
  }
}

function align(at: number): number {
  return ((at + 1) & ~3) + SKEW;
}
