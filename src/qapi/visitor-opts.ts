/**
 * Input from traditional options. QEMU: qapi/opts-visitor.c. All structs of a type share one flat set of keys. A scalar
 * takes the last setting of its key, a list takes all of them; a list's element is a scalar, or a struct with one
 * mandatory scalar, whose own name is then not looked at. A setting counts as used once its key was visited.
 */
import type { OptionList } from './opts.ts';
import { parseBool, parseInt64, parseNumber, parseSize, parseUint64 } from './size.ts';
import type { BuiltinEntry, MemberEntry, ObjectEntry, TypeEntry } from './table.ts';
import { fail, fitInteger } from './visitor-tree.ts';

/** Elements that one range of integers may stand for. */
const MAX_RANGE = 65536n;
/** Elements of one list over all its settings. */
const MAX_ELEMENTS = 1 << 20;
const RANGE = /^([ \t\n\v\f\r]*[+-]?[0-9a-zA-Z]+)-([ \t\n\v\f\r]*[+-]?[0-9a-zA-Z]+)$/;

export class OptsVisitor {
  private readonly unused = new Map<string, string[]>();

  constructor(list: OptionList) {
    for (const [key, value] of list.options) this.add(key, value);
    if (list.id !== undefined) this.add('id', list.id);
  }

  /** @throws QapiError with QEMU's text. */
  visit(type: ObjectEntry): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    this.members(type, result);
    for (const key of this.unused.keys()) fail(`Invalid parameter '${key}'`);
    return result;
  }

  private add(key: string, value: string): void {
    const values = this.unused.get(key);
    if (values === undefined) this.unused.set(key, [value]);
    else values.push(value);
  }

  private members(type: ObjectEntry, result: Record<string, unknown>): void {
    for (const member of type.members) {
      const { name } = member;
      if (member.optional && !this.unused.has(name)) continue;
      result[name] = this.member(member);
    }
    if (type.tag === undefined) return;
    const variant = type.variants.get(result[type.tag] as string);
    if (variant !== undefined) this.members(variant, result);
  }

  private member({ name, type }: MemberEntry): unknown {
    if (type.kind === 'object') {
      const result: Record<string, unknown> = {};
      this.members(type, result);
      return result;
    }
    const values = this.unused.get(name) ?? fail(`Parameter '${name}' is missing`);
    const result =
      type.kind === 'array'
        ? values.flatMap((value) => element(type.element, name, value))
        : scalar(type, name, values.at(-1)!, name);
    if (Array.isArray(result) && result.length > MAX_ELEMENTS) fail(`Parameter '${name}' expects fewer elements`);
    this.unused.delete(name);
    return result;
  }
}

/** The elements that one setting of a list's key stands for. */
function element(type: TypeEntry, key: string, value: string): unknown[] {
  if (type.kind === 'object') {
    const [only] = type.members;
    return [{ [only!.name]: scalar(only!.type, key, value, only!.name, true) }];
  }
  if (type.kind === 'builtin' && type.json === 'int' && type.name !== 'size') return range(type, key, value);
  return [scalar(type, key, value, 'null')];
}

function range(type: BuiltinEntry, key: string, value: string): unknown[] {
  const match = RANGE.exec(value);
  const [first, last] = match === null ? [] : [integer(type, match[1]!), integer(type, match[2]!)];
  if (first === undefined || last === undefined) return [scalar(type, key, value, 'null', true)];
  if (first > last || last - first >= MAX_RANGE) fail(expects(type, key, true));
  const result: unknown[] = [];
  for (let item = first; item <= last; item++) result.push(inRange(type, item, 'null'));
  return result;
}

function integer(type: BuiltinEntry, text: string): bigint | undefined {
  if (type.signed) return parseInt64(text);
  return text.includes('-') ? undefined : parseUint64(text);
}

const expects = (type: BuiltinEntry, key: string, inList: boolean): string =>
  `Parameter '${key}' expects ${type.signed ? 'an int64' : 'a uint64'} value${inList ? ' or range' : ''}`;

function inRange(type: BuiltinEntry, value: bigint, name: string): number | bigint {
  return fitInteger(type, value) ?? fail(`Parameter '${name}' expects ${type.name}_t`);
}

/** `key` is what the text had, `name` the member's name or `null`: QEMU's messages differ in which they show. */
function scalar(type: TypeEntry, key: string, value: string, name: string, inList = false): unknown {
  if (type.kind === 'enum') {
    return type.values.has(value) ? value : fail(`Parameter '${name}' does not accept value '${value}'`);
  }
  if (type.kind !== 'builtin') return fail(`Invalid parameter type for '${name}', expected: ${type.name}`);
  switch (type.json) {
    case 'string':
    case 'value':
      return value;
    case 'boolean':
      return parseBool(value) ?? fail(`Parameter '${key}' expects 'on' or 'off'`);
    case 'number':
      return parseNumber(value) ?? fail(`Invalid parameter type for '${name}', expected: number`);
    case 'null':
      return fail(`Invalid parameter type for '${name}', expected: null`);
    default:
      if (type.name === 'size') return parseSize(value) ?? fail(`Parameter '${key}' expects a size value`);
      return inRange(type, integer(type, value) ?? fail(expects(type, key, inList)), name);
  }
}
