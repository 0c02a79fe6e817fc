/**
 * `-netdev` arguments -> running netdevs, in QEMU's two phases (net/net.c): every argument is read as it comes, JSON and
 * dotted keys against the schema, traditional ones for their id only; then the JSON and dotted-key ones start, then the
 * traditional ones, each in the order given.
 */
import { checkNetdevOptions } from '../netdevs/index.ts';
import { isTraditional, parseNetdevArgument, parseNetdevOptions, parseOptionList, QapiError } from '../qapi/index.ts';
import { parseJsonText } from '../qmp/index.ts';
import type { Netdev } from '../schema/net.ts';
import { notCompiled, type Yard } from '../yard/index.ts';
import { whyUnavailable } from './doctor-types.ts';
import { located } from './located.ts';
import { descriptorsIn } from './netdev-arguments.ts';

/** A netdev as it was asked for. */
export interface NetdevRequest {
  readonly text: string;
  readonly options: Netdev;
}

/** @throws QapiError */
type Reading = () => object;

/**
 * Reads the arguments, in the order in which they are to start, and has the drivers check them; nothing is opened.
 * @param warn gets each warning as a line without the program's name.
 * @throws CommandLineError `-netdev ARGUMENT: TEXT` as QEMU prints it.
 */
export async function readNetdevs(
  yard: Yard,
  texts: readonly string[],
  warn: (line: string) => void,
): Promise<NetdevRequest[]> {
  const ids = new Set<string>();
  const modern: { text: string; read: Reading }[] = [];
  const traditional: { text: string; read: Reading }[] = [];
  for (const text of texts) {
    await located('netdev', text, async () => {
      if (isTraditional(text)) {
        const say = (warning: string): void => warn(`-netdev ${text}: warning: ${warning}`);
        traditional.push({ text, read: readTraditional(yard, text, ids, say) });
      } else {
        const { value } = parseNetdevArgument(yard.schema, text, parseJsonText);
        modern.push({ text, read: () => value });
      }
    });
  }
  const requests: NetdevRequest[] = [];
  for (const { text, read } of [...modern, ...traditional]) {
    const options = await located('netdev', text, () => read() as Netdev);
    await located('netdev', text, () => check(yard, options, requests));
    requests.push({ text, options });
  }
  return requests;
}

/** @throws QapiError as the start would */
function check(yard: Yard, options: Netdev, before: readonly NetdevRequest[]): void {
  const { id, type } = options;
  if (!yard.netdevs.hasDriver(type)) throw notCompiled(type, whyUnavailable(type));
  if (before.some((request) => request.options.id === id)) throw new QapiError(`Duplicate ID '${id}'`);
  checkNetdevOptions(options);
}

/** @throws CommandLineError `-netdev ARGUMENT: TEXT` as QEMU prints it. */
export async function addNetdevs(yard: Yard, requests: readonly NetdevRequest[]): Promise<void> {
  for (const { text, options } of requests) await located('netdev', text, async () => yard.addNetdev(options));
}

/** Ids of traditional options are well-formed, and unique among themselves, before any netdev starts. */
function readTraditional(yard: Yard, text: string, ids: Set<string>, warn: (line: string) => void): Reading {
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

/** Whether only a program inside could send a frame: no netdev leads to a guest, and none listens for one. */
export function isDoorless(requests: readonly NetdevRequest[]): boolean {
  return requests.length > 0 && requests.every(({ options: { type } }) => type === 'user' || type === 'hubport');
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
