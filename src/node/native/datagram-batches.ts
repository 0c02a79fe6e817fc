/**
 * The arenas of batched datagrams, shared by all datagram sockets of a host; used within one call.
 *
 * Received datagrams land in slots of the largest size a datagram has and are copied into the owner's arena, so
 * that one system call serves 64 sockets' worth of small ones and no large one is cut. Of a slot only the touched pages
 * take memory.
 */
import type { DatagramBatch, SocketAddress } from '../../net/index.ts';
import type { NativeBatch } from './binding.ts';
import { DATAGRAM_BUDGET } from './budgets.ts';
import type { NativeContext } from './context.ts';
import { SOCKADDR_BYTES } from './sockaddr.ts';

/** 65535 and a little: longer ones exist on unix sockets only, and are dropped. */
const SLOT_BYTES = 65_536;

export class ReceiveSlots implements NativeBatch {
  readonly bytes = new Uint8Array(DATAGRAM_BUDGET * SLOT_BYTES);
  readonly offset = new Int32Array(DATAGRAM_BUDGET);
  readonly length = new Int32Array(DATAGRAM_BUDGET);
  readonly addresses = new Uint8Array(DATAGRAM_BUDGET * SOCKADDR_BYTES);
  readonly addressLength = new Int32Array(DATAGRAM_BUDGET);
  readonly locals = new Uint8Array(DATAGRAM_BUDGET * SOCKADDR_BYTES);
  readonly ttl = new Uint8Array(DATAGRAM_BUDGET);
  readonly tos = new Uint8Array(DATAGRAM_BUDGET);
  readonly #context: NativeContext;

  constructor(context: NativeContext) {
    this.#context = context;
    for (let i = 0; i < DATAGRAM_BUDGET; i++) this.offset[i] = i * SLOT_BYTES;
  }

  /** One recvmmsg(2) of at most `count`. @returns the count, or -errno. */
  receive(fd: number, count: number, flags: number, family: number): number {
    for (let i = 0; i < count; i++) {
      this.length[i] = SLOT_BYTES;
      this.addressLength[i] = 0;
    }
    return this.#context.binding.receiveBatch(fd, this, count, flags, family);
  }

  /** The length of the longest of the last `count` received; at most a slot's. */
  longest(count: number): number {
    let longest = 0;
    for (let i = 0; i < count; i++) longest = Math.max(longest, this.length[i] as number);
    return Math.min(longest, SLOT_BYTES);
  }

  /**
   * Moves received datagrams to the batch, as many as its arena holds.
   * @param first slot to begin with.
   * @param counters where one that no arena can hold is counted.
   * @returns the first slot that did not fit; `count` = all did.
   */
  deliver(batch: DatagramBatch, first: number, count: number, counters: { droppedDatagrams: number }): number {
    const { addresses } = this.#context;
    let used = 0;
    let taken = 0;
    let slot = first;
    for (; slot < count; slot++) {
      const length = this.length[slot] as number;
      if (length > SLOT_BYTES || length > batch.bytes.length) {
        counters.droppedDatagrams++;
        continue;
      }
      if (used + length > batch.bytes.length || taken === batch.offset.length) break;
      batch.bytes.set(this.bytes.subarray(slot * SLOT_BYTES, slot * SLOT_BYTES + length), used);
      batch.offset[taken] = used;
      batch.length[taken] = length;
      const at = slot * SOCKADDR_BYTES;
      batch.peer[taken] = addresses.decode(this.addresses, at, this.addressLength[slot] as number);
      if (batch.local !== undefined) batch.local[taken] = addresses.decode(this.locals, at, SOCKADDR_BYTES);
      used += length;
      taken++;
    }
    batch.count = taken;
    return slot;
  }
}

/** Received with others in one call, and more than the owner's arena held: few, and rarely. */
export class Leftovers {
  readonly #bytes: Uint8Array[] = [];
  readonly #peers: (SocketAddress | undefined)[] = [];
  readonly #locals: (SocketAddress | undefined)[] = [];

  /** Copies the slots from `first` to `count`. */
  constructor(context: NativeContext, first: number, count: number) {
    const { receiveSlots, addresses } = context;
    for (let slot = first; slot < count; slot++) {
      const length = receiveSlots.length[slot] as number;
      if (length > SLOT_BYTES) {
        context.host.counters.droppedDatagrams++;
        continue;
      }
      this.#bytes.push(receiveSlots.bytes.slice(slot * SLOT_BYTES, slot * SLOT_BYTES + length));
      const at = slot * SOCKADDR_BYTES;
      this.#peers.push(addresses.decode(receiveSlots.addresses, at, receiveSlots.addressLength[slot] as number));
      this.#locals.push(addresses.decode(receiveSlots.locals, at, SOCKADDR_BYTES));
    }
  }

