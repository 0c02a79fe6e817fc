/**
 * Datagrams towards the host side, gathered: those of one socket that follow each other leave as one batch, at the
 * latest when the batch of the loop ends.
 */
import { type BatchLoop, type DatagramBatch, type DatagramSocket, FLUSH, type SocketAddress } from '../net/host.ts';

const ARENA = 256 * 1024;
const COUNT = 64;

export function newBatch(bytes: Uint8Array, count: number): DatagramBatch {
  return {
    bytes,
    count: 0,
    offset: new Int32Array(count),
    length: new Int32Array(count),
    peer: new Array<SocketAddress | undefined>(count).fill(undefined),
    ttl: new Uint8Array(count),
    tos: new Uint8Array(count),
  };
}

export class UdpSender {
  readonly #loop: BatchLoop;
  readonly #drop: (reason: string) => void;
  readonly #batch = newBatch(new Uint8Array(ARENA), COUNT);
  #socket: DatagramSocket | undefined;
  #used = 0;

  constructor(loop: BatchLoop, drop: (reason: string) => void) {
    this.#loop = loop;
    this.#drop = drop;
  }

  /** @param peer undefined = the socket's own. */
  add(
    socket: DatagramSocket,
    bytes: Uint8Array,
    offset: number,
    length: number,
    peer: SocketAddress | undefined,
    ttl: number,
    tos: number,
  ): void {
    const batch = this.#batch;
    if (socket !== this.#socket || batch.count === COUNT || this.#used + length > ARENA) {
      this.run();
      this.#socket = socket;
      this.#loop.atBatchEnd(FLUSH, this);
    }
    const i = batch.count++;
    batch.bytes.set(bytes.subarray(offset, offset + length), this.#used);
    batch.offset[i] = this.#used;
    batch.length[i] = length;
    batch.peer[i] = peer;
    batch.ttl[i] = ttl;
    batch.tos[i] = tos;
    this.#used += length;
  }

  /** Sends what was gathered. What the socket does not take now is lost, as on any full queue. */
  run(): void {
    const batch = this.#batch;
    const socket = this.#socket;
    this.#socket = undefined;
    this.#used = 0;
    const { count } = batch;
    if (socket !== undefined && count > 0) {
      const sent = Math.max(0, socket.sendBatch(batch));
      for (let i = sent; i < count; i++) this.#drop('udp-host-full');
    }
    batch.count = 0;
    batch.peer.fill(undefined, 0, count);
  }

  /** The socket is going: what waits for it is sent first. */
  flushOf(socket: DatagramSocket): void {
    if (socket === this.#socket) this.run();
  }
}
