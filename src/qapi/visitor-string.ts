/**
 * Input from one text to one value, as QEMU reads property values (qapi/string-input-visitor.c): scalars, and lists of
 * integers with ranges such as `1,2,5-9`.
 */
import { fail, wrongType } from './faults.ts';
import { fitInteger } from './integer.ts';
import { parseSize } from './size.ts';
import type { BuiltinEntry, TypeEntry } from './table.ts';
import { enumValue, type TextWords, textInteger, textScalar } from './visitor-text.ts';

const MAX_RANGE = 65536n;
const MAX_ELEMENTS = 1 << 20;
const SIZE_HINT =
  'Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.';
/** One item of a list: a number, or two with `-` between them. */
const ITEM = /^(\s*[+-]?\w+)(?:-(\s*[+-]?\w+))?$/;
const WORDS: TextWords = { int: 'int64', uint: 'uint64', size: '', sign: true };

/** @param name - the property, for messages. @throws QapiError with QEMU's text. */
export function visitString(type: TypeEntry, text: string, name = 'null'): unknown {
  if (type.kind === 'enum') return enumValue(type, text, name);
  if (type.kind === 'array' && type.element.kind === 'builtin' && type.element.json === 'int') {
    return list(type.element, text, name);
  }
  if (type.kind !== 'builtin') return wrongType(name, type.name);
  if (type.json === 'null' && text === '') return null;
  if (type.name === 'size') return parseSize(text) ?? sizeFault(text, name);
  return textScalar(type, text, WORDS, name, name);
}

function sizeFault(text: string, name: string): never {
  if (/^\s*\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[kmgtpe]?$/i.test(text) && !/\.0*[1-9][0-9]*$/.test(text)) {
    fail(`Value '${text}' is out of range for parameter '${name}'`);
  }
  return fail(`Parameter '${name}' expects a non-negative number below 2^64`, SIZE_HINT);
}

function list(type: BuiltinEntry, text: string, name: string): unknown[] {
  const fault = `Parameter '${name}' expects list of ${type.signed ? WORDS.int : WORDS.uint} values or ranges`;
  const result: unknown[] = [];
  const items = text.split(',');
  // One comma may end the list; an empty text is an empty list.
  if (items.at(-1) === '') items.pop();
  for (const item of items) {
    const match = ITEM.exec(item) ?? fail(fault);
    const first = textInteger(type, match[1]!, WORDS) ?? fail(fault);
    const last = match[2] === undefined ? first : (textInteger(type, match[2], WORDS) ?? fail(fault));
    if (first > last || last - first >= MAX_RANGE || result.length > MAX_ELEMENTS) fail(fault);
    for (let value = first; value <= last; value++) result.push(fitInteger(type, value, 'null'));
  }
  return result;
}
