/**
 * Descriptors that monitors were sent over SCM_RIGHTS and named with getfd (QEMU monitor/fds.c). The names are the yard's:
 * in QEMU each monitor has its own, and keeps them when its client goes; here several clients share one monitor.
 */
import { QapiError } from '../qapi/index.ts';

const MAX_DESCRIPTOR = 0x7fffffff;
/** Names at once: as many as one message can bring. */
export const MAX_NAMED = 253;

export class PassedDescriptors {
  readonly #named = new Map<string, number>();
  readonly #close: (descriptor: number) => void;
  readonly #isPassed: (descriptor: number) => boolean;
  #closed = false;

  /**
   * @param close closes a descriptor that nobody took
   * @param isPassed whether a number is that of one with a name here, or of one that waits for its getfd
   */
  constructor(close: (descriptor: number) => void, isPassed: (descriptor: number) => boolean) {
    this.#close = close;
    this.#isPassed = isPassed;
  }

  /**
   * Names a descriptor, which is ours from now on, also on failure. A name in use closes what it named before.
   * @throws QapiError with QEMU's text.
   */
  put(name: string, descriptor: number): void {
    const old = this.#named.get(name);
    const refusal = /^\d/.test(name)
      ? "Parameter 'fdname' expects a name not starting with a digit"
      : this.#closed || (old === undefined && this.#named.size >= MAX_NAMED)
        ? `Too many named file descriptors: at most ${MAX_NAMED}`
        : undefined;
    if (refusal !== undefined) {
      this.#close(descriptor);
      throw new QapiError(refusal);
    }
    if (old !== undefined) this.#close(old);
    this.#named.set(name, descriptor);
  }

  /** @throws QapiError with QEMU's text when there is none of that name. */
  closeNamed(name: string): void {
    const found = this.#named.get(name);
    if (found === undefined) throw new QapiError(`File descriptor named '${name}' not found`);
    this.#named.delete(name);
    this.#close(found);
  }

  /** Closes all that nobody took, and what still comes. */
  close(): void {
    this.#closed = true;
    for (const descriptor of this.#named.values()) this.#close(descriptor);
    this.#named.clear();
  }

  /**
   * What an `fd` option of a monitor's command means: a number, or a name, which is used up by this.
   * @throws QapiError with QEMU's text.
   */
  take(text: string): number {
    if (/^\d/.test(text)) return this.takeNumber(text);
    const found = this.#named.get(text);
    if (found === undefined) throw new QapiError(`File descriptor named '${text}' has not been found`);
    this.#named.delete(text);
    return found;
  }

  /**
   * What an `fd` option means where no monitor is: a number. That of a passed descriptor is refused: closefd, or the end of
   * a monitor's client, would close it under its user.
   * @throws QapiError with QEMU's text.
   */
  takeNumber(text: string): number {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(number <= MAX_DESCRIPTOR)) throw new QapiError(`Invalid file descriptor number '${text}'`);
    if (!this.#isPassed(number)) return number;
    throw new QapiError(`File descriptor '${text}' was passed to a monitor: use the name that getfd gives it`);
  }
}
