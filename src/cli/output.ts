/** What becomes of output that nobody takes. Without this, a pipe whose reader left ends the process with a stack trace. */

/**
 * A reader that is gone (`| head`) wants no more: that is no fault, and a yard runs on. Any other failure of stdout is
 * told once and makes the exit status 1. For stderr there is nobody left to tell.
 */
export function guardOutput(): void {
  let isTold = false;
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || isTold) return;
    isTold = true;
    process.exitCode = 1;
    process.stderr.write(`netyard: cannot write the output: ${error.message}\n`);
  });
}
