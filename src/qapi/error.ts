/** An error as QMP reports it: QEMU's class and text (qapi/error.json, QapiErrorClass). */
import type { JsonObject } from './value.ts';

export type ErrorClass = 'GenericError' | 'CommandNotFound' | 'DeviceNotActive' | 'DeviceNotFound' | 'KVMMissingCap';

export class QapiError extends Error {
  override readonly name = 'QapiError';
  readonly errorClass: ErrorClass;
  /** Further lines for a person at a terminal; never part of QMP's desc. */
  readonly hint: string | undefined;
  /** For programs: the reply's `data`, which QEMU does not have. */
  readonly data: JsonObject | undefined;

  constructor(
    description: string,
    options: { class?: ErrorClass; hint?: string; data?: JsonObject; cause?: unknown } = {},
  ) {
    super(description, options);
    this.errorClass = options.class ?? 'GenericError';
    this.hint = options.hint;
    this.data = options.data;
  }
}
