/** What all monitors are: options, counters, and the parts that the ways to be reached share. */
import type { Readable, Writable } from 'node:stream';
import type { Log, ProtectedAddresses, Sockets } from '../net/index.ts';
import type { QmpServerOptions, QmpTarget } from '../qmp/index.ts';

export interface MonitorOptions {
  readonly log?: Log | undefined;
  /** With the native layer, unix monitors listen through these and take descriptors (getfd). */
  readonly sockets?: Sockets | undefined;
  /** Gets the TCP address of a monitor that listens, for as long as it does: guests are kept away from it. */
  readonly protectedAddresses?: ProtectedAddresses | undefined;
  /** Gives up waiting for the first client, or for a connection. */
  readonly signal?: AbortSignal | undefined;
  /** A server with wait=on waits for its first client at the address given: QEMU prints that. */
  readonly onWaiting?: ((address: string) => void) | undefined;
  /** Clients are greeted, and listened to, once this resolves. Default: at once. */
  readonly ready?: Promise<void> | undefined;
  /** For `stdio`; the process's own unless given. */
  readonly stdio?: { readonly input: Readable; readonly output: Writable } | undefined;
  /** Clients of a listening socket at once. Default 64. */
  readonly maxClients?: number | undefined;
}

export interface MonitorCounters {
  /** Sessions since the start. */
  sessions: number;
  /** Clients turned away over the cap. */
  refused: number;
  /** Clients disconnected because they did not read. */
  overflowed: number;
}

export interface QmpMonitor {
  /** `unix:PATH`, `tcp:HOST:PORT` with the real port, or `stdio`. */
  readonly address: string;
  readonly usesStdio: boolean;
  readonly counters: Readonly<MonitorCounters>;
  /** Sessions open now. */
  readonly clients: number;
  /** Running commands are answered, queued output is sent, within 1.5 s; then the address is free. Idempotent. */
  close(): Promise<void>;
}

/** What the ways to be reached share. */
export interface MonitorContext {
  readonly target: QmpTarget;
  readonly options: MonitorOptions;
  readonly sessionOptions: QmpServerOptions;
  readonly counters: MonitorCounters;
}
