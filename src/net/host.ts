/**
 * The Host: all that a portable room may know of the world. Implemented by src/node (Node), src/browser (a page) and
 * tests/kit (virtual time, in-memory network); one compliance suite runs against all.
 *
 * Errors of the world arrive as HostErrorCode, mapped from errno in one place per host.
 */

export interface Host {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly loop: BatchLoop;
  readonly random: Random;
  readonly sockets: Sockets;
  readonly resolver: Resolver;
  readonly files: Files;
  readonly log: Log;
}

export interface Clock {
  /** Monotonic milliseconds, fractional. Cheap: may be cached per turn of the loop. */
  now(): number;
  /** Wall clock, microseconds since the epoch. */
  wallMicros(): number;
}

export interface Timer {
  /** (Re)arms for a monotonic deadline in milliseconds. Moving it later only stores the value. */
  set(deadlineMs: number): void;
  cancel(): void;
  readonly deadlineMs: number | undefined;
}

export interface Timers {
  /** A timer that is not armed. The callback runs outside every net client and batch task. */
  create(callback: () => void): Timer;
}

export const PRODUCE = 0;
export const FLUSH = 1;
export type BatchPhase = typeof PRODUCE | typeof FLUSH;

/** A task object is registered again and again without allocation: keep one per owner. */
export interface BatchTask {
  run(): void;
}

export interface BatchLoop {
  /**
   * Runs `task` once after the last ready descriptor of this poll: first every PRODUCE (ACKs, transmissions), then
   * every FLUSH (batched writes, kicks); at most four rounds, the rest next turn. Idempotent while it is pending.
   */
  atBatchEnd(phase: BatchPhase, task: BatchTask): void;
  /** Runs `task` in a later turn of the loop, after I/O had its chance: for work that stopped on a budget. */
  nextTurn(task: BatchTask): void;
}

export interface Random {
  /** Cryptographically strong, fills the whole array. */
  fill(bytes: Uint8Array): void;
  /** A strong random uint32. */
  u32(): number;
}

export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** errno's name without prefix change ('ECONNREFUSED'), or 'ENOTSUP' with a text that says what is missing. */
export type HostErrorCode = string;

