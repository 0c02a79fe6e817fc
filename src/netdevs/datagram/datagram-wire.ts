/**
 * A datagram socket as a wire: one Ethernet frame a datagram, behind a header where the framing has one. Shared by socket,
 * dgram, l2tpv3 and vde.
 *
 * Sending: frames are copied into an arena and sent together at the end of the batch; when the socket takes no more, frames
 * are refused until it does. Receiving: a batch a turn; BUSY stops in the middle of one and onReady goes on there. Empty
 * datagrams are counted and ignored: anybody can send one (in QEMU one ends reception for ever).
 */
import {
  type BatchTask,
  BUSY,
  type DatagramBatch,
  type DatagramEvent,
  type DatagramSocket,
  type DropReason,
  FLUSH,
  Frame,
  type HostError,
  type NetClient,
  type NetdevContext,
  type SocketAddress,
  WOULD_BLOCK,
} from '../../net/index.ts';
import type { OwnSource } from './own-source.ts';

/** Largest UDP payload over IPv4: 65535 less both headers. */
const MAX_DATAGRAM = 65507;
/** Of a unix socket: its datagrams have no header whose length field ends there. */
const UNIX_MAX_DATAGRAM = 65_535;
const BATCH = 64;
const ARENA_BYTES = 256 * 1024;
/** The first send error is logged, then one in this many. */
const LOG_EVERY = 10_000;

export interface DatagramWireOptions {
  readonly socket: DatagramSocket;
  /** Where frames go; undefined = the peer that the socket is connected to. */
  readonly remote: SocketAddress | undefined;
  readonly info: string;
  /** Frames leave through this one instead. */
  readonly sender?: DatagramSocket;
  /** What comes from there is ours, brought back by the group's own loop: dropped. */
  readonly ownSource?: OwnSource;
  /** What stands in front of each frame; unset = nothing. */
  readonly framing?: DatagramFraming;
  /** Longest datagram to send, header included. Default: what UDP over IPv4, or a unix socket, carries. */
  readonly maxDatagram?: number;
  /** Further interest in what the socket reports. */
  readonly onError?: (error: HostError | undefined) => void;
}

/** A header in front of each frame. */
export interface DatagramFraming {
  readonly headerLength: number;
  /** Writes the header of the next frame; called once for each. */
  emit(bytes: Uint8Array, offset: number): void;
  /** How many bytes stand in front of the frame in a received datagram, or why it is dropped. Never throws. */
  check(bytes: Uint8Array, offset: number, length: number): number | DropReason;
}

export class DatagramWire implements NetClient {
  readonly offloads = 0;
  readonly #context: NetdevContext;
  readonly #receiver: DatagramSocket;
  readonly #sender: DatagramSocket;
  readonly #remote: SocketAddress | undefined;
  readonly #info: string;
  readonly #ownSource: OwnSource | undefined;
  readonly #framing: DatagramFraming | undefined;
  readonly #headerLength: number;
  readonly #maxFrame: number;
  readonly #onError: ((error: HostError | undefined) => void) | undefined;
  readonly #frame = new Frame();
  readonly #out = createBatch();
  readonly #in = createBatch();
  readonly #flushTask: BatchTask = { run: () => this.#flush() };
  #outBytes = 0;
  #inNext = 0;
  #blocked = false;
  #stopped = false;
  #closed = false;
  #errors = 0;

  constructor(context: NetdevContext, options: DatagramWireOptions) {
    this.#context = context;
    this.#receiver = options.socket;
    this.#sender = options.sender ?? options.socket;
    this.#remote = options.remote;
    this.#info = options.info;
    this.#ownSource = options.ownSource;
    this.#framing = options.framing;
    this.#headerLength = options.framing?.headerLength ?? 0;
    const most = options.socket.localAddress.family === 'unix' ? UNIX_MAX_DATAGRAM : MAX_DATAGRAM;
    this.#maxFrame = (options.maxDatagram ?? most) - this.#headerLength;
    this.#onError = options.onError;
    context.port.onReady = () => this.#resume();
    this.#receiver.onEvent = (event) => this.#event(this.#receiver, event);
    this.#sender.onEvent = (event) => this.#event(this.#sender, event);
    this.#updateInterest();
  }

