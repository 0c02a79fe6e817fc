/** The Host on plain Node. */
import {
  type BatchLoop,
  type Clock,
  type Files,
  guardedLog,
  type Host,
  type Kernel,
  type Log,
  type Random,
  type Resolver,
  type Sockets,
  type Timers,
} from '../net/index.ts';
import { AddressTable } from './address.ts';
import { ChunkPool } from './chunk-pool.ts';
import { nodeClock } from './clock.ts';
import { DescriptorBudget } from './descriptors.ts';
import { needsNative } from './errno.ts';
import { NodeFiles } from './files.ts';
import { Heap, type HeapUse } from './heap.ts';
import { nodeIdentity } from './identity.ts';
import { NativeKernel } from './kernel/index.ts';
import { NodeBatchLoop } from './loop.ts';
import { NativeContext } from './native/context.ts';
import { loadNative } from './native/load.ts';
import { NativeSockets } from './native/sockets.ts';
import { NativeReadiness } from './native/watcher.ts';
import { OpenSockets } from './open-sockets.ts';
import { NodeRandom } from './random.ts';
import { NodeResolver } from './resolver.ts';
import { SendQueues } from './send-queues.ts';
import type { NodeHostCounters, SocketContext } from './socket-context.ts';
import { NodeSockets } from './sockets.ts';
import { NodeTimers } from './timers.ts';

/** Streams of one host read into views of one buffer: see read-buffer.ts. Bytes. */
const READ_VIEWS = [16 * 1024, 64 * 1024, 256 * 1024] as const;
/** Queued for the kernel over all streams, bytes. */
const POOL_CAP_BYTES = 256 * 1024 * 1024;
/** Queued for the kernel by one stream, bytes: enough for one batch at full speed, little enough to keep latency low. */
const STREAM_CAP_BYTES = 1024 * 1024;
const MAX_CLOSING_TURNS = 100;

export interface NodeHostOptions {
  /** Where messages go. Unset: nowhere. */
  readonly log?: Log;
  /** Root of Files; `/` unless set. */
  readonly filesRoot?: string;
  /** `/etc/resolv.conf` unless set. */
  readonly resolvConf?: string;
  /** Most bytes one stream queues for the kernel; 1 MiB unless set. */
  readonly streamCapBytes?: number;
  /**
   * Whether sockets are those of the addon: unset = where it loads, true = or else throw, false = never (node:net and
   * node:dgram then).
   */
  readonly native?: boolean;
  /** The process's limit of descriptors; what the kernel says unless set. */
  readonly descriptorLimit?: () => number;
  /** V8's heap; what it says unless set. */
  readonly heapUse?: () => HeapUse;
}

const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/**
 * Clock, timers, event loop, sockets, resolver and files of this process. Several per process are fine; each holds only
 * its own sockets and timers, installs no handlers and prints nothing.
 */
export class NodeHost implements Host {
  readonly clock: Clock = nodeClock;
  readonly timers: Timers;
  readonly loop: BatchLoop;
  readonly random: Random = new NodeRandom();
  readonly sockets: Sockets;
  readonly resolver: Resolver;
  readonly files: Files;
  readonly log: Log;
  readonly identity = nodeIdentity();
  readonly counters: NodeHostCounters = {
    refusedConnections: 0,
    refusedOpenings: 0,
    acceptErrors: 0,
    droppedDatagrams: 0,
    sendErrors: 0,
    lostDescriptors: 0,
    callbackErrors: 0,
    logErrors: 0,
  };
  readonly #timers: NodeTimers;
  readonly #loop: NodeBatchLoop;
  readonly #context: SocketContext;
  readonly #native: NativeContext | undefined;
  #kernel: NativeKernel | undefined;

  /** @throws HostError ENOTSUP when `native` is demanded and the addon does not load. */
  constructor(options: NodeHostOptions = {}) {
    const { counters } = this;
    const log = options.log === undefined ? silentLog : guardedLog(options.log, () => counters.logErrors++);
    const onError = (error: unknown): void => {
      counters.callbackErrors++;
      log.error('a callback threw', { error });
    };
    this.log = log;
    this.#timers = new NodeTimers(nodeClock, onError);
    this.#loop = new NodeBatchLoop(onError);
    this.timers = this.#timers;
    this.loop = this.#loop;
    this.resolver = new NodeResolver(options.resolvConf);
    this.files = new NodeFiles(options.filesRoot);
    const descriptors = new DescriptorBudget(log, counters, new Heap(log, options.heapUse), options.descriptorLimit);
    const readBuffer = new Uint8Array(READ_VIEWS[READ_VIEWS.length - 1] as number);
    this.#context = {
      loop: this.#loop,
      timers: this.#timers,
      log,
      pool: new ChunkPool(POOL_CAP_BYTES),
      addresses: new AddressTable(),
      sendQueues: new SendQueues(),
      streamCapBytes: options.streamCapBytes ?? STREAM_CAP_BYTES,
      readViews: READ_VIEWS.map((bytes) => readBuffer.subarray(0, bytes)),
      open: new OpenSockets(descriptors),
      passed: new Set(),
      descriptors,
      isClosed: false,
      counters,
    };
    this.#native = this.#loadNative(options.native, onError);
    this.sockets = this.#native === undefined ? new NodeSockets(this.#context) : new NativeSockets(this.#native);
  }

  #loadNative(wanted: boolean | undefined, onError: (error: unknown) => void): NativeContext | undefined {
    if (wanted === false) return undefined;
    const loaded = loadNative();
    if ('binding' in loaded) {
      return new NativeContext(this.#context, loaded.binding, new NativeReadiness(loaded.binding, this.#loop, onError));
    }
    if (wanted === true) throw needsNative('native sockets');
    return undefined;
  }

  get kernel(): Kernel {
    if (this.#native === undefined) throw needsNative('devices and passed descriptors');
    const { open, passed } = this.#context;
    this.#kernel ??= new NativeKernel(this.#native.binding, this.#native.watcher, open, passed);
    return this.#kernel;
  }

  /** Sockets and listeners open now. */
  get openSockets(): number {
    return this.#context.open.size;
  }

  /** Closes whatever is still open, at once; nothing of this host keeps Node alive afterwards. */
  async close(): Promise<void> {
    this.#context.isClosed = true;
    for (const socket of [...this.#context.open]) socket.destroy();
    this.#native?.watcher.close();
    this.#timers.close();
    this.#loop.close();
    // Handles close in the next phases of the loop: nothing is left when this resolves.
    for (let turn = 0; turn === 0 || (this.#context.open.size > 0 && turn < MAX_CLOSING_TURNS); turn++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** @example const host = createNodeHost(); … await host.close(); */
export function createNodeHost(options?: NodeHostOptions): NodeHost {
  return new NodeHost(options);
}
