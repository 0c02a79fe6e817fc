/** A UDP socket in memory: a capped receive queue, asynchronous errors as ICMP brings them. */

import {
  type DatagramBatch,
  type DatagramEvent,
  type DatagramSocket,
  type HostError,
  type IcmpRecord,
  type InetAddress,
  isInet,
  type Multicast,
} from '../../../src/net/host.ts';
import type { Pollable, VirtualLoop } from '../virtual-loop.ts';
import { hostError } from './errors.ts';
import type { MemoryAddress } from './network.ts';

const QUEUE_CAP = 1024;

export interface Datagram {
  readonly bytes: Uint8Array;
  readonly from: InetAddress;
  readonly to: InetAddress;
  readonly ttl: number;
  readonly tos: number;
}

/** A queued ICMP error; what is left out is 0 or unknown. */
export type QueuedError = Partial<IcmpRecord> & Pick<IcmpRecord, 'type' | 'code'>;

/** What the socket needs of the network it is on. */
export interface DatagramRoute {
  sendDatagram(
    socket: MemoryDatagram,
    to: InetAddress,
    bytes: Uint8Array,
    ttl: number,
    tos: number,
    local: InetAddress | undefined,
  ): void;
  /** An error code to answer this send with, from the fault list. */
  sendFault(to: InetAddress): string | undefined;
  datagramGone(socket: MemoryDatagram): void;
}

export class MemoryDatagram implements DatagramSocket, Pollable {
  readonly #loop: VirtualLoop;
  readonly #route: DatagramRoute;
  readonly localAddress: InetAddress;
  readonly multicast: Multicast | undefined;
  readonly reuseAddress: boolean;
  readonly localAddresses: boolean;
  #peer: InetAddress | undefined;
  #queue: Datagram[] = [];
  #error: HostError | undefined;
  readonly #records: QueuedError[] = [];
  /** Present where the machine has `icmp`. */
  nextError?: (record: IcmpRecord) => boolean;
  #wantRead = false;
  #wantWrite = false;
  #closed = false;
  refusedPeer: InetAddress | undefined;
  /** Datagrams dropped because the queue was full, or the arena too small. */
  dropped = 0;
  /** Datagrams the socket takes before it would block; lower it to test a full socket. */
  sendRoom = Number.MAX_SAFE_INTEGER;
  onEvent: (event: DatagramEvent) => void = () => {};

  constructor(
    loop: VirtualLoop,
    route: DatagramRoute,
    localAddress: InetAddress,
    options: { multicast: Multicast | undefined; reuseAddress: boolean; icmp: boolean; localAddresses?: boolean },
  ) {
    this.#loop = loop;
    this.#route = route;
    this.localAddress = localAddress;
    this.multicast = options.multicast;
    this.reuseAddress = options.reuseAddress;
    this.localAddresses = options.localAddresses === true;
    if (options.icmp) this.nextError = (record) => this.#nextError(record);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get peer(): InetAddress | undefined {
    return this.#peer;
  }

  connect(to: MemoryAddress): void {
    if (to.family === 'unix') throw hostError('ENOTSUP');
    this.#peer = to;
  }

  sendBatch(batch: DatagramBatch): number {
    if (this.#closed) return 0;
    let sent = 0;
    for (; sent < batch.count; sent++) {
      if (this.sendRoom <= 0) break;
      const to = batch.peer[sent] ?? this.#peer;
      if (to === undefined || !isInet(to)) continue;
      const fault = this.#route.sendFault(to);
      if (fault !== undefined) {
        this.refusedPeer = to;
        this.raise(fault);
        continue;
      }
      this.sendRoom--;
      const offset = batch.offset[sent] ?? 0;
      const bytes = batch.bytes.slice(offset, offset + (batch.length[sent] ?? 0));
      const local = this.localAddresses ? batch.local?.[sent] : undefined;
      const from = local !== undefined && isInet(local) ? local : undefined;
      this.#route.sendDatagram(this, to, bytes, batch.ttl[sent] || 64, batch.tos[sent] || 0, from);
    }
    return sent;
  }

  /** Datagrams are packed one after the other from the arena's start; offset and length say where. */
  receiveBatch(batch: DatagramBatch): number {
    let count = 0;
    let offset = 0;
    while (count < batch.offset.length) {
      const datagram = this.#queue[0];
      if (datagram === undefined) break;
      if (datagram.bytes.length > batch.bytes.length - offset) {
        if (offset > 0) break;
        this.#queue.shift();
        this.dropped++;
        continue;
      }
      this.#queue.shift();
      batch.bytes.set(datagram.bytes, offset);
      batch.offset[count] = offset;
      batch.length[count] = datagram.bytes.length;
      batch.peer[count] = datagram.from;
      if (this.localAddresses && batch.local !== undefined) batch.local[count] = { ...datagram.to, port: 0 };
      batch.ttl[count] = datagram.ttl;
      batch.tos[count] = datagram.tos;
      offset += datagram.bytes.length;
      count++;
    }
    batch.count = count;
    return count;
  }

  interest(readable: boolean, writable: boolean): void {
    this.#wantRead = readable;
    this.#wantWrite = writable;
    if (readable || writable) this.#loop.wake(this);
  }

  takeError(): HostError | undefined {
    const error = this.#error;
    this.#error = undefined;
    return error;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.#route.datagramGone(this);
  }

  deliver(datagram: Datagram): void {
    if (this.#closed) return;
    const { from } = datagram;
    if (this.#peer !== undefined && (this.#peer.host !== from.host || this.#peer.port !== from.port)) return;
    if (this.#queue.length >= QUEUE_CAP) {
      this.dropped++;
      return;
    }
    this.#queue.push(datagram);
    this.#loop.wake(this);
  }

  /** An asynchronous error, such as an ICMP unreachable. */
  raise(code: string): void {
    if (this.#closed) return;
    this.#error = hostError(code);
    this.#loop.after(0, () => {
      if (!this.#closed && this.#error !== undefined) this.onEvent('error');
    });
  }

  /** Queues an ICMP error, announces it, and forgets it when nobody took it. Dropped where errors are not queued. */
  queueError(error: QueuedError): void {
    if (this.#closed || this.nextError === undefined) return;
    this.#records.push(error);
    this.#loop.after(0, () => {
      if (this.#closed || this.#records.length === 0) return;
      this.onEvent('error');
      this.#records.length = 0;
    });
  }

  poll(): boolean {
    if (this.#closed) return false;
    let busy = false;
    if (this.#wantRead && this.#queue.length > 0) {
      busy = true;
      this.onEvent('readable');
    }
    if (this.#wantWrite && this.sendRoom > 0) {
      busy = true;
      this.onEvent('writable');
    }
    return busy;
  }

  #nextError(record: IcmpRecord): boolean {
    const next = this.#records.shift();
    if (next === undefined) return false;
    Object.assign(record, NO_ERROR, next);
    return true;
  }
}

const NO_ERROR = { mtu: 0, offender: undefined, destination: undefined, quoted: new Uint8Array(0) };
