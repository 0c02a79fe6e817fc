/** The interactive shell of `netyard qmp`: completion from the server's schema, events as they come. */
import { createInterface } from 'node:readline/promises';
import { QmpError, type QmpSession } from '../node/qmp.ts';
import { QapiError } from '../qapi/index.ts';
import { writeJson } from '../qmp/index.ts';
import { ServerSchema } from './qmp-arguments.ts';
import { prettyReply, runWords } from './qmp-run.ts';

/** Until end of input, `exit`, or the server's end. */
export async function qmpShell(session: QmpSession): Promise<void> {
  const schema = new ServerSchema(await session.call('query-qmp-schema'));
  const input = createInterface({
    input: process.stdin,
    output: process.stdout,
    prompt: '(QMP) ',
    completer: (line: string) => complete(schema, line),
  });
  const events = session.events('*');
  const printing = (async () => {
    try {
      for await (const event of events) {
        process.stdout.write(`\n${writeJson(event as never)}\n`);
        input.prompt(true);
      }
    } catch (error) {
      process.stdout.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
    }
    input.close();
  })();
  process.stdout.write(
    "TAB completes commands and their arguments; 'help' explains; 'quit' or Ctrl-D leaves the shell.\n",
  );
  input.prompt();
  for await (const line of input) {
    const words = splitWords(line);
    const [command, ...rest] = words;
    if (rest.length === 0 && (command === 'exit' || command === 'quit')) break;
    if (command === 'help') process.stdout.write(`${shellHelp(schema, rest[0])}\n`);
    else if (command !== undefined) {
      try {
        process.stdout.write(`${prettyReply(await runWords(session, command, rest, schema))}\n`);
      } catch (error) {
        if (!(error instanceof QmpError || error instanceof QapiError)) throw error;
        process.stdout.write(`${error instanceof QmpError ? `${error.class}: ` : ''}${error.message}\n`);
        const further = error instanceof QapiError ? error.hint : error.data?.['reason'];
        if (typeof further === 'string') process.stdout.write(`${further}\n`);
      }
    }
    input.prompt();
  }
  input.close();
  await events[Symbol.asyncDispose]();
  await printing;
}

/** What `help` and `help COMMAND` print. */
export function shellHelp(schema: ServerSchema, command: string | undefined): string {
  const names = schema.commandNames().sort();
  if (command !== undefined) return names.includes(command) ? schema.usage(command) : `There is no command ${command}`;
  return [
    ...names.map((name) => `  ${schema.usage(name)}`),
    '',
    'An argument is KEY=VALUE; keys of nested ones have dots (addr.type=unix), lists repeat their key',
    '(hostfwd=tcp:127.0.0.1:2222-:22), and quotes keep blanks. COMMAND {...} takes the arguments as JSON.',
    "'quit', 'exit' or Ctrl-D leaves the shell; the program at the other end runs on ('netyard stop' ends a yard).",
  ].join('\n');
}

/** Blank-separated; single or double quotes keep blanks, and `{...}` runs to the end of the line. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  const pattern = /\s*(\{.*|(?:[^\s'"]|'[^']*'|"[^"]*")+)/gy;
  for (let match = pattern.exec(line); match !== null; match = pattern.exec(line)) {
    const word = match[1]!;
    words.push(word.startsWith('{') ? word.trimEnd() : word.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
  }
  return words;
}

/** What may follow `line`: command names, argument names with `=`, values of enums and booleans. */
export function complete(schema: ServerSchema, line: string): [string[], string] {
  const words = splitWords(line);
  const last = /\s$/.test(line) || line === '' ? '' : (words.at(-1) ?? '');
  const done = last === '' ? words : words.slice(0, -1);
  const [command, ...chosen] = done;
  if (command === undefined)
    return [
      matching([...new Set([...schema.commandNames(), 'exit', 'help', 'quit'])], last).map((name) => `${name} `),
      last,
    ];
  const equals = last.indexOf('=');
  if (equals >= 0) {
    const key = last.slice(0, equals);
    const values = schema.argumentValues(command, key, chosen);
    return [matching(values, last.slice(equals + 1)).map((value) => `${key}=${value} `), last];
  }
  const used = new Set(chosen.map((word) => word.split('=')[0]));
  const names = schema.argumentNames(command, chosen).filter((name) => !used.has(name));
  return [matching(names, last).map((name) => `${name}=`), last];
}

function matching(candidates: readonly string[], prefix: string): string[] {
  return candidates.filter((candidate) => candidate.startsWith(prefix)).sort();
}
