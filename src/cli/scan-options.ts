/**
 * argv -> options in order (QEMU softmmu/vl.c lookup_opt): `-x` and `--x` are the same, an option's argument is the next
 * word whatever it looks like, order is kept.
 */
import { OPTIONS } from './option-table.ts';

export interface ScannedOption {
  readonly name: string;
  readonly argument: string | undefined;
}

/** What is wrong with the command line, without the program's name in front. */
export class CommandLineError extends Error {
  override readonly name = 'CommandLineError';
}

const ALIASES: Readonly<Record<string, string>> = { h: 'help' };

/** @throws CommandLineError in QEMU's words. */
export function scanOptions(argv: readonly string[]): ScannedOption[] {
  const scanned: ScannedOption[] = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index]!;
    if (!word.startsWith('-') || word === '-') {
      throw new CommandLineError(`${word}: unexpected argument: options start with '-', see 'netyard --help'`);
    }
    const given = word.replace(/^--?/, '');
    const name = Object.hasOwn(ALIASES, given) ? ALIASES[given] : given;
    const row = OPTIONS.find((option) => option.name === name);
    if (row === undefined) throw new CommandLineError(`${word}: invalid option`);
    if (row.argument === undefined) {
      scanned.push({ name: row.name, argument: undefined });
      continue;
    }
    index++;
    const argument = argv[index];
    if (argument === undefined) throw new CommandLineError(`${word}: requires an argument`);
    scanned.push({ name: row.name, argument });
  }
  return scanned;
}
