#!/usr/bin/env node
/** The `netyard` program. A first word that is no option names a subcommand; everything else is QEMU's options. */
import { CommandLineError } from './scan-options.ts';

const argv = process.argv.slice(2);
process.exitCode = await main(argv);

async function main(words: readonly string[]): Promise<number> {
  if (process.platform === 'win32') {
    process.stderr.write('netyard: Windows is not supported: it runs on Linux, and untested on macOS (WSL 2 works)\n');
    return 1;
  }
  try {
    const [first] = words;
    if (first === undefined || first.startsWith('-')) {
      const { runYard } = await import('./daemon.ts');
      return await runYard(words);
    }
    const { runSubcommand } = await import('./subcommands.ts');
    return await runSubcommand(words);
  } catch (error) {
    process.stderr.write(`netyard: ${explain(error)}\n`);
    return 1;
  }
}

/** The world's and the user's errors are a line; our own bugs show where they are. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const known =
    error instanceof CommandLineError || ['QapiError', 'QmpError', 'QmpSessionError', 'HostError'].includes(error.name);
  const hint = 'hint' in error && typeof error.hint === 'string' ? `\n${error.hint}` : '';
  return known ? `${error.message}${hint}` : (error.stack ?? error.message);
}
