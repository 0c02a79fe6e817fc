/**
 * Input from traditional options. QEMU: qapi/opts-visitor.c. All structs of a type share one flat set of keys. A scalar
 * takes the last setting of its key, a list takes all of them; a list's element is a scalar, or a struct with one
 * mandatory scalar, whose own name is then not looked at. A setting counts as used once its key was visited.
 */
import { expects, fail, missing, wrongType } from './faults.ts';
import { fitInteger } from './integer.ts';
import type { OptionList } from './opts.ts';
import { type MemberEntry, type ObjectEntry, type TypeEntry, variantOf } from './table.ts';
import { enumValue, type TextWords, textInteger, textScalar } from './visitor-text.ts';

/** Elements that one range of integers may stand for. */
const MAX_RANGE = 65536n;
/** Elements of one list over all its settings. */
const MAX_ELEMENTS = 1 << 20;
const RANGE = /^(\s*[+-]?\w+)-(\s*[+-]?\w+)$/;
const WORDS: TextWords = { int: 'an int64 value', uint: 'a uint64 value', size: 'a size value', sign: false };
const WORDS_IN_LIST: TextWords = { ...WORDS, int: `${WORDS.int} or range`, uint: `${WORDS.uint} or range` };

/** @throws QapiError with QEMU's text. */
export function visitOptions(type: ObjectEntry, list: OptionList): Record<string, unknown> {
  const unused = new Map<string, string[]>();
  const add = (key: string, value: string): void => {
    const values = unused.get(key);
    if (values === undefined) unused.set(key, [value]);
    else values.push(value);
  };
  for (const [key, value] of list.options) add(key, value);
  if (list.id !== undefined) add('id', list.id);

  const object = (of: ObjectEntry, result: Record<string, unknown>): Record<string, unknown> => {
    for (const entry of of.members) {
      if (!entry.optional || unused.has(entry.name)) result[entry.name] = member(entry);
    }
    const variant = variantOf(of, result);
    return variant === undefined ? result : object(variant, result);
  };
  const member = ({ name, type: of }: MemberEntry): unknown => {
    if (of.kind === 'object') return object(of, {});
    const values = unused.get(name) ?? missing(name);
    unused.delete(name);
    if (of.kind !== 'array') return scalar(of, name, values.at(-1)!, name, WORDS);
    const elements: unknown[] = [];
    for (const value of values) {
      for (const item of element(of.element, name, value)) elements.push(item);
      if (elements.length > MAX_ELEMENTS) expects(name, 'fewer elements');
    }
    return elements;
  };

  const result = object(type, {});
  for (const key of unused.keys()) fail(`Invalid parameter '${key}'`);
  return result;
}

/** The elements that one setting of a list's key stands for. */
function element(type: TypeEntry, key: string, value: string): unknown[] {
  if (type.kind === 'object') {
    const only = type.members[0]!;
    return [{ [only.name]: scalar(only.type, key, value, only.name, WORDS_IN_LIST) }];
  }
  const range = type.kind === 'builtin' && type.json === 'int' ? RANGE.exec(value) : null;
  if (type.kind !== 'builtin' || range === null) return [scalar(type, key, value, 'null', WORDS_IN_LIST)];
  const first = textInteger(type, range[1]!, WORDS);
  const last = textInteger(type, range[2]!, WORDS);
  if (first === undefined || last === undefined || first > last || last - first >= MAX_RANGE) {
    return expects(key, type.signed ? WORDS_IN_LIST.int : WORDS_IN_LIST.uint);
  }
  const result: unknown[] = [];
  for (let item = first; item <= last; item++) result.push(fitInteger(type, item, 'null'));
  return result;
}

/** `key` is what the text had, `name` the member's name or `null`: QEMU's messages differ in which they show. */
function scalar(type: TypeEntry, key: string, value: string, name: string, words: TextWords): unknown {
  if (type.kind === 'enum') return enumValue(type, value, name);
  return type.kind === 'builtin' ? textScalar(type, value, words, key, name) : wrongType(name, type.name);
}
