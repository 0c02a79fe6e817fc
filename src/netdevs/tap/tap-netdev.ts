/**
 * A tap as a net client: one read(2) or writev(2) a frame, behind a virtio_net_hdr where the kernel has it, so that TCP
 * segments of up to 64 KiB cross with their checksum unfinished.
 *
 * Reading: a budget of frames and bytes a turn, the event is level-triggered and goes on there. BUSY stops it until
 * onReady. Writing: a full queue (EAGAIN) or one without memory (ENOBUFS) refuses frames until there is room; the latter
 * has no event of its own, a timer asks again. An interface that is down drops; one that was deleted under us is the end
 * of the carrier.
 *
 * Several queues are one client: a frame keeps the queue it came from, others are spread by their addresses.
 */
import {
  BUSY,
  type Descriptor,
  Frame,
  MAX_FRAME_LENGTH,
  MIN_FRAME_LENGTH,
  type NetClient,
  type NetdevContext,
  SOCKET_FAILED,
  type Timer,
  WOULD_BLOCK,
} from '../../net/index.ts';
import {
  emitVnetHeader,
  VNET_HEADER_LENGTH,
  vnetChecksumOffset,
  vnetChecksumStart,
  vnetFlags,
  vnetGsoSize,
  vnetGsoType,
  vnetHeaderLength,
} from '../../wire/index.ts';
import type { TapDevice } from './device.ts';

const BUDGET_FRAMES = 64;
const BUDGET_BYTES = 256 * 1024;
/** The header in front of the frame, so that the IP header behind 14 bytes of Ethernet lies on a multiple of 4. */
const HEADER_AT = 8;
const FRAME_AT = HEADER_AT + VNET_HEADER_LENGTH;
const NO_MEMORY_RETRY_MS = 1;
/** Where the IPv4 addresses and ports are: what tells flows apart, also in frames that are something else. */
const HASH_FROM = 26;
const HASH_TO = 38;

export interface TapNetdevOptions {
  readonly device: TapDevice;
  readonly info: string;
  /** Runs before the interface goes. */
  readonly onClose: (() => Promise<void>) | undefined;
}

export class TapNetdev implements NetClient {
  readonly offloads: number;
  readonly #context: NetdevContext;
  readonly #queues: readonly Descriptor[];
  readonly #hasHeader: boolean;
  readonly #info: string;
  readonly #onClose: (() => Promise<void>) | undefined;
  readonly #frame = new Frame();
  readonly #bytes = new Uint8Array(FRAME_AT + MAX_FRAME_LENGTH + 1);
  readonly #header = new Uint8Array(VNET_HEADER_LENGTH);
  readonly #retry: Timer;
  /** Told BUSY: nothing is read. */
  #stopped = false;
  /** Refused a frame: the queue that had no room, or -1. */
  #full = -1;
  #gone = false;
  #closing: Promise<void> | undefined;

  constructor(context: NetdevContext, { device, info, onClose }: TapNetdevOptions) {
    this.#context = context;
    this.offloads = device.offloads;
    this.#queues = device.queues;
    this.#hasHeader = device.vnetHeader;
    this.#info = info;
    this.#onClose = onClose;
    this.#retry = context.host.timers.create(() => this.#writable());
    context.port.onReady = () => this.#resume();
    for (const [index, descriptor] of device.queues.entries()) {
      descriptor.onEvent = (event) => {
        if (event === 'writable') this.#writable();
        else this.#read(descriptor, index);
      };
      descriptor.interest(true, false);
    }
  }

  receive(frame: Frame): boolean {
    if (this.#gone || this.#closing !== undefined) {
      this.#context.port.drop('interface-gone');
      return true;
    }
    const { bytes, offset, length } = frame;
    const queue = this.#queueOf(frame);
    const descriptor = this.#queues[queue] as Descriptor;
    let written: number;
    if (this.#hasHeader) {
      const header = this.#header;
      const { flags, gsoType, headerLength, gsoSize, checksumStart, checksumOffset } = frame;
      emitVnetHeader(header, 0, flags, gsoType, headerLength, gsoSize, checksumStart, checksumOffset);
      written = descriptor.write2(header, 0, VNET_HEADER_LENGTH, bytes, offset, length);
    } else {
      written = descriptor.write(bytes, offset, length);
    }
    if (written >= 0) return true;
    if (written === WOULD_BLOCK) {
      this.#waitForRoom(queue);
      return false;
    }
    return this.#failed(descriptor, queue);
  }

