/** script= and downscript=: programs of the user that set the interface up and take it down (QEMU net/tap.c). */
import { type Descriptor, HostError, type Kernel, type Log, programEnd } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';

/** What waitpid(2) says of a child that ended with 1, as QEMU's does when it cannot execute the script. */
const CANNOT_EXECUTE = 256;

/**
 * argv is the path and the interface's name; the tap is open in it.
 * @throws QapiError with QEMU's text, which has the raw wait status
 */
export async function runScript(
  kernel: Kernel,
  path: string,
  name: string,
  tap: Descriptor,
  signal?: AbortSignal,
): Promise<void> {
  let status: number;
  let reason: HostError | undefined;
  try {
    ({ status } = await kernel.run([path, name], {
      descriptors: [tap],
      ...(signal === undefined ? {} : { signal }),
    }));
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    reason = error;
    status = CANNOT_EXECUTE;
  }
  if (status === 0) return;
  const why = reason === undefined ? `it ${programEnd(status)}` : `${path}: ${reason.message}`;
  throw new QapiError(`network script ${path} failed with status ${status}`, {
    ...(reason === undefined ? {} : { cause: reason }),
    hint: `${why}; script=no and downscript=no leave the scripts away`,
  });
}

/** Before the interface goes. Its failure stops nothing. */
export async function runDownScript(
  kernel: Kernel,
  path: string,
  name: string,
  tap: Descriptor,
  log: Log,
): Promise<void> {
  try {
    await runScript(kernel, path, name, tap);
  } catch (error) {
    log.warn((error as Error).message, error instanceof QapiError ? { reason: error.hint } : {});
  }
}
