/**
 * The human monitor's network commands (QEMU hmp-commands.hx, net/net-hmp-cmds.c), reached through QMP's
 * human-monitor-command. Output lines end in CR LF; failures are part of the output.
 */
import { QapiError } from '../../qapi/index.ts';
import type { Yard } from '../yard.ts';
import { type HmpCommand, hmpCommands, infoCommands } from './commands.ts';
import { LineError, LineReader } from './line.ts';

/** Longest line taken, characters: QEMU's readline holds 4095. */
const MAX_LINE = 4095;

/** Runs one line; never rejects: what went wrong is in the text. */
export async function runMonitorLine(yard: Yard, line: string): Promise<string> {
  const lines: string[] = [];
  if (line.length > MAX_LINE) lines.push(`command line too long (limit ${MAX_LINE} characters)`);
  else await run(yard, new LineReader(line), (text) => lines.push(text));
  return lines.map((text) => `${text.replaceAll(/\r?\n/g, '\r\n')}\r\n`).join('');
}

async function run(yard: Yard, reader: LineReader, print: (line: string) => void): Promise<void> {
  if (reader.atEnd) return;
  const word = reader.commandWord();
  if (word === 'help' || word === '?') return help(reader, print);
  let name = word;
  let command = hmpCommands.find((candidate) => candidate.name.split('|').includes(word));
  if (word === 'info') {
    if (reader.atEnd) return list('info ', infoCommands, print);
    name = reader.commandWord();
    command = infoCommands.find((candidate) => candidate.name === name);
    if (command === undefined) return print(`unknown command: 'info ${name}'`);
  }
  if (command === undefined) return print(`unknown command: '${word}'`);
  try {
    const args = readArguments(command, reader);
    const output = await command.run(yard, args);
    if (output !== '') print(output);
  } catch (error) {
    if (error instanceof LineError) {
      print(error.message);
      print(`Try "help ${word === 'info' ? `info ${name}` : command.name.split('|')[0]}" for more information`);
    } else if (error instanceof QapiError) {
      print(`Error: ${error.message}`);
      if (error.hint !== undefined) print(error.hint);
    } else {
      throw error;
    }
  }
}

function readArguments(command: HmpCommand, reader: LineReader): string[] {
  const args: string[] = [];
  for (const parameter of command.parameters) {
    const value = reader.word();
    if (value === undefined) {
      if (parameter.optional === true) break;
      throw new LineError(parameter.kind === 'onoff' ? "Expected 'on' or 'off'" : `${command.name}: string expected`);
    }
    if (parameter.kind === 'onoff' && value !== 'on' && value !== 'off') throw new LineError("Expected 'on' or 'off'");
    args.push(value);
  }
  if (!reader.atEnd) throw new LineError(`${command.name}: extraneous characters at the end of line`);
  return args;
}

function help(reader: LineReader, print: (line: string) => void): void {
  if (reader.atEnd) return list('', hmpCommands, print);
  const word = reader.commandWord();
  if (word === 'info') {
    if (reader.atEnd) return list('info ', infoCommands, print);
    const name = reader.commandWord();
    const found = infoCommands.find((command) => command.name === name);
    return print(found === undefined ? `unknown command: 'info ${name}'` : describe('info ', found));
  }
  const found = hmpCommands.find((command) => command.name.split('|').includes(word));
  print(found === undefined ? `unknown command: '${word}'` : describe('', found));
}

function list(prefix: string, commands: readonly HmpCommand[], print: (line: string) => void): void {
  for (const command of commands) print(describe(prefix, command));
}

function describe(prefix: string, command: HmpCommand): string {
  return `${prefix}${command.name} ${command.synopsis} -- ${command.help}`;
}
