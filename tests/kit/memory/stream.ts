/**
 * A TCP or unix stream between two ends in memory. One direction is a Pipe: bytes with an arrival time, capped by
 * `capacity` (what is in flight or unread), then perhaps a FIN. Bytes that reach a closed end are answered with a reset,
 * and closing with unread bytes resets, as kernels do.
 */

import {
  type HostError,
  type IcmpRecord,
  SOCKET_FAILED,
  type StreamEvent,
  type StreamSocket,
  WOULD_BLOCK,
} from '../../../src/net/host.ts';
import type { Pollable, VirtualLoop } from '../virtual-loop.ts';
import { hostError } from './errors.ts';
import type { MemoryAddress } from './network.ts';

/** How long a kernel asks a peer that does not answer. */
const KEEPALIVE_MS = 50_000;

interface Chunk {
  readonly bytes: Uint8Array;
  /** Its first byte is the peer's urgent one. */
  readonly urgent: boolean;
  used: number;
}

export class MemoryStream implements StreamSocket, Pollable {
  readonly #loop: VirtualLoop;
  readonly #onGone: (stream: MemoryStream) => void;
  #peer: MemoryStream | undefined;
  #latencyMs = 0;
  #state: 'connecting' | 'open' | 'failed' | 'closed' = 'connecting';
  #error: HostError | undefined;
  /** An error that waits until what came before it was read. */
  #ahead: HostError | undefined;
  #wantRead = false;
  #wantWrite = false;
  #connectedDue = false;
  #errorDue = false;
  #closedDue = false;
  /** Bytes written by this end that the other has not read yet. */
  #outstanding = 0;
  readonly #inbox: Chunk[] = [];
  #inboxBytes = 0;
  #finReceived = false;
  #endRead = false;
  #finSent = false;
  #aborted = false;
  /** Most bytes of this end in flight or unread by the other. Lower it to make the far side slow. */
  capacity: number;
  /** Cap on a single readInto, to test split reads. */
  readLimit = Number.MAX_SAFE_INTEGER;
  /** As a descriptor in no poll set: who watches for nothing is not told of an error. */
  isPolled = true;
  onEvent: (event: StreamEvent) => void = () => {};
  /** Keepalives are on; whether anybody would answer them. */
  isAsked = false;
  isPeerGone = false;
  icmpError: IcmpRecord | undefined;
  localAddress: MemoryAddress | undefined;
  remoteAddress: MemoryAddress | undefined;
  /** Bytes ever taken from and given to this end's owner. */
  written = 0;
  read = 0;

  constructor(loop: VirtualLoop, capacity: number, onGone: (stream: MemoryStream) => void) {
    this.#loop = loop;
    this.capacity = capacity;
    this.#onGone = onGone;
  }

  get error(): HostError | undefined {
    return this.#error;
  }

  /** True when this end was closed or reset by its owner. */
  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  get isConnecting(): boolean {
    return this.#state === 'connecting';
  }

  /** The other side has sent its FIN and everything before it was read. */
  get sawEnd(): boolean {
    return this.#endRead;
  }

  /** Joins two ends; both are connected from now on, but only `announce` reports it. */
  join(peer: MemoryStream, latencyMs: number): void {
    this.#peer = peer;
    peer.#peer = this;
    this.#latencyMs = latencyMs;
    peer.#latencyMs = latencyMs;
    peer.#state = 'open';
  }

  announce(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'open';
    this.#connectedDue = true;
    this.#loop.wake(this);
  }

  /** What is about to end this stream is a router's "time exceeded". */
  stopAt(hop: string): void {
    const offender = { family: 'ipv4', host: hop, port: 0 } as const;
    this.icmpError = { type: 11, code: 0, mtu: 0, offender, destination: undefined, quoted: new Uint8Array(0) };
  }