/** The world said no. `message` is the C library's text (`Address already in use`), as QEMU prints it. */
export class HostError extends Error {
  override readonly name = 'HostError';
  readonly code: HostErrorCode;
  constructor(code: HostErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

export type Family = 'ipv4' | 'ipv6';

/** Host is numeric text. Treat as immutable: adapters may intern and return the same object again. */
export interface InetAddress {
  readonly family: Family;
  readonly host: string;
  readonly port: number;
}

export interface UnixAddress {
  readonly family: 'unix';
  /** A pathname; with a leading NUL an abstract name of exactly these bytes (padded to 108 for QEMU's tight=off). */
  readonly path: string;
}

export type SocketAddress = InetAddress | UnixAddress;

/** readInto/write: nothing now; an event follows if interest is set. */
export const WOULD_BLOCK = -1;
/** readInto/write: the socket failed; `error` names it. */
export const SOCKET_FAILED = -2;

export type StreamEvent = 'connected' | 'readable' | 'writable' | 'error' | 'closed';

/** A stream towards the real network. Readiness and pull, never push. */
export interface StreamSocket {
  /** Bytes read, 0 = end of stream, WOULD_BLOCK or SOCKET_FAILED. */
  readInto(bytes: Uint8Array, offset: number, length: number): number;
  /**
   * Bytes taken, WOULD_BLOCK or SOCKET_FAILED. The bytes are borrowed: valid only during the call. A host may gather the
   * writes of a batch and hand them to the system together at its end.
   */
  write(bytes: Uint8Array, offset: number, length: number): number;
  write2(bytes: Uint8Array, o1: number, l1: number, o2: number, l2: number): number;
  /** Bytes that write would take now. */
  room(): number;
  /** Level-triggered: events repeat each turn while the condition holds and the interest is set. */
  interest(readable: boolean, writable: boolean): void;
  /** Half-close: FIN after everything taken so far. */
  shutdown(): void;
  /** RST on the wire where the host can, and closed. */
  reset(): void;
  /** Closed gracefully; taken bytes are still sent. No event follows. */
  close(): void;
  onEvent: (event: StreamEvent) => void;
  readonly error: HostError | undefined;
  /** Known after 'connected'. */
  readonly localAddress: SocketAddress | undefined;
  readonly remoteAddress: SocketAddress | undefined;
}

export interface Listener {
  /** The bound address with the real port. */
  readonly address: SocketAddress;
  /** Called for each accepted stream (already connected). Unset: connections wait in the backlog. */
  onConnection: (socket: StreamSocket) => void;
  /** While paused, further connections wait in the kernel's backlog where the host can, else are accepted and held, capped. */
  pause(): void;
  resume(): void;
  /** Resolves when the address (port, path) is free again; unlinks a unix path it made. */
  close(): Promise<void>;
}

/** One arena, parallel arrays: no allocation per datagram. */
export interface DatagramBatch {
  readonly bytes: Uint8Array;
  count: number;
  readonly offset: Int32Array;
  readonly length: Int32Array;
  /** Source (receive) or destination (send; undefined = the connected peer). */
  readonly peer: (SocketAddress | undefined)[];
  /** TTL/hop limit and TOS to send with; 0 = the default. */
  readonly ttl: Uint8Array;
  readonly tos: Uint8Array;
}

export type DatagramEvent = 'readable' | 'writable' | 'error';

export interface DatagramSocket {
  readonly localAddress: SocketAddress;
  /** Fixes the peer: errors of that destination (ECONNREFUSED) are then reported through 'error'. */
  connect(to: SocketAddress): void;
  /** Takes that back: datagrams of any peer are received again. A port that was bound by number stays. */
  disconnect?(): void;
  /** Datagrams taken; the rest of the batch is refused for now (WOULD_BLOCK if none). */
  sendBatch(batch: DatagramBatch): number;
  /** Fills the batch up to its capacity; returns the count, 0 if nothing waits. Longer datagrams are dropped and counted. */
  receiveBatch(batch: DatagramBatch): number;
  interest(readable: boolean, writable: boolean): void;
  onEvent: (event: DatagramEvent) => void;
  /** The last asynchronous error (ICMP unreachable and the like); reading it clears it. */
  takeError(): HostError | undefined;
  /** Resolves when the port or path is free again. */
  close(): Promise<void>;
}

export interface Multicast {
  readonly group: string;
  /** Numeric address of the interface; unset = the kernel's choice. */
  readonly interfaceAddress?: string | undefined;
  readonly loopback: boolean;
}

export interface Capabilities {
  /** SOCK_DGRAM over AF_UNIX. */
  readonly unixDatagram: boolean;
  /** Descriptors by number, and passing them. */
  readonly descriptors: boolean;
  readonly abstractUnix: boolean;
  /** ICMP echo sockets. */
  readonly ping: boolean;
  readonly tcp: boolean;
  readonly udp: boolean;
}

export interface Sockets {
  readonly can: Capabilities;
  /** Starts connecting; 'connected' or 'error' follows. Never throws for what the network answers. */
  connect(to: SocketAddress, options?: { bind?: InetAddress; noDelay?: boolean; keepAlive?: boolean }): StreamSocket;
  /** Rejects with HostError when bind or listen fails. A unix path that is a stale socket is unlinked first. */
  listen(
    at: SocketAddress,
    options?: { backlog?: number; v6Only?: boolean /** octal mode of a unix path, e.g. 0o600 */; mode?: number },
  ): Promise<Listener>;
  /** Rejects with HostError when bind fails. */
  datagram(options: {
    family: Family;
    bind?: SocketAddress;
    reuseAddress?: boolean;
    multicast?: Multicast;
  }): Promise<DatagramSocket>;
}

export interface ResolvedAddress {
  readonly family: Family;
  readonly host: string;
}

export interface Resolver {
  /** The host's name servers, in order, with their ports. Cheap: re-reads resolv.conf on change only. */
  servers(): readonly InetAddress[];
  /** All addresses in getaddrinfo's order; rejects with HostError whose message is gai_strerror's text. */
  lookup(name: string, options: { family?: Family; signal?: AbortSignal }): Promise<readonly ResolvedAddress[]>;
}

export interface Files {
  /** Rejects with HostError. Capped at `limit` bytes. */
  read(path: string, limit: number): Promise<Uint8Array>;
}
