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
  /**
   * Devices, descriptors and programs: what tap, bridge and the like need beyond sockets.
   * @throws HostError ENOTSUP when this host has none; the message says what is missing and how to get it.
   */
  readonly kernel: Kernel;
  /** As whom this program runs. Absent where it runs as nobody: in a page. */
  readonly identity?: Identity;
}

/** What other programs get to see of us, and where our user keeps things. */
export interface Identity {
  readonly processId: number;
  readonly userName: string;
  /** The user's home directory; '' = unknown. */
  readonly home: string;
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

/** AF_VSOCK: a virtual machine's number and a port of it. Needs the native layer. */
export interface VsockAddress {
  readonly family: 'vsock';
  readonly cid: number;
  readonly port: number;
}

export type SocketAddress = InetAddress | UnixAddress | VsockAddress;

export function isInet(address: SocketAddress): address is InetAddress {
  return address.family === 'ipv4' || address.family === 'ipv6';
}

/** readInto/write: nothing now; an event follows if interest is set. */
export const WOULD_BLOCK = -1;
/** readInto/write: the socket failed; `error` names it. */
export const SOCKET_FAILED = -2;

export type StreamEvent = 'connected' | 'readable' | 'writable' | 'error' | 'closed';

/**
 * A stream towards the real network. Readiness and pull, never push.
 *
 * The peer's reset does not overtake its bytes: what came before an error is read first, and only then is the error told,
 * by readInto and by the event. Meanwhile write answers WOULD_BLOCK. Likewise, what write took goes out before our reset.
 */
export interface StreamSocket {
  /** Bytes read, 0 = end of stream, WOULD_BLOCK or SOCKET_FAILED. */
  readInto(bytes: Uint8Array, offset: number, length: number): number;
  /**
   * Bytes taken, WOULD_BLOCK or SOCKET_FAILED. The bytes are borrowed: valid only during the call. A host may gather the
   * writes of a batch and hand them to the system together at its end.
   */
  write(bytes: Uint8Array, offset: number, length: number): number;
  write2(bytes: Uint8Array, o1: number, l1: number, o2: number, l2: number): number;
  /**
   * One byte behind everything taken so far, and the peer is told that it is urgent (MSG_OOB): 1, WOULD_BLOCK or
   * SOCKET_FAILED. Absent where the host cannot.
   */
  writeUrgent?(byte: number): number;
  /**
   * Whether the byte that readInto gives next is the last one that the peer sent as urgent: such bytes stay in their place
   * (SO_OOBINLINE). Absent where the host cannot tell; they may then be missing.
   */
  isUrgentNext?(): boolean;
  /** Bytes that write would take now. */
  room(): number;
  /** Level-triggered: events repeat each turn while the condition holds and the interest is set. */
  interest(readable: boolean, writable: boolean): void;
  /**
   * While on, the system asks a peer that is silent whether it is there; an error follows within a minute if it is not.
   * Absent where the host cannot.
   */
  askPeer?(on: boolean): void;
  /** Half-close: FIN after everything taken so far. */
  shutdown(): void;
  /** RST on the wire where the host can, behind everything taken so far, and closed. No event follows. */
  reset(): void;
  /** Closed gracefully; taken bytes are still sent. No event follows. */
  close(): void;
  /**
   * The system holds at most about so many bytes for whoever does not read them; Infinity: as many as it likes again. Absent
   * where that cannot be said.
   */
  limitReceive?(bytes: number): void;
  onEvent: (event: StreamEvent) => void;
  readonly error: HostError | undefined;
  /** The ICMP error that ended a connect with `hopLimit`; absent where that is not known. */
  readonly icmpError?: IcmpRecord | undefined;
  /** Known after 'connected'. */
  readonly localAddress: SocketAddress | undefined;
  readonly remoteAddress: SocketAddress | undefined;
  /**
   * Descriptors that arrived with the bytes read so far (SCM_RIGHTS), oldest first; from now on they are the caller's to
   * adopt or close. Present on unix streams opened with `passDescriptors`. What nobody takes is closed with the stream, and
   * beyond MAX_PASSED_DESCRIPTORS at once.
   */
  takeDescriptors?(): number[];
}

/** Passed descriptors that wait on one stream; SCM_MAX_FD of Linux. */
export const MAX_PASSED_DESCRIPTORS = 253;

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
  /**
   * The address of ours that a datagram came to (receive), or leaves from (send; undefined = the kernel's choice); its port
   * means nothing. Of sockets opened with `localAddresses`, on hosts that know; others leave it alone.
   */
  readonly local?: (SocketAddress | undefined)[];
  /** TTL/hop limit and TOS to send with; 0 = the default. */
  readonly ttl: Uint8Array;
  readonly tos: Uint8Array;
}

export type DatagramEvent = 'readable' | 'writable' | 'error';