  linkChanged(): void {}

  info(): string {
    return this.#info;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#retry.cancel();
    for (const descriptor of this.#queues) descriptor.interest(false, false);
    try {
      await this.#onClose?.();
    } finally {
      for (const descriptor of this.#queues) descriptor.close();
    }
  }

  #queueOf(frame: Frame): number {
    const count = this.#queues.length;
    if (count === 1) return 0;
    if (frame.queue > 0) return frame.queue % count;
    const { bytes, offset, length } = frame;
    const end = Math.min(HASH_TO, length);
    let hash = 0;
    for (let i = HASH_FROM; i < end; i++) hash = (Math.imul(hash, 31) + (bytes[offset + i] as number)) | 0;
    return (hash >>> 0) % count;
  }

  #read(descriptor: Descriptor, queue: number): void {
    this.#send(descriptor, queue);
    this.#context.port.sent();
  }

  #send(descriptor: Descriptor, queue: number): void {
    const bytes = this.#bytes;
    const frame = this.#frame;
    const start = this.#hasHeader ? HEADER_AT : FRAME_AT;
    const { port } = this.#context;
    let budget = BUDGET_BYTES;
    for (let count = 0; count < BUDGET_FRAMES && budget > 0; count++) {
      if (this.#stopped || this.#gone || this.#closing !== undefined) return;
      const got = descriptor.read(bytes, start, bytes.length - start);
      if (got === WOULD_BLOCK) return;
      if (got === SOCKET_FAILED) {
        this.#failed(descriptor, queue);
        return;
      }
      budget -= got;
      let length = start + got - FRAME_AT;
      if (length <= 0) {
        port.drop('short-read');
        // The end of a file: whatever this is, it is no tap any more.
        if (got === 0) this.#lost('end of file');
        continue;
      }
      if (length < MIN_FRAME_LENGTH) {
        bytes.fill(0, FRAME_AT + length, FRAME_AT + MIN_FRAME_LENGTH);
        length = MIN_FRAME_LENGTH;
      }
      frame.bytes = bytes;
      frame.offset = FRAME_AT;
      frame.length = length;
      frame.queue = queue;
      if (this.#hasHeader) {
        frame.flags = vnetFlags(bytes, HEADER_AT);
        frame.gsoType = vnetGsoType(bytes, HEADER_AT);
        frame.headerLength = vnetHeaderLength(bytes, HEADER_AT);
        frame.gsoSize = vnetGsoSize(bytes, HEADER_AT);
        frame.checksumStart = vnetChecksumStart(bytes, HEADER_AT);
        frame.checksumOffset = vnetChecksumOffset(bytes, HEADER_AT);
      }
      if (port.send(frame) === BUSY) this.#stop();
    }
  }

  #stop(): void {
    this.#stopped = true;
    this.#updateInterest();
  }

  #resume(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#updateInterest();
  }

  #waitForRoom(queue: number): void {
    this.#full = queue;
    this.#updateInterest();
  }

  #writable(): void {
    if (this.#full < 0) return;
    this.#full = -1;
    this.#updateInterest();
    this.#context.port.ready();
  }

  #updateInterest(): void {
    if (this.#gone || this.#closing !== undefined) return;
    for (const [index, descriptor] of this.#queues.entries()) descriptor.interest(!this.#stopped, index === this.#full);
  }

  /** @returns receive's answer: whether the frame is done with. */
  #failed(descriptor: Descriptor, queue: number): boolean {
    const { port, host } = this.#context;
    switch (descriptor.error?.code) {
      case 'ENOBUFS':
      case 'ENOMEM':
        this.#full = queue;
        this.#retry.set(host.clock.now() + NO_MEMORY_RETRY_MS);
        return false;
      case 'EIO':
        port.drop('interface-down');
        return true;
      case 'EINVAL':
      case 'EMSGSIZE':
        port.drop('refused-by-kernel');
        return true;
      default:
        this.#lost(descriptor.error?.message ?? 'unknown error');
        return true;
    }
  }

  /** The interface is not there any more: no carrier until the netdev is deleted and added again. */
  #lost(reason: string): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const descriptor of this.#queues) descriptor.interest(false, false);
    const { id, log, port } = this.#context;
    log.warn(`netdev '${id}': its interface is gone (${reason}): delete the netdev and add it again`);
    port.carrier(false);
    port.ready();
  }
}
