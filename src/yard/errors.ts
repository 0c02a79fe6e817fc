/** The errors that several commands share, in QEMU's words. */
import { QapiError } from '../qapi/index.ts';

/** QEMU include/qapi/error.h: class DeviceNotFound. */
export function deviceNotFound(name: string): QapiError {
  return new QapiError(`Device '${name}' not found`, { class: 'DeviceNotFound' });
}
