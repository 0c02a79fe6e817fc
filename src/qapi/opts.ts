/**
 * Traditional options: `first,key=value,flag,noflag` into a flat list (QEMU util/qemu-option.c). Keys are not checked
 * here; later ones do not replace earlier ones.
 */

import { fail } from './faults.ts';
import { itemAt, optionValue } from './keyval.ts';

export interface OptionList {
  /** The first `id`; undefined when there is none. */
  readonly id: string | undefined;
  /** All but `id`, in order. */
  readonly options: readonly (readonly [key: string, value: string])[];
  /** Deprecated spellings, each as QEMU prints it after `warning: `, with a second line of advice. */
  readonly warnings: readonly string[];
}

/** Well-formed: a letter, then letters, digits, `-`, `.` and `_`. */
const IDENTIFIER = /^[a-z][\w.-]*$/i;

/** `lenient` takes an ill-formed id. @throws QapiError for an ill-formed id, and for nothing else. */
export function parseOptionList(text: string, impliedKey?: string, lenient = false): OptionList {
  const id = items(text, undefined).find(([key]) => key === 'id')?.[1];
  if (id !== undefined && !lenient && !IDENTIFIER.test(id)) {
    fail(
      "Parameter 'id' expects an identifier",
      "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
    );
  }
  const all = items(text, impliedKey);
  const warnings = all.flatMap(([, , warning]) => warning ?? []);
  const options = all.flatMap(([key, value]): [string, string][] => (key === 'id' ? [] : [[key, value]]));
  return { id, options, warnings };
}

function items(text: string, impliedKey: string | undefined): [key: string, value: string, warning?: string][] {
  const result: [string, string, string?][] = [];
  let position = 0;
  while (position < text.length) {
    const word = itemAt(text, position);
    const end = position + word.length;
    let value: string;
    if (text[end] === '=') {
      [value, position] = optionValue(text, end + 1);
      result.push([word, value]);
    } else if (impliedKey !== undefined && result.length === 0) {
      [value, position] = optionValue(text, position);
      result.push([impliedKey, value]);
    } else {
      position = end + 1;
      result.push(flag(word));
    }
  }
  return result;
}

function flag(word: string): [key: string, value: string, warning?: string] {
  const negative = word.startsWith('no');
  const key = negative ? word.slice(2) : word;
  const value = negative ? 'off' : 'on';
  if (word === 'help' || word === '?') return [key, value];
  // `delay` is the one option whose long form is the negative one.
  const advice = key === 'delay' ? `nodelay=${negative ? 'on' : 'off'}` : `${key}=${value}`;
  return [key, value, `short-form boolean option '${word}' deprecated\nPlease use ${advice} instead`];
}
