/**
 * What the addon offers: system calls and no policy (native/README.md). Windows are (bytes, offset, length) and checked
 * against the array's bounds before the call; arguments that do not fit throw a TypeError or RangeError, the kernel's
 * answers never throw: every number is a result >= 0 or a negative errno.
 */

/** Permitted calls by name. A path is a string without NUL. */
export interface NativeCalls {
  read(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  write(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  recv(fd: number, bytes: Uint8Array, offset: number, length: number, flags: number): number;
  send(fd: number, bytes: Uint8Array, offset: number, length: number, flags: number): number;
  /** Up to eight windows, three arguments each. */
  readv(fd: number, ...windows: (Uint8Array | number)[]): number;
  writev(fd: number, ...windows: (Uint8Array | number)[]): number;
  /** sendmsg(2): as writev, but with flags. */
  sendv(fd: number, flags: number, ...windows: (Uint8Array | number)[]): number;
  sendto(
    fd: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    flags: number,
    address: Uint8Array,
    addressOffset: number,
    addressLength: number,
  ): number;
  open(path: string, flags: number, mode: number): number;
  close(fd: number): number;
  socket(domain: number, type: number, protocol: number): number;
  /** Two int32 into the window of 8 bytes. */
  socketpair(domain: number, type: number, protocol: number, out: Uint8Array, offset: number, length: number): number;
  bind(fd: number, address: Uint8Array, offset: number, length: number): number;
  connect(fd: number, address: Uint8Array, offset: number, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, flags: number): number;
  /** The address's real length, which may be more than the window's. */
  getsockname(fd: number, address: Uint8Array, offset: number, length: number): number;
  getpeername(fd: number, address: Uint8Array, offset: number, length: number): number;
  /** The value's length. */
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, offset: number, length: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, offset: number, length: number): number;
  setsockoptInt(fd: number, level: number, name: number, value: number): number;
  shutdown(fd: number, how: number): number;
  fcntlGetFlags(fd: number): number;
  fcntlSetFlags(fd: number, flags: number): number;
  fcntlSetCloexec(fd: number, on: number): number;
  /** A copy with CLOEXEC set, at or above `from`. */
  fcntlDuplicate(fd: number, from: number): number;
  memfd_create(name: string, flags: number): number;
  eventfd2(initial: number, flags: number): number;
  ftruncate(fd: number, length: number): number;
  /** Only of children that forkInto made. */
  kill(pid: number, signal: number): number;
  /** Only of children that forkInto made: the raw status word, or -EAGAIN with WNOHANG while it runs. */
  waitpid(pid: number, options: number): number;
}

/**
 * Permitted ioctl(2)s by name: (fd, value) for those that pass a number, (fd, bytes, offset, length) for the others, whose
 * window must have the structure's size (40 for struct ifreq, 4 for int).
 */
export type NativeIoctl = (fd: number, argument: number | Uint8Array, offset?: number, length?: number) => number;

/** Parallel arrays over one arena: see sendBatch and receiveBatch. Capacity = offset.length. */
export interface NativeBatch {
  readonly bytes: Uint8Array;
  readonly offset: Int32Array;
  /** In: what to send, or the room at that offset. Out (receive): the datagram's real length (MSG_TRUNC). */
  readonly length: Int32Array;
  /** One sockaddr every 128 bytes. */
  readonly addresses: Uint8Array;
  /** Length of each address; 0 = none (send: the connected peer). */
  readonly addressLength: Int32Array;
  /**
   * The addresses of ours, as `addresses`, family 0 = none: that one leaves from (IP_PKTINFO), and that one came to, where
   * the socket has that option on.
   */
  readonly locals?: Uint8Array | undefined;
  /** TTL or hop limit and TOS or traffic class; 0 = the default, or not known. */
  readonly ttl: Uint8Array;
  readonly tos: Uint8Array;
}

export interface NativeBinding {
  /** Version of this surface: the loader refuses another one. */
  readonly abi: number;
  readonly calls: NativeCalls;
  readonly ioctls: Readonly<Record<string, NativeIoctl>>;
  /** errno's name for a positive number; `E123` for one it does not know. */
  errnoName(errno: number): string;
  /** sendmmsg(2) of batch[from, from + count): datagrams taken, or -errno of the first. `family` decides TTL's option. */
  sendBatch(fd: number, batch: NativeBatch, from: number, count: number, flags: number, family: number): number;
  /** recvmmsg(2), at most `count`: datagrams received, or -errno. TTL and TOS come with the IP families only. */
  receiveBatch(fd: number, batch: NativeBatch, count: number, flags: number, family: number): number;
  /** sendmsg(2) with SCM_RIGHTS. */
  sendDescriptors(
    fd: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    descriptors: Int32Array,
    count: number,
  ): number;
  /**
   * recvmsg(2), MSG_CMSG_CLOEXEC. descriptors = [how many are here, 1 if others were lost, their numbers ...]. Lost is what
   * does not fit, which is closed, and what the kernel kept back because the process has too many. Returns the bytes read.
   */
  receiveDescriptors(fd: number, bytes: Uint8Array, offset: number, length: number, descriptors: Int32Array): number;
  /**
   * recvmsg(2) MSG_ERRQUEUE. detail = [errno, origin, type, code, info, addressLength, offenderLength]; `address` is where
   * the datagram went, `offender` who answered (sockaddr, 128 bytes each). Returns the quoted bytes.
   */
  receiveError(
    fd: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    detail: Int32Array,
    address: Uint8Array,
    offender: Uint8Array,
  ): number;
  /** mmap(2), shared. A negative number is -errno. */
  map(fd: number, length: number, protection: number, flags: number, offset: number): ArrayBuffer | number;
  /** Detaches the buffer, then munmap(2): no view of it can be used afterwards. */
  unmap(buffer: ArrayBuffer): number;
  /** Whether memory was missing behind this mapping (the file was truncated): it reads as zeros since. */
  wasTruncated(buffer: ArrayBuffer): boolean;
  /** copies[3 i ...] = from, to, length: `count` copies between two arrays, all bounds checked first. */
  copyBatch(to: Uint8Array, from: Uint8Array, copies: Int32Array | Uint32Array, count: number): number;
  /** bpf(2). `attr` is union bpf_attr; pointers: [offset in attr, window] pairs of the command's permitted fields. */
  bpf(command: number, attr: Uint8Array, pointers: readonly (number | Uint8Array)[]): number;
  /**
   * Forks a child that enters the namespaces (descriptors, -1 = stays), does the steps and passes descriptors back over
   * the socket, then exits. Result: out[0] = pid, out[1] = our end of the socket. Steps and replies: native/README.md.
   */
  forkInto(user: number, net: number, mount: number, steps: Uint8Array, out: Int32Array): number;
  /**
   * Gives up all capabilities but those of the set `keep` (bit n = capability n) and the gaining of new ones, then becomes
   * the program `path`. Returns -errno on failure only.
   */
  restart(keep: number, path: string, argv: readonly string[]): number;
  /**
   * Readiness of this thread's event loop. `ready` gets (token, events) pairs; `dispatch(count)` runs once per poll, before
   * immediates. What does not fit comes again with the next poll.
   */
  createWatcher(ready: Int32Array, dispatch: (count: number) => void): NativeWatcher;
}

/** events: READABLE, WRITABLE, FAILED (hang-up or error without interest in either), URGENT. */
export interface NativeWatcher {
  /** Starts watching; returns a handle >= 0 or -errno. One watch per descriptor. */
  add(fd: number, token: number, events: number): number;
  change(handle: number, token: number, events: number): number;
  /** Before close(2) of the descriptor. */
  remove(handle: number): void;
  /** Removes all; the watcher cannot be used afterwards. */
  close(): void;
}

export const READABLE = 1;
export const WRITABLE = 2;
/** UV_DISCONNECT: the peer hung up. */
export const FAILED = 4;
/** UV_PRIORITIZED: urgent data of TCP that was not read yet. */
export const URGENT = 8;
