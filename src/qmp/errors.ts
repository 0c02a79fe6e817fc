/** Errors of the QMP client, and how any error becomes a reply. */
import { type ErrorClass, type JsonObject, QapiError } from '../qapi/index.ts';
import type { ErrorReply } from './target.ts';

/** A command was answered with an error. */
export class QmpError extends Error {
  override readonly name = 'QmpError';
  /** QEMU's error class: `GenericError`, `CommandNotFound`, `DeviceNotFound`, ... */
  readonly class: ErrorClass;
  /** QEMU's text. */
  readonly desc: string;
  /** What netyard says beyond QEMU, for programs: of a forward that cannot be had, `errno` and `reason`. */
  readonly data: JsonObject | undefined;

  constructor(
    errorClass: ErrorClass,
    desc: string,
    { data, cause }: { data?: JsonObject | undefined; cause?: unknown } = {},
  ) {
    super(desc, cause === undefined ? undefined : { cause });
    this.class = errorClass;
    this.desc = desc;
    this.data = data;
  }
}

export type QmpSessionErrorCode =
  /** The peer closed, or the transport failed. */
  | 'NY_QMP_DISCONNECTED'
  /** This side closed the session. */
  | 'NY_QMP_CLOSED'
  /** The peer does not speak QMP, or broke its rules. */
  | 'NY_QMP_PROTOCOL'
  /** No session, or no reply to a command, within the time given. */
  | 'NY_QMP_TIMEOUT'
  /** An event stream was read more slowly than events came. */
  | 'NY_QMP_OVERFLOW'
  /** A result holds an integer beyond 2^53 and the session was not opened with `bigint`. */
  | 'NY_QMP_RANGE'
  /** An address or value the caller gave has no meaning here. */
  | 'NY_QMP_USAGE';

/** The session itself failed, not a command. */
export class QmpSessionError extends Error {
  override readonly name = 'QmpSessionError';
  readonly code: QmpSessionErrorCode;

  constructor(code: QmpSessionErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}

/** The message of NY_QMP_TIMEOUT for a command. */
export function noReply(name: string, ms: number): string {
  return `no reply to '${name}' within ${ms} ms`;
}

/** An error as a program gets it, whichever room raised it: QmpError with class and text. Defects of ours stay as they are. */
export function asQmpError(error: unknown): unknown {
  const reply = replyOf(error);
  if (reply === undefined || error instanceof QmpError) return error;
  return new QmpError(reply.class, reply.desc, { data: reply.data, cause: error });
}

/** Errors meant for the client keep their text; undefined for a defect of ours, whose text is not for clients. */
export function replyOf(error: unknown): ErrorReply | undefined {
  if (error instanceof QapiError) return { class: error.errorClass, desc: error.message, data: error.data };
  if (error instanceof QmpError) return { class: error.class, desc: error.desc, data: error.data };
  // The world's errors come from a room above this one.
  if (error instanceof Error && error.name === 'HostError') return { class: 'GenericError', desc: error.message };
  return undefined;
}