export interface DatagramSocket {
  readonly localAddress: SocketAddress;
  /** The process's number for it, where it has one. */
  readonly descriptor?: number;
  /** Fixes the peer: errors of that destination (ECONNREFUSED) are then reported through 'error'. */
  connect(to: SocketAddress): void;
  /** Datagrams taken; the rest of the batch is refused for now (WOULD_BLOCK if none). */
  sendBatch(batch: DatagramBatch): number;
  /** Fills the batch up to its capacity; returns the count, 0 if nothing waits. Longer datagrams are dropped and counted. */
  receiveBatch(batch: DatagramBatch): number;
  interest(readable: boolean, writable: boolean): void;
  onEvent: (event: DatagramEvent) => void;
  /** The last asynchronous error (ICMP unreachable and the like); reading it clears it. */
  takeError(): HostError | undefined;
  /** Where the last datagram was to go that the host refused to send; undefined = not known. */
  readonly refusedPeer?: SocketAddress | undefined;
  /**
   * The next queued ICMP error of a datagram sent earlier (ip(7) IP_RECVERR), filled into `record`; false if none waits.
   * Absent where the host cannot tell. 'error' announces them.
   */
  nextError?(record: IcmpRecord): boolean;
  /** Removes the unix path it is bound to: who is connected stays, nobody else finds it. */
  unlink?(): void;
  /** Resolves when the port or path is free again. */
  close(): Promise<void>;
}

/** An ICMP error about a datagram of ours. One object, filled again and again. */
export interface IcmpRecord {
  /** ICMP or ICMPv6 type and code; type -1 = an error of this host itself (`code` is then no ICMP code). */
  type: number;
  code: number;
  /** Next hop's MTU of "fragmentation needed" and "packet too big", else 0. */
  mtu: number;
  /** Who sent the ICMP message. */
  offender: InetAddress | undefined;
  /** Where our datagram went. */
  destination: InetAddress | undefined;
  /** Our datagram's payload as the error quotes it: a view of the host's buffer, valid until the next call. */
  quoted: Uint8Array;
}

export interface Multicast {
  /** Joined; unset = the socket only sends to groups. */
  readonly group?: string;
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
  connect(
    to: SocketAddress,
    options?: {
      bind?: InetAddress;
      noDelay?: boolean;
      keepAlive?: boolean;
      /**
       * TTL or hop limit of the packets that connect, for who counts hops; afterwards it is the default. The ICMP error of
       * the hop where it ends is then told as StreamSocket.icmpError. Without the native layer it is ignored.
       */
      hopLimit?: number | undefined;
      /** A unix stream takes descriptors: see StreamSocket.takeDescriptors. Ignored without the native layer. */
      passDescriptors?: boolean;
      /** It may take a descriptor that is kept from all others: that of a monitor. */
      reserved?: boolean;
      /** For the guest of this port (Frame.ingress): it takes of that port's share of the descriptors. */
      share?: number;
    },
  ): StreamSocket;
  /** Whether the share of this port has a descriptor left. Absent where there is no such limit. */
  mayConnect?(share: number): boolean;
  /** Rejects with HostError when bind or listen fails. A unix path that is a stale socket is unlinked first. */
  listen(
    at: SocketAddress,
    options?: {
      backlog?: number;
      v6Only?: boolean;
      /** Of a unix path, e.g. 0o600. */
      mode?: number;
      /** Accepted unix streams take descriptors: see StreamSocket.takeDescriptors. Ignored without the native layer. */
      passDescriptors?: boolean;
      /** Its connections may take the descriptors that are kept from all others: those of a monitor. */
      reserved?: boolean;
      /** Its connections take of this share of the descriptors: see connect. */
      share?: number;
    },
  ): Promise<Listener>;
  /**
   * Whether a numeric address is one of this machine, loopback included: what is sent to it stays here, and what comes from
   * it was sent here.
   * @param maxAgeMs how old the answer may be; a second unless given, 0 = as of now
   */
  isOwnAddress(host: string, maxAgeMs?: number): boolean;
  /** Rejects with HostError when bind fails. */
  datagram(options: DatagramOptions): Promise<DatagramSocket>;
  /**
   * ICMP echo without privilege (icmp(7)): datagrams are ICMP messages from the type field on, the kernel sets the
   * identifier and the checksum. Rejects with HostError: EACCES when net.ipv4.ping_group_range leaves us out.
   */
  ping(family: Family, share?: number): Promise<DatagramSocket>;
  /**
   * Takes over a descriptor of this process, as `fd=` gives it: from now on it is this socket's, and closed with it.
   * @throws HostError EBADF, ENOTSOCK, or ENOTSUP without the native layer; the descriptor then stays the caller's.
   */
  adopt(descriptor: number, options?: { passDescriptors?: boolean }): AdoptedSocket;
  /** Closes a descriptor that takeDescriptors gave and nobody wants. Absent without the native layer. */
  closeDescriptor?(descriptor: number): void;
  /**
   * Whether it came over a stream and was neither adopted nor closed yet: whoever was sent it will close it. Absent without
   * the native layer.
   */
  isPassed?(descriptor: number): boolean;
}

/** What a descriptor turned out to be (SO_TYPE, SO_ACCEPTCONN). */
export type AdoptedSocket =
  | { readonly kind: 'stream'; readonly socket: StreamSocket }
  | { readonly kind: 'listener'; readonly listener: Listener }
  | { readonly kind: 'datagram'; readonly socket: DatagramSocket };

