import type { BatchLoop, Log, Timers } from '../net/index.ts';
import type { AddressTable } from './address.ts';
import type { ChunkPool } from './chunk-pool.ts';
import type { DescriptorBudget } from './descriptors.ts';
import type { OpenSockets } from './open-sockets.ts';
import type { SendQueues } from './send-queues.ts';

/** What the sockets of one host share. */
export interface SocketContext {
  readonly loop: BatchLoop;
  readonly timers: Timers;
  readonly log: Log;
  readonly pool: ChunkPool;
  readonly addresses: AddressTable;
  readonly sendQueues: SendQueues;
  /** Most bytes one stream queues for the kernel. */
  readonly streamCapBytes: number;
  /** Views of one buffer that all streams of the host read into, smallest first. */
  readonly readViews: readonly Uint8Array[];
  /** Everything open: ended when the host closes. */
  readonly open: OpenSockets;
  readonly descriptors: DescriptorBudget;
  /** Numbers of descriptors that came over streams, until they are adopted or closed. */
  readonly passed: Set<number>;
  /** The host is closed: what was being opened meanwhile must not stay. */
  isClosed: boolean;
  readonly counters: NodeHostCounters;
}

/** Counters of a Node host. Plain numbers, readable at any time. */
export interface NodeHostCounters {
  /** Accepted connections refused: too many waited behind a paused listener, or too few descriptors were left. */
  refusedConnections: number;
  /** Sockets not opened, and connections not begun, because too few descriptors were left. */
  refusedOpenings: number;
  /** accept(2) failures, out of descriptors for one. */
  acceptErrors: number;
  /** Datagrams that found their socket's receive queue full, or were larger than the batch's arena. */
  droppedDatagrams: number;
  /** Datagrams the kernel would not send, by errno. */
  sendErrors: number;
  /**
   * Descriptors passed to us that were closed because too many waited, and messages of which the kernel kept some back
   * because the process has too many open: how many it does not say.
   */
  lostDescriptors: number;
  /** Exceptions thrown by callbacks of other rooms: each is logged as an error. */
  callbackErrors: number;
  /** Lines that the log's owner failed to take. */
  logErrors: number;
}