  get isEmpty(): boolean {
    return this.#bytes.length === 0;
  }

  /** As receiveBatch. One longer than the whole arena is dropped and counted. */
  deliver(batch: DatagramBatch, counters: { droppedDatagrams: number }): number {
    let used = 0;
    let taken = 0;
    let seen = 0;
    for (; seen < this.#bytes.length; seen++) {
      const bytes = this.#bytes[seen] as Uint8Array;
      if (bytes.length > batch.bytes.length) {
        counters.droppedDatagrams++;
        continue;
      }
      if (taken === batch.offset.length || used + bytes.length > batch.bytes.length) break;
      batch.bytes.set(bytes, used);
      batch.offset[taken] = used;
      batch.length[taken] = bytes.length;
      batch.peer[taken] = this.#peers[seen];
      if (batch.local !== undefined) batch.local[taken] = this.#locals[seen];
      used += bytes.length;
      taken++;
    }
    this.#bytes.splice(0, seen);
    this.#peers.splice(0, seen);
    this.#locals.splice(0, seen);
    batch.count = taken;
    return taken;
  }
}

/** The addresses that go with a batch to be sent. A slot's bytes are written only when its peer changes. */
export class SendSlots implements NativeBatch {
  bytes: Uint8Array = new Uint8Array(0);
  offset: Int32Array = new Int32Array(0);
  length: Int32Array = new Int32Array(0);
  ttl: Uint8Array = new Uint8Array(0);
  tos: Uint8Array = new Uint8Array(0);
  addresses = new Uint8Array(0);
  addressLength = new Int32Array(0);
  locals: Uint8Array | undefined;
  #locals = new Uint8Array(0);
  #peers: (SocketAddress | undefined)[] = [];
  #sources: (SocketAddress | undefined)[] = [];
  readonly #context: NativeContext;

  constructor(context: NativeContext) {
    this.#context = context;
  }

  /**
   * Takes the batch over for one call.
   * @param connected peers are left out: the socket knows.
   * @throws HostError for an address that is none.
   */
  take(batch: DatagramBatch, connected: boolean): void {
    const capacity = batch.offset.length;
    if (capacity > this.#peers.length) this.#grow(capacity);
    this.bytes = batch.bytes;
    this.offset = batch.offset;
    this.length = batch.length;
    this.ttl = batch.ttl;
    this.tos = batch.tos;
    this.locals = undefined;
    for (let i = 0; i < batch.count; i++) {
      const peer = connected ? undefined : batch.peer[i];
      if (peer === this.#peers[i]) continue;
      const encoded = peer === undefined ? undefined : this.#context.addresses.encode(peer);
      if (encoded !== undefined) this.addresses.set(encoded, i * SOCKADDR_BYTES);
      this.addressLength[i] = encoded === undefined ? 0 : encoded.length;
      this.#peers[i] = peer;
    }
    if (batch.local !== undefined) this.#takeSources(batch.local, batch.count);
  }

  #takeSources(sources: readonly (SocketAddress | undefined)[], count: number): void {
    for (let i = 0; i < count; i++) {
      const source = sources[i];
      if (source !== undefined) this.locals = this.#locals;
      if (source === this.#sources[i]) continue;
      const at = i * SOCKADDR_BYTES;
      this.#locals.fill(0, at, at + SOCKADDR_BYTES);
      if (source !== undefined) this.#locals.set(this.#context.addresses.encode(source), at);
      this.#sources[i] = source;
    }
  }

  /** Lets go of the owner's arena. */
  release(): void {
    this.bytes = NOTHING;
  }

  #grow(capacity: number): void {
    this.addresses = new Uint8Array(capacity * SOCKADDR_BYTES);
    this.addressLength = new Int32Array(capacity);
    this.#peers = new Array<SocketAddress | undefined>(capacity).fill(undefined);
    this.#locals = new Uint8Array(capacity * SOCKADDR_BYTES);
    this.#sources = new Array<SocketAddress | undefined>(capacity).fill(undefined);
  }
}

const NOTHING = new Uint8Array(0);
