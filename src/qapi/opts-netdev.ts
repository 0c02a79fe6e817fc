/**
 * The argument of `-netdev` and its like: JSON, dotted keys or traditional options (QEMU net/net.c, netdev_parse_modern).
 * Text that starts with `{` is JSON. Else the traditional reading, which takes anything, finds the type: the types whose
 * options are nested need dotted keys, all others are traditional.
 */

import { fail } from './faults.ts';
import { type OptionList, parseOptionList } from './opts.ts';
import type { InputObject, Schema } from './table-schema.ts';
import type { JsonValue } from './value.ts';

/** Types with an address among their options. */
const NESTED = new Set(['stream', 'dgram', 'listener']);

export interface NetdevArgument {
  /** Of type Netdev. */
  readonly value: InputObject;
  /** Deprecated spellings, each as QEMU prints it after `warning: `. */
  readonly warnings: string[];
  /** The id of a traditional argument is well-formed; with the other two it is not checked. */
  readonly form: 'json' | 'keyval' | 'traditional';
}

/**
 * @param parseJson - reads one JSON text; throws QapiError.
 * @throws QapiError with QEMU's text.
 */
export function parseNetdevArgument(
  schema: Schema,
  text: string,
  parseJson: (text: string) => JsonValue,
): NetdevArgument {
  if (text[0] === '{') {
    return { value: schema.inputJson('Netdev', parseJson(text)) as InputObject, warnings: [], form: 'json' };
  }
  if (isTraditional(text)) {
    return { ...parseNetdevOptions(schema, parseOptionList(text, 'type')), form: 'traditional' };
  }
  return { value: schema.inputKeyval('Netdev', text, 'type'), warnings: [], form: 'keyval' };
}

/** Whether an argument is a list of traditional options, which are looked at when the netdev starts. */
export function isTraditional(text: string): boolean {
  if (text[0] === '{') return false;
  const type = parseOptionList(text, 'type', true).options.findLast(([key]) => key === 'type')?.[1];
  return type === undefined || !NESTED.has(type);
}

/**
 * Traditional options for a netdev, as `-netdev`, `-nic`, `-net` and the monitor for people take them: with the
 * convenience `ipv6-net=ADDRESS[/LENGTH]`.
 */
export function parseNetdevOptions(schema: Schema, list: OptionList): { value: InputObject; warnings: string[] } {
  return { value: schema.inputOptionList('Netdev', expandIpv6Net(list)), warnings: [...list.warnings] };
}

function expandIpv6Net(list: OptionList): OptionList {
  const at = list.options.findLastIndex(([key]) => key === 'ipv6-net');
  if (at < 0) return list;
  const value = list.options[at]![1];
  if (value === '') fail("Parameter 'ipv6-net' expects a valid IPv6 prefix");
  const slash = value.indexOf('/');
  const length = slash < 0 ? '64' : value.slice(slash + 1);
  if (!/^\s*[+-]?\d{1,19}$/.test(length)) fail("parameter 'ipv6-net' expects a number after '/'");
  return {
    ...list,
    options: [
      ...list.options.toSpliced(at, 1),
      ['ipv6-prefix', slash < 0 ? value : value.slice(0, slash)],
      ['ipv6-prefixlen', String(Number(length))],
    ],
  };
}