export interface DatagramOptions {
  /** unix and raw need the native layer. */
  readonly family: Family | 'unix';
  /** For the guest of this port (Frame.ingress): it takes of that port's share of the descriptors. */
  readonly share?: number;
  readonly bind?: SocketAddress;
  readonly reuseAddress?: boolean;
  /** Mode of a unix path, e.g. 0o600. */
  readonly mode?: number;
  /** The group that a unix path is given to: its name or number. EINVAL if there is none of that name. */
  readonly group?: string;
  /**
   * Without `group`: the owner of this file must be able to use our unix path. If that is neither root nor us, and `mode`
   * gives nothing to others, the file's group may use it too, or everybody where we cannot give it to that group.
   */
  readonly usableBy?: string;
  readonly multicast?: Multicast;
  /** Fills and heeds `local` of batches. Without the native layer it does nothing. */
  readonly localAddresses?: boolean;
  /** Raw IP of this protocol number instead of UDP. IPv4 datagrams are received with their IP header (raw(7)). */
  readonly rawProtocol?: number;
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
  /**
   * The whole file, in one step: whoever reads it meanwhile, or after a crash, has the old or the new bytes. Missing folders
   * are made, for this user alone. Rejects with HostError; EINVAL if there is something that is no ordinary file.
   */
  write(path: string, bytes: Uint8Array): Promise<void>;
}

/** readInto, read and write of descriptors answer as those of streams: a count, WOULD_BLOCK or SOCKET_FAILED. */
export interface Descriptor {
  /** The process's number for it: what `fd=N` shows. */
  readonly number: number;
  /** One read(2): of a tap, one frame. */
  read(bytes: Uint8Array, offset: number, length: number): number;
  write(bytes: Uint8Array, offset: number, length: number): number;
  /** One writev(2) of two windows: of a tap, header and frame. */
  write2(first: Uint8Array, o1: number, l1: number, second: Uint8Array, o2: number, l2: number): number;
  /**
   * A permitted ioctl(2) by name. A number is passed by value; bytes are read and written in place.
   * @throws HostError by errno.
   */
  ioctl(name: string, argument: number | Uint8Array): number;
  /** Level-triggered, as for streams. */
  interest(readable: boolean, writable: boolean): void;
  onEvent: (event: 'readable' | 'writable' | 'error') => void;
  /** Why the last read or write answered SOCKET_FAILED. */
  readonly error: HostError | undefined;
  close(): void;
  /** Lets go of an adopted one without closing it: the number is again the caller's, its file as it was. */
  release(): void;
}

/** A program's end: `status` is waitpid(2)'s raw word. */
export interface ProgramEnd {
  readonly status: number;
}

export interface Kernel {
  /** open(2) of a device, read-write and non-blocking. @throws HostError by errno. */
  open(path: string): Descriptor;
  /** Takes over a descriptor and makes it non-blocking. @throws HostError EBADF. */
  adopt(descriptor: number): Descriptor;
  /** A socket to configure interfaces through (ioctl SIOC*). */
  controlSocket(): Descriptor;
  /**
   * Runs a program to its end, standard streams inherited; `descriptors` stay open in it under their numbers from 3 on.
   * @throws HostError when it cannot be started; the reason of `signal`, which kills it.
   */
  run(
    argv: readonly string[],
    options?: { descriptors?: readonly Descriptor[]; timeoutMs?: number; signal?: AbortSignal },
  ): Promise<ProgramEnd>;
  /**
   * Runs a helper that sends one descriptor over a socket (qemu-bridge-helper's protocol) and ends with 0.
   * @param argv made for the number under which the helper finds its end of the socket.
   * @throws HostError with a text that says what failed; the reason of `signal`, which kills it.
   */
  receiveDescriptor(
    argv: (socket: number) => readonly string[],
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Descriptor>;
  /**
   * Opens in other namespaces: a child enters them, opens there and passes the descriptors back.
   * @throws HostError by errno; the message names the step.
   */
  openIn(namespaces: Namespaces, steps: readonly NamespaceStep[]): Promise<Descriptor[]>;
}

/** Paths of namespace files (`/proc/PID/ns/net`); entered in the order user, net, mount. */
export interface Namespaces {
  readonly user?: string;
  readonly net?: string;
  readonly mount?: string;
}

/** One thing to do there; each `tun` and `socket` gives one descriptor, in order. */
export type NamespaceStep =
  | { readonly kind: 'tun' /** 40 bytes: struct ifreq, changed in place. */; readonly request: Uint8Array }
  | { readonly kind: 'socket'; readonly domain: number; readonly type: number; readonly protocol: number }
  /** Sends one netlink message and waits for its acknowledgement. */
  | { readonly kind: 'netlink'; readonly message: Uint8Array }
  /** Mounts a file of its own, with `text` (without NUL), over `target`. `folder`: an empty one, which stays so. */
  | { readonly kind: 'mount-file'; readonly folder: string; readonly target: string; readonly text: string };
