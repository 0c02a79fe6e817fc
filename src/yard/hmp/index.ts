/**
 * The human monitor's network commands (QEMU hmp-commands.hx, net/net-hmp-cmds.c), reached through QMP's
 * human-monitor-command. Output lines end in CR LF; failures are part of the output.
 */
import { QapiError } from '../../qapi/index.ts';
import type { QmpContext } from '../../qmp/index.ts';
import type { Yard } from '../yard.ts';
import { type HmpCommand, hmpCommands, infoCommands } from './commands.ts';
import { LineError, LineReader } from './line.ts';

/** Longest line taken, characters: QEMU's readline holds 4095. */
const MAX_LINE = 4095;

/** Runs one line of a request's `context`; never rejects: what went wrong is in the text. */
export async function runMonitorLine(yard: Yard, line: string, context?: QmpContext): Promise<string> {
  const lines: string[] = [];
  if (line.length > MAX_LINE) lines.push(`command line too long (limit ${MAX_LINE} characters)`);
  else await run(yard, new LineReader(line), (text) => lines.push(text), context);
  return lines.map((text) => `${text.replaceAll(/\r?\n/g, '\r\n')}\r\n`).join('');
}

async function run(
  yard: Yard,
  reader: LineReader,
  print: (line: string) => void,
  context: QmpContext | undefined,
): Promise<void> {
  if (reader.atEnd) return;
  const word = reader.commandWord();
  if (word === 'help' || word === '?') {
    for (const line of helpLines(reader)) print(line);
    return;
  }
  const found = word === 'info' ? infoCommand(reader, print) : topCommand(word, print);
  if (found === undefined) return;
  const { command, helpName } = found;
  try {
    const args = readArguments(command, reader, print);
    const output = await command.run(yard, args, context);
    if (output !== '') print(output);
  } catch (error) {
    if (error instanceof LineError) {
      if (error.message !== '') print(error.message);
      print(`Try "help ${helpName}" for more information`);
    } else if (error instanceof QapiError) {
      print(`Error: ${error.message}`);
      if (error.hint !== undefined) print(error.hint);
    } else {
      throw error;
    }
  }
}

/** What is wrong with a quoted string is a line of its own before the argument is missed. */
function readArguments(command: HmpCommand, reader: LineReader, print: (line: string) => void): string[] {
  const quotable = (): string | undefined => {
    try {
      return reader.word();
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      print(error.message);
      return undefined;
    }
  };
  const args: string[] = [];
  for (const { kind, optional } of command.parameters) {
    if (kind === 'onoff') {
      const value = reader.plainWord();
      if (value !== 'on' && value !== 'off') throw new LineError("Expected 'on' or 'off'");
      args.push(value);
      continue;
    }
    const isAbsent = reader.atEnd;
    if (isAbsent && optional === true) break;
    const value = quotable();
    if (value === undefined && kind === 'word') throw new LineError(`${command.name}: string expected`);
    if (value === undefined && !isAbsent) throw new LineError('');
    args.push(value ?? '');
  }
  if (!reader.atEnd) throw new LineError(`${command.name}: extraneous characters at the end of line`);
  return args;
}

interface Found {
  readonly command: HmpCommand;
  readonly helpName: string;
}

function topCommand(word: string, print: (line: string) => void): Found | undefined {
  const command = hmpCommands.find((candidate) => candidate.name.split('|').includes(word));
  if (command === undefined) print(`unknown command: '${word}'`);
  return command && { command, helpName: word };
}

function infoCommand(reader: LineReader, print: (line: string) => void): Found | undefined {
  if (reader.atEnd) {
    for (const command of infoCommands) print(describe('info ', command));
    return undefined;
  }
  const name = reader.commandWord();
  const command = infoCommands.find((candidate) => candidate.name === name);
  if (command === undefined) print(`unknown command: '${reader.consumed()}'`);
  return command && { command, helpName: `info ${name}` };
}

function helpLines(reader: LineReader): string[] {
  if (reader.atEnd) return hmpCommands.map((command) => describe('', command));
  const word = reader.plainWord()!;
  const isInfo = word === 'info';
  if (isInfo && reader.atEnd) return infoCommands.map((command) => describe('info ', command));
  const name = isInfo ? reader.plainWord()! : word;
  const found = (isInfo ? infoCommands : hmpCommands).find((command) => command.name.split('|').includes(name));
  const prefix = isInfo ? 'info ' : '';
  return [found === undefined ? `unknown command: '${prefix}${name}'` : describe(prefix, found)];
}

function describe(prefix: string, command: HmpCommand): string {
  return `${prefix}${command.name} ${command.synopsis} -- ${command.help}`;
}
