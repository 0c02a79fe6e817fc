/** The errors that several commands share, in QEMU's words. */
import { QapiError } from '../qapi/index.ts';

/** QEMU include/qapi/error.h: class DeviceNotFound. */
export function deviceNotFound(name: string): QapiError {
  return new QapiError(`Device '${name}' not found`, { class: 'DeviceNotFound' });
}

/** A caller used the library wrongly; `code` is stable, the message says what to do instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