  /** The world ends this stream: 'error' follows. */
  fail(code: string): void {
    if (this.#state === 'closed' || this.#state === 'failed') return;
    this.#ahead = hostError(code);
    if (this.#inboxBytes === 0) this.#failNow();
  }

  readInto(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#state === 'failed') return SOCKET_FAILED;
    if (this.#state !== 'open') return WOULD_BLOCK;
    if (this.#inboxBytes === 0) {
      if (!this.#finReceived) return WOULD_BLOCK;
      this.#endRead = true;
      this.#checkClosed();
      return 0;
    }
    const limit = Math.min(length, this.readLimit);
    let done = 0;
    while (done < limit) {
      const chunk = this.#inbox[0];
      if (chunk === undefined) break;
      const n = Math.min(limit - done, chunk.bytes.length - chunk.used);
      bytes.set(chunk.bytes.subarray(chunk.used, chunk.used + n), offset + done);
      done += n;
      chunk.used += n;
      if (chunk.used === chunk.bytes.length) this.#inbox.shift();
      // As kernels: a read ends in front of the mark.
      if (this.isUrgentNext()) break;
    }
    this.#inboxBytes -= done;
    this.read += done;
    if (this.#inboxBytes === 0 && this.#ahead !== undefined) this.#failNow();
    const peer = this.#peer;
    if (peer !== undefined) {
      peer.#outstanding -= done;
      this.#loop.wake(peer);
    }
    return done;
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    if (this.#state === 'failed') return SOCKET_FAILED;
    if (this.#state !== 'open' || this.#ahead !== undefined) return WOULD_BLOCK;
    if (this.#finSent) {
      this.fail('EPIPE');
      return SOCKET_FAILED;
    }
    const n = Math.min(length, this.room());
    if (n === 0) return length === 0 ? 0 : WOULD_BLOCK;
    this.#send(bytes.slice(offset, offset + n), false);
    return n;
  }

  writeUrgent(byte: number): number {
    if (this.#state !== 'open' || this.#finSent) return this.write(Uint8Array.of(byte), 0, 1);
    if (this.room() === 0) return WOULD_BLOCK;
    this.#send(Uint8Array.of(byte), true);
    return 1;
  }

  isUrgentNext(): boolean {
    const [next] = this.#inbox;
    return next?.urgent === true && next.used === 0;
  }

  write2(bytes: Uint8Array, o1: number, l1: number, o2: number, l2: number): number {
    const first = this.write(bytes, o1, l1);
    if (first < l1 || l2 === 0) return first;
    const second = this.write(bytes, o2, l2);
    return second < 0 ? first : first + second;
  }

  room(): number {
    return this.#state === 'open' && !this.#finSent && this.#ahead === undefined
      ? Math.max(0, this.capacity - this.#outstanding)
      : 0;
  }

  interest(readable: boolean, writable: boolean): void {
    this.#wantRead = readable;
    this.#wantWrite = writable;
    if (readable || writable) this.#loop.wake(this);
  }

  askPeer(on: boolean): void {
    this.isAsked = on;
    if (!on || !this.isPeerGone) return;
    this.#loop.after(KEEPALIVE_MS, () => {
      if (this.isAsked) this.fail('ETIMEDOUT');
    });
  }

  shutdown(): void {
    if (this.#state !== 'open' || this.#finSent) return;
    this.#finSent = true;
    const peer = this.#peer;
    if (peer !== undefined) this.#loop.after(this.#latencyMs, () => peer.#arriveFin());
    this.#checkClosed();
  }

  reset(): void {
    if (this.#state === 'closed') return;
    this.#sendReset();
    this.#leave();
  }

  close(): void {
    if (this.#state === 'closed') return;
    if (this.#inboxBytes > 0) this.#sendReset();
    else if (this.#state === 'open' && !this.#finSent) this.shutdown();
    this.#leave();
  }

  /** One event of each kind a turn, as a poll gives them. */
  poll(): boolean {
    let busy = false;
    if (this.#connectedDue && this.#state === 'open') {
      this.#connectedDue = false;
      busy = true;
      this.onEvent('connected');
    }
    const isWatched = this.isPolled || this.#wantRead || this.#wantWrite;
    if (this.#errorDue && this.#state === 'failed' && isWatched) {
      this.#errorDue = false;
      this.onEvent('error');
      return true;
    }
    if (this.#wantRead && this.#state === 'open' && (this.#inboxBytes > 0 || (this.#finReceived && !this.#endRead))) {
      busy = true;
      this.onEvent('readable');
    }
    if (this.#wantWrite && this.room() > 0) {
      busy = true;
      this.onEvent('writable');
    }
    if (this.#closedDue && this.#state === 'open') {
      this.#closedDue = false;
      busy = true;
      this.onEvent('closed');
    }
    return busy;
  }

  #send(bytes: Uint8Array, urgent: boolean): void {
    this.#outstanding += bytes.length;
    this.written += bytes.length;
    const peer = this.#peer;
    if (peer !== undefined) this.#loop.after(this.#latencyMs, () => peer.#arrive(bytes, urgent));
  }

  #arrive(bytes: Uint8Array, urgent: boolean): void {
    if (this.#aborted) return;
    if (this.#state === 'closed' || this.#state === 'failed') {
      this.#sendReset();
      return;
    }
    this.#inbox.push({ bytes, urgent, used: 0 });
    this.#inboxBytes += bytes.length;
    this.#loop.wake(this);
  }

  #arriveFin(): void {
    this.#finReceived = true;
    this.#loop.wake(this);
    this.#checkClosed();
  }

  #checkClosed(): void {
    if (!this.#endRead || !this.#finSent) return;
    this.#closedDue = true;
    this.#loop.wake(this);
  }

  #sendReset(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    const peer = this.#peer;
    if (peer !== undefined) {
      this.#loop.after(this.#latencyMs, () => {
        peer.#aborted = true;
        peer.fail('ECONNRESET');
      });
    }
  }

  #failNow(): void {
    this.#state = 'failed';
    this.#error = this.#ahead;
    this.#errorDue = true;
    this.#loop.wake(this);
  }

  #discard(): void {
    this.#inbox.length = 0;
    this.#inboxBytes = 0;
  }

  #leave(): void {
    this.#state = 'closed';
    this.#discard();
    this.#onGone(this);
  }
}