  receive(frame: Frame): boolean {
    if (this.#closed) return true;
    const header = this.#headerLength;
    const total = header + frame.length;
    if (frame.length > this.#maxFrame) {
      this.#context.port.drop('too-long');
      return true;
    }
    const out = this.#out;
    if (this.#isFull(total)) {
      if (!this.#blocked) this.#flush();
      if (this.#isFull(total)) return false;
    }
    const at = this.#outBytes;
    this.#framing?.emit(out.bytes, at);
    out.bytes.set(frame.bytes.subarray(frame.offset, frame.offset + frame.length), at + header);
    out.offset[out.count] = at;
    out.length[out.count] = total;
    out.peer[out.count] = this.#remote;
    out.count++;
    this.#outBytes += total;
    this.#context.host.loop.atBatchEnd(FLUSH, this.#flushTask);
    return true;
  }

  linkChanged(): void {}

  info(): string {
    return this.#info;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#receiver.close(), this.#sender.close()]);
  }

  #isFull(length: number): boolean {
    return this.#out.count === BATCH || this.#outBytes + length > ARENA_BYTES;
  }

  #event(socket: DatagramSocket, event: DatagramEvent): void {
    if (this.#closed) return;
    if (event === 'readable') this.#read();
    else if (event === 'writable') this.#flush();
    else this.#failed(socket);
  }

  #read(): void {
    if (this.#stopped) return;
    this.#inNext = 0;
    this.#receiver.receiveBatch(this.#in);
    this.#deliver();
  }

  #deliver(): void {
    this.#send();
    this.#context.port.sent();
  }

  #send(): void {
    const { bytes, offset, length, peer } = this.#in;
    const { port } = this.#context;
    const framing = this.#framing;
    while (this.#inNext < this.#in.count && !this.#closed) {
      const i = this.#inNext++;
      const o = offset[i] as number;
      const l = length[i] as number;
      const header = framing === undefined || l === 0 ? 0 : framing.check(bytes, o, l);
      if (l === 0) {
        port.drop('empty-datagram');
      } else if (typeof header === 'string') {
        port.drop(header);
      } else if (this.#ownSource?.isOurs(peer[i]) === true) {
        port.drop('own-echo');
      } else if (port.send(this.#frame.setPlain(bytes, o + header, l - header)) === BUSY) {
        this.#stopped = true;
        this.#updateInterest();
        return;
      }
    }
  }

  #resume(): void {
    if (!this.#stopped || this.#closed) return;
    this.#stopped = false;
    this.#deliver();
    this.#updateInterest();
  }

  #flush(): void {
    const out = this.#out;
    if (out.count === 0 || this.#closed) return;
    const sent = this.#sender.sendBatch(out);
    if (sent === WOULD_BLOCK || sent < out.count) {
      this.#keepFrom(Math.max(0, sent));
      this.#blocked = true;
      this.#updateInterest();
      return;
    }
    out.count = this.#outBytes = 0;
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#updateInterest();
    this.#context.port.ready();
  }

  /** Moves what was not sent to the front. */
  #keepFrom(first: number): void {
    const out = this.#out;
    if (first === 0) return;
    const start = out.offset[first] as number;
    out.bytes.copyWithin(0, start, this.#outBytes);
    for (let i = first; i < out.count; i++) {
      out.offset[i - first] = (out.offset[i] as number) - start;
      out.length[i - first] = out.length[i] as number;
      out.peer[i - first] = out.peer[i];
    }
    out.count -= first;
    this.#outBytes -= start;
  }

  /** A frame is lost, as on any wire: a peer that is not there yet, a network that went away. */
  #failed(socket: DatagramSocket): void {
    const error = socket.takeError();
    this.#context.port.drop('send-error');
    if (this.#errors++ % LOG_EVERY === 0) {
      this.#context.log.warn(`netdev '${this.#context.id}': sending failed`, { error: error?.message });
    }
    this.#onError?.(error);
  }

  #updateInterest(): void {
    if (this.#closed) return;
    const both = this.#sender === this.#receiver;
    this.#receiver.interest(!this.#stopped, both && this.#blocked);
    if (!both) this.#sender.interest(false, this.#blocked);
  }
}

function createBatch(): DatagramBatch {
  return {
    bytes: new Uint8Array(ARENA_BYTES),
    count: 0,
    offset: new Int32Array(BATCH),
    length: new Int32Array(BATCH),
    peer: new Array<SocketAddress | undefined>(BATCH).fill(undefined),
    ttl: new Uint8Array(BATCH),
    tos: new Uint8Array(BATCH),
  };
}
