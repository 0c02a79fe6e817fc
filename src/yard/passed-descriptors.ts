/** Descriptors that monitors were sent over SCM_RIGHTS and named with getfd (QEMU monitor/fds.c). */
import { QapiError } from '../qapi/index.ts';

const MAX_DESCRIPTOR = 0x7fffffff;

export class PassedDescriptors {
  readonly #named = new Map<string, number>();

  /**
   * What an `fd` option of netdev `id` means: a number, or a name, which is used up by this.
   * @throws QapiError with QEMU's text.
   */
  take(id: string, text: string): number {
    if (/^\d/.test(text)) {
      const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      if (number <= MAX_DESCRIPTOR) return number;
      throw new QapiError(`${id}: Invalid file descriptor number '${text}'`);
    }
    const found = this.#named.get(text);
    if (found === undefined) throw new QapiError(`File descriptor named '${text}' has not been found`);
    this.#named.delete(text);
    return found;
  }
}
