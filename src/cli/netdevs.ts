/**
 * `-netdev` arguments -> running netdevs, in QEMU's order (net/net.c net_init_clients): JSON and dotted-key ones first,
 * then traditional ones, each in the order given. All are read before the first starts.
 */
import { HostError } from '../net/index.ts';
import { type NetdevArgument, parseNetdevArgument, QapiError } from '../qapi/index.ts';
import { parseJsonText } from '../qmp/index.ts';
import { isIdentifier, type NetdevOptions, type Yard } from '../yard/index.ts';
import { CommandLineError } from './scan-options.ts';

/** `-netdev help`: also as `type=help`, whatever follows. */
export function asksForHelp(argument: string): boolean {
  return /^(type=)?(help|\?)(,|$)/.test(argument);
}

/**
 * @param warn gets each warning as a line without the program's name.
 * @throws CommandLineError `-netdev ARGUMENT: TEXT` as QEMU prints it.
 */
export async function addNetdevs(yard: Yard, texts: readonly string[], warn: (line: string) => void): Promise<void> {
  const traditionalIds = new Set<string>();
  const parsed: { text: string; argument: NetdevArgument }[] = [];
  for (const text of texts) {
    const argument = await located(text, async () => {
      const read = parseNetdevArgument(yard.schema, text, parseJsonText);
      if (read.form === 'traditional') checkTraditionalId(read.value['id'] as string, traditionalIds);
      return read;
    });
    for (const warning of argument.warnings) warn(`-netdev ${text}: warning: ${warning}`);
    parsed.push({ text, argument });
  }
  const isTraditional = (entry: { argument: NetdevArgument }): boolean => entry.argument.form === 'traditional';
  for (const { text, argument } of [
    ...parsed.filter((entry) => !isTraditional(entry)),
    ...parsed.filter(isTraditional),
  ]) {
    await located(text, () => yard.addNetdev(argument.value as unknown as NetdevOptions));
  }
}

/** The ids of traditional options are checked, and unique among themselves, before any netdev starts. */
function checkTraditionalId(id: string, seen: Set<string>): void {
  if (!isIdentifier(id)) {
    throw new QapiError("Parameter 'id' expects an identifier", {
      hint: "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
    });
  }
  if (seen.has(id)) throw new QapiError(`Duplicate ID '${id}' for netdev`);
  seen.add(id);
}

async function located<T>(text: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof QapiError || error instanceof HostError)) throw error;
    const hint = error instanceof QapiError && error.hint !== undefined ? `\n${error.hint}` : '';
    throw new CommandLineError(`-netdev ${text}: ${error.message}${hint}`, { cause: error });
  }
}
