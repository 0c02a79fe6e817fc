/** `netyard qmp`: one command and its reply, or a shell. */
import { prettyReply, runWords } from './qmp-run.ts';
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
