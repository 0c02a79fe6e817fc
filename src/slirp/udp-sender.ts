/**
 * Datagrams towards the host side, gathered: those of one socket leave together, in their order, when the batch of the
 * loop ends or the arena is full, however the sockets take turns.
 */
import { type BatchLoop, type DatagramBatch, type DatagramSocket, FLUSH, type SocketAddress } from '../net/host.ts';

const ARENA = 256 * 1024;
/** Datagrams gathered, of all sockets. */
const COUNT = 256;
/** Given to a socket at once. */
const BATCH = 64;
const NONE = -1;

export interface UdpBatch extends DatagramBatch {
  readonly local: (SocketAddress | undefined)[];
}

/** Where a datagram goes, and from which address of ours; undefined = the kernel's choice. */
export interface Way {
  readonly peer: SocketAddress;
  readonly local: SocketAddress | undefined;
}

export function newBatch(bytes: Uint8Array, count: number): UdpBatch {
  return {
    bytes,
    count: 0,
    offset: new Int32Array(count),
    length: new Int32Array(count),
    peer: new Array<SocketAddress | undefined>(count).fill(undefined),
    local: new Array<SocketAddress | undefined>(count).fill(undefined),
    ttl: new Uint8Array(count),
    tos: new Uint8Array(count),
  };
}

/** A socket's datagrams, chained through the gathered ones. One object for each place, filled again and again. */
interface Chain {
  socket: DatagramSocket | undefined;
  first: number;
  last: number;
}

export class UdpSender {
  readonly #loop: BatchLoop;
  readonly #drop: (reason: string) => void;
  /** All that was gathered. */
  readonly #all = newBatch(new Uint8Array(ARENA), COUNT);
  /** The next datagram of the same socket. */
  readonly #next = new Int32Array(COUNT);
  /** What one socket gets, out of the same arena. */
  readonly #batch = newBatch(this.#all.bytes, BATCH);
  readonly #chains: Chain[] = [];
  readonly #places = new Map<DatagramSocket, number>();
  /** Chains in use. */
  #used = 0;
  #bytes = 0;
  #current: Chain | undefined;

  constructor(loop: BatchLoop, drop: (reason: string) => void) {
    this.#loop = loop;
    this.#drop = drop;
  }

  add(
    socket: DatagramSocket,
    bytes: Uint8Array,
    offset: number,
    length: number,
    way: Way,
    ttl: number,
    tos: number,
  ): void {
    const all = this.#all;
    if (all.count === COUNT || this.#bytes + length > ARENA) this.run();
    if (all.count === 0) this.#loop.atBatchEnd(FLUSH, this);
    const chain = this.#chainOf(socket);
    const i = all.count++;
    if (chain.first === NONE) chain.first = i;
    else this.#next[chain.last] = i;
    chain.last = i;
    this.#next[i] = NONE;
    all.bytes.set(bytes.subarray(offset, offset + length), this.#bytes);
    all.offset[i] = this.#bytes;
    all.length[i] = length;
    all.peer[i] = way.peer;
    all.local[i] = way.local;
    all.ttl[i] = ttl;
    all.tos[i] = tos;
    this.#bytes += length;
  }

  /** Sends what was gathered. What a socket does not take now is lost, as on any full queue. */
  run(): void {
    const all = this.#all;
    for (let place = 0; place < this.#used; place++) {
      const chain = this.#chains[place] as Chain;
      if (chain.socket !== undefined) this.#send(chain.socket, chain.first);
      chain.socket = undefined;
    }
    if (this.#used > 1) this.#places.clear();
    all.peer.fill(undefined, 0, all.count);
    all.local.fill(undefined, 0, all.count);
    all.count = 0;
    this.#used = 0;
    this.#bytes = 0;
    this.#current = undefined;
  }

  /** The socket is going: what waits for it is sent first. */
  flushOf(socket: DatagramSocket): void {
    for (let place = 0; place < this.#used; place++) {
      if (this.#chains[place]?.socket === socket) {
        this.run();
        return;
      }
    }
  }

  #chainOf(socket: DatagramSocket): Chain {
    const current = this.#current;
    if (current?.socket === socket) return current;
    // A batch of one socket needs no map.
    if (this.#used === 1 && current?.socket !== undefined) this.#places.set(current.socket, 0);
    const known = this.#used === 0 ? undefined : this.#places.get(socket);
    const place = known ?? this.#used++;
    let chain = this.#chains[place];
    if (chain === undefined) {
      chain = { socket, first: NONE, last: NONE };
      this.#chains.push(chain);
    } else if (known === undefined) {
      chain.socket = socket;
      chain.first = NONE;
    }
    if (known === undefined && place > 0) this.#places.set(socket, place);
    this.#current = chain;
    return chain;
  }

  #send(socket: DatagramSocket, first: number): void {
    const all = this.#all;
    const batch = this.#batch;
    for (let i = first; i !== NONE; ) {
      let count = 0;
      for (; i !== NONE && count < BATCH; i = this.#next[i] as number) {
        batch.offset[count] = all.offset[i] as number;
        batch.length[count] = all.length[i] as number;
        batch.peer[count] = all.peer[i];
        batch.local[count] = all.local[i];
        batch.ttl[count] = all.ttl[i] as number;
        batch.tos[count] = all.tos[i] as number;
        count++;
      }
      batch.count = count;
      const sent = Math.max(0, socket.sendBatch(batch));
      for (let lost = sent; lost < count; lost++) this.#drop('udp-host-full');
      batch.peer.fill(undefined, 0, count);
      batch.local.fill(undefined, 0, count);
    }
    batch.count = 0;
  }
}
