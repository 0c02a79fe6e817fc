#!/usr/bin/env node
/** The `netyard` program. A first word that is no option names a subcommand; everything else is QEMU's options. */
import { setFlagsFromString } from 'node:v8';
import { guardOutput } from './output.ts';
import { CommandLineError } from './scan-options.ts';

// The data path makes no garbage, and what connections make dies young: V8's nursery stays as small as it begins
// (1 MiB) instead of growing to 16, which costs idle flows nothing and leaves the processor's caches to the frames.
setFlagsFromString('--semi-space-growth-factor=1');
const argv = process.argv.slice(2);
const isYard = argv[0] === undefined || argv[0].startsWith('-');
const hindrance = isYard ? await (await import('./restart.ts')).giveUpRights(argv) : undefined;
guardOutput();
const status = await main(argv);
// Output that could not be written may have set it already.
if (status !== 0 || process.exitCode === undefined) process.exitCode = status;

async function main(words: readonly string[]): Promise<number> {
  if (process.platform === 'win32') {
    process.stderr.write('netyard: Windows is not supported: it runs on Linux, and untested on macOS (WSL 2 works)\n');
    return 1;
  }
  try {
    if (isYard) {
      if (hindrance?.isFatal === true)
        throw new CommandLineError(`cannot start anew with fewer rights: ${hindrance.reason}`);
      const { runYard } = await import('./daemon.ts');
      return await runYard(words, hindrance && `this process has more rights than it needs: ${hindrance.reason}`);
    }
    const { runSubcommand } = await import('./subcommands.ts');
    return await runSubcommand(words);
  } catch (error) {
    process.stderr.write(`netyard: ${await explain(error)}\n`);
    return 1;
  }
}

/** The world's and the user's errors are a line; our own bugs show where they are. */
async function explain(error: unknown): Promise<string> {
  if (!(error instanceof Error)) return String(error);
  if ('syscall' in error && 'code' in error) {
    const { toHostError } = await import('../node/index.ts');
    const where = 'path' in error ? error.path : error.syscall;
    return `${where}: ${toHostError(error).message}`;
  }
  const known =
    error instanceof CommandLineError || ['QapiError', 'QmpError', 'QmpSessionError', 'HostError'].includes(error.name);
  return known ? [error.message, furtherLine(error) ?? []].flat().join('\n') : (error.stack ?? error.message);
}

/** What an error of this process, or of another yard's reply, says beyond QEMU's text. */
function furtherLine(error: Error): string | undefined {
  if ('hint' in error && typeof error.hint === 'string') return error.hint;
  const data = 'data' in error ? (error.data as { reason?: unknown } | undefined) : undefined;
  return typeof data?.reason === 'string' ? data.reason : undefined;
}
