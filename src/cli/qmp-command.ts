/** `netyard qmp`: one command and its reply, or a shell. */
import type { QmpSession } from '../node/qmp.ts';
import { Schema } from '../qapi/index.ts';
import { NETYARD_TABLE } from '../schema/net.ts';
import { ServerSchema } from './qmp-arguments.ts';
import { prettyReply, runWords } from './qmp-run.ts';
import { connectTo, isAddress, isYardName } from './target.ts';

/**
 * @param words `[NAME|SOCKET] [COMMAND [KEY=VALUE]...]`
 * @throws QmpError with the server's class and text; CommandLineError if nobody answers.
 */
export async function qmpCommand(words: readonly string[]): Promise<void> {
  const [first] = words;
  const named =
    first !== undefined && (isAddress(first) || isYardName(first) || (isWord(words[1]) && !isCommand(first)));
  const [command, ...rest] = named ? words.slice(1) : words;
  await using session = await connectTo(named ? first : undefined);
  if (command === undefined) return await openShell(session);
  process.stdout.write(`${prettyReply(await runWords(session, command, rest))}\n`);
}

/** Not an argument: what stands before it names a yard, if one that does not run, unless it is a command. */
const isWord = (text: string | undefined): boolean => text !== undefined && /^[a-z][\w-]*$/i.test(text);

const isCommand = (text: string): boolean =>
  new ServerSchema(new Schema(NETYARD_TABLE).introspect()).commandNames().includes(text);

/** Apart from `await using`: TypeScript 6.0 does not rewrite the extension of an import() beside it. */
async function openShell(session: QmpSession): Promise<void> {
  const { qmpShell } = await import('./qmp-shell.ts');
  await qmpShell(session);
}
