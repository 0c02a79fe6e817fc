/** The errors that several commands share, in QEMU's words. */
import { QapiError } from '../qapi/index.ts';

/** @param hint what to do about it, for a person */
export function notCompiled(type: string, hint?: string): QapiError {
  const text = `network backend '${type}' is not compiled into this binary`;
  return new QapiError(text, hint === undefined ? {} : { hint });
}

/** QEMU include/qapi/error.h: class DeviceNotFound. */
export function deviceNotFound(name: string): QapiError {
  return new QapiError(`Device '${name}' not found`, { class: 'DeviceNotFound' });
}
