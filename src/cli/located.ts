/** Errors of an option's argument, with the option in front: `-OPTION ARGUMENT: TEXT` as QEMU prints it. */
import { HostError } from '../net/index.ts';
import { QapiError } from '../qapi/index.ts';
import { CommandLineError } from './scan-options.ts';

/** @throws CommandLineError for a QapiError or HostError of `work`; others pass. */
export async function located<T>(name: string, argument: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof QapiError || error instanceof HostError)) throw error;
    const where = `-${name} ${argument}: `;
    const hint = error instanceof QapiError ? error.hint : undefined;
    // A device text that cannot be read is an error of its own behind the first, not advice.
    const second = hint?.startsWith('parse error: ') === true ? `netyard: ${where}${hint}` : hint;
    throw new CommandLineError([`${where}${error.message}`, second ?? []].flat().join('\n'), { cause: error });
  }
}
