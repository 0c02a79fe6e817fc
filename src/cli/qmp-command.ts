/** `netyard qmp`: one command and its reply, or a shell. */
import type { QmpSession } from '../node/qmp.ts';
import { type JsonObject, QapiError } from '../qapi/index.ts';
import { parseJsonText, writeJsonPretty } from '../qmp/index.ts';
import { ServerSchema } from './qmp-arguments.ts';
import { connectTo, isAddress, isYardName } from './target.ts';

/**
 * @param words `[NAME|SOCKET] [COMMAND [KEY=VALUE]...]`
 * @throws QmpError with the server's class and text; CommandLineError if nobody answers.
 */
export async function qmpCommand(words: readonly string[]): Promise<void> {
  const [first] = words;
  const named = first !== undefined && (isAddress(first) || isYardName(first));
  const [command, ...rest] = named ? words.slice(1) : words;
  await using session = await connectTo(named ? first : undefined);
  if (command === undefined) {
    const { qmpShell } = await import('./qmp-shell.ts');
    await qmpShell(session);
    return;
  }
  process.stdout.write(`${prettyReply(await runWords(session, command, rest))}\n`);
}

/** Runs one command given as words. `schema` spares a round trip where it is known. */
export async function runWords(
  session: QmpSession,
  command: string,
  words: readonly string[],
  schema?: ServerSchema,
): Promise<unknown> {
  return session.call(command, await parseWords(session, command, words, schema));
}

async function parseWords(
  session: QmpSession,
  command: string,
  words: readonly string[],
  schema: ServerSchema | undefined,
): Promise<JsonObject | undefined> {
  const [first] = words;
  if (first === undefined) return undefined;
  if (first.startsWith('{')) {
    if (words.length > 1) throw new QapiError('Expected one JSON object, or key=value words');
    return parseJsonText(first) as JsonObject;
  }
  const known = schema ?? new ServerSchema(await session.call('query-qmp-schema'));
  return known.parse(command, words);
}

/** A reply for a person: indented JSON; a text result (human-monitor-command) as itself. */
export function prettyReply(result: unknown): string {
  return typeof result === 'string' ? result.replaceAll('\r\n', '\n').trimEnd() : writeJsonPretty(result as never);
}
