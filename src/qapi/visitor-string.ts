/**
 * Input from one text to one value, as QEMU reads property values (qapi/string-input-visitor.c): scalars, and lists of
 * integers with ranges such as `1,2,5-9`.
 */
import { parseBool, parseInt64, parseNumber, parseSize, parseUint64 } from './size.ts';
import type { BuiltinEntry, TypeEntry } from './table.ts';
import { fail, fitInteger } from './visitor-tree.ts';

const MAX_RANGE = 65536n;
const MAX_ELEMENTS = 1 << 20;
const SIZE_HINT =
  'Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.';
/** One item of a list: a number, or two with `-` between them. */
const ITEM = /^([ \t\n\v\f\r]*[+-]?[0-9a-zA-Z]+)(?:-([ \t\n\v\f\r]*[+-]?[0-9a-zA-Z]+))?$/;

/** @param name - the property, for messages. @throws QapiError with QEMU's text. */
export function visitString(type: TypeEntry, text: string, name = 'null'): unknown {
  if (type.kind === 'enum') {
    return type.values.has(text) ? text : fail(`Parameter '${name}' does not accept value '${text}'`);
  }
  if (type.kind === 'array' && type.element.kind === 'builtin' && type.element.json === 'int') {
    return list(type.element, text, name);
  }
  if (type.kind !== 'builtin') return fail(`Invalid parameter type for '${name}', expected: ${type.name}`);
  switch (type.json) {
    case 'string':
    case 'value':
      return text;
    case 'boolean':
      return parseBool(text) ?? fail(`Parameter '${name}' expects 'on' or 'off'`);
    case 'number':
      return parseNumber(text) ?? fail(`Invalid parameter type for '${name}', expected: number`);
    case 'null':
      return text === '' ? null : fail(`Invalid parameter type for '${name}', expected: null`);
    default:
      if (type.name === 'size') return parseSize(text) ?? sizeFault(text, name);
      return sized(type, integer(type, text) ?? fail(`Parameter '${name}' expects ${family(type)}`), name);
  }
}

const family = (type: BuiltinEntry): string => (type.signed ? 'int64' : 'uint64');

const integer = (type: BuiltinEntry, text: string): bigint | undefined =>
  type.signed ? parseInt64(text) : parseUint64(text);

function sized(type: BuiltinEntry, value: bigint, name: string): number | bigint {
  return fitInteger(type, value) ?? fail(`Parameter '${name}' expects ${type.name}_t`);
}

function sizeFault(text: string, name: string): never {
  if (/^[ \t\n\v\f\r]*\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[kmgtpe]?$/i.test(text) && !/\.0*[1-9][0-9]*$/.test(text)) {
    fail(`Value '${text}' is out of range for parameter '${name}'`);
  }
  return fail(`Parameter '${name}' expects a non-negative number below 2^64`, SIZE_HINT);
}

function list(type: BuiltinEntry, text: string, name: string): unknown[] {
  const fault = `Parameter '${name}' expects list of ${family(type)} values or ranges`;
  const result: unknown[] = [];
  const items = text.split(',');
  // One comma may end the list; an empty text is an empty list.
  if (items.at(-1) === '') items.pop();
  for (const item of items) {
    const match = ITEM.exec(item) ?? fail(fault);
    const first = integer(type, match[1]!) ?? fail(fault);
    const last = match[2] === undefined ? first : (integer(type, match[2]) ?? fail(fault));
    if (first > last || last - first >= MAX_RANGE || result.length > MAX_ELEMENTS) fail(fault);
    for (let value = first; value <= last; value++) result.push(sized(type, value, 'null'));
  }
  return result;
}
