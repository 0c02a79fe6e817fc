/** One command given as words, and its reply for a person. */
import type { QmpSession } from '../node/qmp.ts';
import { type JsonObject, QapiError } from '../qapi/index.ts';
import { parseJsonText, writeJsonPretty } from '../qmp/index.ts';
import { ServerSchema } from './qmp-arguments.ts';

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
