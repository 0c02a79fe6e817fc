/** What a QMP server session needs of the thing it controls; a yard is one. */
import type { ErrorClass, JsonObject, JsonValue } from '../qapi/index.ts';

/** An event as it is broadcast. The timestamp is the wall clock when it happened, not when it is sent. */
export interface QmpEvent {
  readonly event: string;
  /** Absent for events without arguments. */
  readonly data?: JsonObject | undefined;
  readonly timestamp: { readonly seconds: number; readonly microseconds: number };
}

/** Whom a command runs for. The monitor object is the same for all commands of one session. */
export interface QmpContext {
  readonly monitor: object;
  /** The oldest descriptor that came last (SCM_RIGHTS), the caller's from now on; the others of that message are closed. */
  readonly takeDescriptor?: (() => number | undefined) | undefined;
}

/** QEMU's VersionInfo (qapi/control.json): whose behaviour is given, and what gives it, e.g. `netyard 0.1.0`. */
export interface VersionInfo {
  readonly qemu: { readonly major: number; readonly minor: number; readonly micro: number };
  readonly package: string;
}

export interface QmpTarget {
  /** What the greeting reports. */
  readonly version: VersionInfo;
  /**
   * Checks the arguments and runs the command. Undefined is a command without result.
   * Rejects with QapiError for what the client is to read.
   */
  execute(name: string, args: JsonObject | undefined, context: QmpContext): Promise<JsonValue | undefined>;
  isKnown(name: string): boolean;
  allowsOob(name: string): boolean;
  /** Every event from now on; the result ends it. The listener never throws. */
  subscribe(listener: (event: QmpEvent) => void): () => void;
}

/** An error reply's content. */
export interface ErrorReply {
  readonly class: ErrorClass;
  readonly desc: string;
  readonly data?: JsonObject | undefined;
}
