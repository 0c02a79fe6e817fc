/** An error as QMP reports it: QEMU's class and text (qapi/error.json, QapiErrorClass). */

export type ErrorClass = 'GenericError' | 'CommandNotFound' | 'DeviceNotActive' | 'DeviceNotFound' | 'KVMMissingCap';

export class QapiError extends Error {
  override readonly name = 'QapiError';
  readonly errorClass: ErrorClass;
  /** Further lines for a person at a terminal; never part of QMP's desc. */
  readonly hint: string | undefined;

  constructor(description: string, options: { class?: ErrorClass; hint?: string; cause?: unknown } = {}) {
    super(description, options.cause === undefined ? undefined : { cause: options.cause });
    this.errorClass = options.class ?? 'GenericError';
    this.hint = options.hint;
  }
}
