/** What surrounds a server session: the wire it is given, and what its owner may say and hear. */

import type { SessionTurns } from './session-turns.ts';

/** The client's side of the wire, as a transport offers it. */
export interface QmpServerTransport {
  /** ASCII text. Never blocks and never throws; what the wire does not take is queued. */
  send(text: string): void;
  /** Sends what is queued, then closes. */
  close(): void;
  /** Drops what is queued and closes. */
  abort(): void;
  pauseInput(): void;
  resumeInput(): void;
  /** The time of the loop, shared by all sessions on it. */
  readonly turns: SessionTurns;
  /** See QmpContext. */
  takeDescriptor?(): number | undefined;
  /** Bytes given to send() that the wire has not taken. */
  readonly queuedBytes: number;
}

export interface QmpServerOptions {
  /** Replies over several lines, as `-qmp-pretty`. */
  readonly pretty?: boolean;
  /** Offer `oob`; true unless said otherwise. */
  readonly oob?: boolean;
  readonly outputHighWater?: number;
  readonly outputLimit?: number;
  /** Called once, when the session is over. */
  readonly onClosed?: (reason: QmpCloseReason) => void;
  /** A command failed in a way no client should see (it was answered with `Internal error`), or an event has no JSON form. */
  readonly onDefect?: (name: string, error: unknown) => void;
}

/** `overflow`: the client did not read. `ended`: by end() or shutdown(), all answered. `disposed`: by dispose(). */
export type QmpCloseReason = 'overflow' | 'ended' | 'disposed';
