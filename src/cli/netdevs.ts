/**
 * `-netdev` arguments -> running netdevs, in QEMU's two phases (net/net.c): every argument is read as it comes, JSON and
 * dotted keys against the schema, traditional ones for their id only; then the JSON and dotted-key ones start, then the
 * traditional ones, each in the order given.
 */
import { isTraditional, parseNetdevArgument, parseNetdevOptions, parseOptionList, QapiError } from '../qapi/index.ts';
import { parseJsonText } from '../qmp/index.ts';
import type { Netdev } from '../schema/net.ts';
import type { Yard } from '../yard/index.ts';
import { located } from './located.ts';

/** `-netdev help`: also as `type=help`, whatever follows. */
export function asksForHelp(argument: string): boolean {
  return /^(type=)?(help|\?)(,|$)/.test(argument);
}

/** @throws QapiError */
type Options = () => object;

/**
 * @param warn gets each warning as a line without the program's name.
 * @throws CommandLineError `-netdev ARGUMENT: TEXT` as QEMU prints it.
 */
export async function addNetdevs(yard: Yard, texts: readonly string[], warn: (line: string) => void): Promise<void> {
  const ids = new Set<string>();
  const modern: { text: string; options: Options }[] = [];
  const traditional: { text: string; options: Options }[] = [];
  for (const text of texts) {
    await located('netdev', text, async () => {
      if (isTraditional(text)) {
        const say = (warning: string): void => warn(`-netdev ${text}: warning: ${warning}`);
        traditional.push({ text, options: readTraditional(yard, text, ids, say) });
      } else {
        const { value } = parseNetdevArgument(yard.schema, text, parseJsonText);
        modern.push({ text, options: () => value });
      }
    });
  }
  for (const { text, options } of [...modern, ...traditional]) {
    await located('netdev', text, async () => yard.addNetdev(options() as Netdev));
  }
}

/** Ids of traditional options are well-formed, and unique among themselves, before any netdev starts. */
function readTraditional(yard: Yard, text: string, ids: Set<string>, warn: (line: string) => void): Options {
  const list = parseOptionList(text, 'type');
  if (list.id !== undefined) {
    if (ids.has(list.id)) throw new QapiError(`Duplicate ID '${list.id}' for netdev`);
    ids.add(list.id);
  }
  for (const warning of list.warnings) warn(warning);
  return () => parseNetdevOptions(yard.schema, list).value;
}

/** Numbers that the options of netdevs name as descriptors. What cannot be read names none: it will be refused. */
export function namedDescriptors(yard: Yard, texts: readonly string[]): number[] {
  return texts.flatMap((text) => {
    try {
      return descriptorsIn(parseNetdevArgument(yard.schema, text, parseJsonText).value);
    } catch {
      return [];
    }
  });
}

/** Members such as `fd` and `fds`, and addresses of the type `fd`. */
function descriptorsIn(options: object): number[] {
  return Object.entries(options).flatMap(([key, value]: [string, unknown]) => {
    if (typeof value === 'object' && value !== null) return descriptorsIn(value);
    const isDescriptor = /fds?$/.test(key) || (key === 'str' && 'type' in options && options.type === 'fd');
    if (!isDescriptor || typeof value !== 'string') return [];
    return value.split(':').flatMap((word) => (/^\d{1,9}$/.test(word) ? [Number(word)] : []));
  });
}

/** What has no peer at the start, each as QEMU warns of it. Without a switch, frames of these go nowhere. */
export function peerlessWarnings(yard: Yard): string[] {
  const { network } = yard;
  const peerless = (ends: readonly { name: string; wired: unknown }[]): string[] =>
    ends.filter((end) => end.wired === undefined).map((end) => end.name);
  return [
    ...network.hubs().flatMap((hub) => peerless(hub.ports()).map((name) => `hub port ${name} has no peer`)),
    ...peerless(network.clients()).map((name) => `netdev ${name} has no peer`),
  ];
}
