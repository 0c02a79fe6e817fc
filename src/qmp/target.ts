/** What a QMP server session needs of the thing it controls; a yard is one. */
import type { ErrorClass } from '../qapi/error.ts';
import type { JsonObject, JsonValue } from '../qapi/value.ts';

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
}

export interface QmpTarget {
  /** netyard's version, e.g. `0.1.0`. */
  readonly version: string;
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

/** QEMU's VersionInfo. The numbers are those of the QEMU whose behaviour is given. */
export interface VersionInfo {
  readonly qemu: { readonly micro: number; readonly minor: number; readonly major: number };
  readonly package: string;
}

/** What greeting and query-version report: behaves as QEMU 9.1.0, is netyard. */
export function versionInfo(version: string): VersionInfo {
  return { qemu: { micro: 0, minor: 1, major: 9 }, package: `netyard ${version}` };
}

/** An error reply's content. */
export interface ErrorReply {
  readonly class: ErrorClass;
  readonly desc: string;
}
