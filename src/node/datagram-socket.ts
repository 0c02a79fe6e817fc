/**
 * Datagrams over node:dgram, in batches.
 *
 * Node pushes each datagram; they wait in a capped queue until the owner pulls a batch, and overflow is dropped and
 * counted, as the kernel would. Sent bytes are copied first: Node may refer to them until the kernel takes them.
 */
import type * as dgram from 'node:dgram';
import { isIPv6 } from 'node:net';
import {
  type BatchTask,
  type DatagramBatch,
  type DatagramEvent,
  type DatagramOptions,
  type DatagramSocket,
  type HostError,
  isInet,
  type SocketAddress,
  WOULD_BLOCK,
} from '../net/index.ts';
import { openDatagram } from './datagram-open.ts';
import { DatagramQueue } from './datagram-queue.ts';
import type { Destroyable } from './destroyable.ts';
import { hostError, toHostError } from './errno.ts';
import type { SocketContext } from './socket-context.ts';

/** Given to Node and not yet taken by the kernel. */
const MAX_SENDING_BYTES = 1024 * 1024;
const ARENA_BYTES = 256 * 1024;

const ignoreEvent = (_event: DatagramEvent): void => {};

export class NodeDatagramSocket implements DatagramSocket, Destroyable {
  onEvent: (event: DatagramEvent) => void = ignoreEvent;
  readonly localAddress: SocketAddress;
  readonly share: number | undefined;
  readonly #context: SocketContext;
  readonly #socket: dgram.Socket;
  readonly #pollTask: BatchTask = { run: () => this.#poll() };
  readonly #onSent = (error: Error | null): void => this.#sent(error);
  readonly #received: DatagramQueue;
  #arena = Buffer.allocUnsafeSlow(0);
  #arenaUsed = 0;
  #ttl = 0;
  #connected = false;
  #wantRead = false;
  #wantWrite = false;
  #error: HostError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(context: SocketContext, socket: dgram.Socket, share: number | undefined) {
    this.share = share;
    this.#context = context;
    this.#socket = socket;
    this.#received = new DatagramQueue(context.counters);
    const local = socket.address();
    this.localAddress = context.addresses.inet(local.address, local.port, isIPv6(local.address));
    context.open.add(this);
    socket.on('message', (bytes, source) => this.#receive(bytes, source));
    socket.on('error', (error) => this.#failed(error));
  }

  /** Rejects with HostError when bind or joining the group fails. */
  static open(context: SocketContext, options: DatagramOptions): Promise<NodeDatagramSocket> {
    return openDatagram(context, options, (socket) => new NodeDatagramSocket(context, socket, options.share));
  }

  connect(to: SocketAddress): void {
    if (!isInet(to) || this.#closing !== undefined) return;
    try {
      if (this.#connected) this.#socket.disconnect();
      this.#connected = false;
      this.#socket.connect(to.port, to.host);
      // A refusal (no route, no permission) is told as an event later; there is no peer to leave then.
      this.#connected = hasPeer(this.#socket);
    } catch (error) {
      this.#failed(error);
    }
  }

  sendBatch(batch: DatagramBatch): number {
    if (this.#closing !== undefined) return batch.count;
    let sent = 0;
    for (; sent < batch.count; sent++) {
      const length = batch.length[sent] as number;
      if (!this.#reserve(length)) break;
      this.#send(batch, sent, length);
    }
    return sent === 0 && batch.count > 0 ? WOULD_BLOCK : sent;
  }

  receiveBatch(batch: DatagramBatch): number {
    return this.#received.pull(batch);
  }

  interest(readable: boolean, writable: boolean): void {
    this.#wantRead = readable;
    this.#wantWrite = writable;
    this.#pollIfDue();
  }

  takeError(): HostError | undefined {
    const error = this.#error;
    this.#error = undefined;
    return error;
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.onEvent = ignoreEvent;
      this.#context.open.delete(this);
      this.#received.clear();
      this.#socket.close(() => resolve());
    });
    return this.#closing;
  }

  destroy(): void {
    void this.close();
  }

  /** Makes room in the arena; false = what was sent before is still with Node. */
  #reserve(length: number): boolean {
    if (this.#arenaUsed > 0 && this.#socket.getSendQueueCount() === 0) this.#arenaUsed = 0;
    if (this.#arenaUsed + length <= this.#arena.length) return true;
    if (this.#socket.getSendQueueSize() + length > MAX_SENDING_BYTES) return false;
    // Node refers to the old arena as long as it needs it.
    this.#arena = Buffer.allocUnsafeSlow(Math.max(ARENA_BYTES, length));
    this.#arenaUsed = 0;
    return true;
  }

  #send(batch: DatagramBatch, index: number, length: number): void {
    const offset = batch.offset[index] as number;
    const at = this.#arenaUsed;
    this.#arena.set(batch.bytes.subarray(offset, offset + length), at);
    this.#arenaUsed = at + length;
    const ttl = batch.ttl[index] as number;
    const to = batch.peer[index];
    try {
      if (ttl !== this.#ttl) this.#setTtl(ttl);
      const bytes = this.#arena.subarray(at, at + length);
      if (to === undefined || this.#connected) this.#socket.send(bytes, this.#onSent);
      else if (!isInet(to)) this.#failed(hostError('EAFNOSUPPORT'));
      else this.#socket.send(bytes, to.port, to.host, this.#onSent);
    } catch (error) {
      this.#context.counters.sendErrors++;
      this.#failed(error);
    }
  }

  #setTtl(ttl: number): void {
    this.#socket.setTTL(ttl === 0 ? 64 : ttl);
    this.#ttl = ttl;
  }

  #sent(error: Error | null): void {
    if (error !== null) {
      this.#context.counters.sendErrors++;
      this.#failed(error);
    }
    if (this.#wantWrite) this.#pollIfDue();
  }

  #receive(bytes: Buffer, source: dgram.RemoteInfo): void {
    const queue = this.#received;
    if (!queue.hasRoom(bytes.length)) {
      this.#context.counters.droppedDatagrams++;
      return;
    }
    const first = queue.isEmpty;
    queue.push(bytes, this.#context.addresses.inet(source.address, source.port, source.family === 'IPv6'));
    // Node hands over one after the other out of one poll: the owner is told once, when all are here.
    if (first) this.#pollIfDue();
  }

  #failed(error: unknown): void {
    if (this.#closing !== undefined) return;
    this.#error = toHostError(error);
    this.#emit('error');
  }

  #isReadable(): boolean {
    return this.#wantRead && !this.#received.isEmpty;
  }

  #isWritable(): boolean {
    return this.#wantWrite && this.#closing === undefined && this.#socket.getSendQueueSize() * 2 <= MAX_SENDING_BYTES;
  }

  #pollIfDue(): void {
    if (this.#closing === undefined && (this.#isReadable() || this.#isWritable())) {
      this.#context.loop.nextTurn(this.#pollTask);
    }
  }

  #poll(): void {
    if (this.#closing !== undefined) return;
    if (this.#isReadable()) this.#emit('readable');
    if (this.#closing === undefined && this.#isWritable()) this.#emit('writable');
    this.#pollIfDue();
  }

  #emit(event: DatagramEvent): void {
    try {
      this.onEvent(event);
    } catch (error) {
      this.#context.counters.callbackErrors++;
      this.#context.log.error('a datagram event handler threw', { error });
    }
  }
}

function hasPeer(socket: dgram.Socket): boolean {
  try {
    socket.remoteAddress();
    return true;
  } catch {
    return false;
  }
}
