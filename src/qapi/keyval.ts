/**
 * Dotted keys: `key=value,...` into nested objects of strings (QEMU util/keyval.c).
 *
 *     a.b=1,a.c=2,list.0=x,list.1=y   ->   { a: { b: '1', c: '2' }, list: ['x', 'y'] }
 *
 * `,,` is a comma in a value; one trailing comma is allowed; the last setting of a leaf wins. The first item may be a
 * bare value for the implied key.
 */
import { fail } from './faults.ts';

export type KeyvalValue = string | KeyvalTree | KeyvalValue[];
export interface KeyvalTree {
  [key: string]: KeyvalValue;
}

type Node = Map<string, Node | string>;

/** A fragment's length in QEMU. */
const MAX_FRAGMENT = 127;
/** Fragments in a key: deeper than any schema, and no deeper than JSON may be. */
const MAX_DEPTH = 1024;
const ITEM = /[^=,]*/y;
const INDEX = /\d+/y;
/** A name in QAPI; letters of either case. */
const NAME = /(?:__[a-z\d.-]+_)?[a-z][\w-]*/iy;
/** Indices from here on are alike: there is no list as long. */
const HUGE_INDEX = 0x7fffffff;

/** @throws QapiError with QEMU's text. Objects of the result have no prototype. */
export function parseKeyval(text: string, impliedKey?: string): KeyvalTree {
  const root: Node = new Map();
  let position = 0;
  let implied = impliedKey;
  let help = false;
  while (position < text.length) {
    const end = position + match(ITEM, text, position);
    const key = text.slice(position, end);
    if (key === '' || text[end] === '=' || (implied === undefined && !isHelp(key))) {
      put(root, key, () => {
        if (text[end] !== '=') fail(`Expected '=' after parameter '${key}'`);
        const [value, next] = optionValue(text, end + 1);
        position = next;
        return value;
      });
    } else {
      if (isHelp(key)) help = true;
      else put(root, implied!, () => key);
      position = end + 1;
    }
    implied = undefined;
  }
  if (help) fail('Help is not available for this option');
  return listify(root, '') as KeyvalTree;
}

const isHelp = (word: string): boolean => word === 'help' || word === '?';

/** What stands before the next `=` or `,`. */
export function itemAt(text: string, from: number): string {
  return text.slice(from, from + match(ITEM, text, from));
}

/** The value at `from`, `,,` made `,`, and where the next item starts. */
export function optionValue(text: string, from: number): [value: string, next: number] {
  let end = text.indexOf(',', from);
  while (end >= 0 && text[end + 1] === ',') end = text.indexOf(',', end + 2);
  if (end < 0) end = text.length;
  return [text.slice(from, end).replaceAll(',,', ','), end + 1];
}

/** Puts a leaf. Each fragment is checked before the one before it is entered, as QEMU's order of errors has it. */
function put(root: Node, key: string, value: () => string): void {
  let node = root;
  let pending = '';
  let start = 0;
  let depth = 0;
  for (;;) {
    const length = (start > 0 ? match(INDEX, key, start) : 0) || match(NAME, key, start);
    const end = start + length;
    if (length === 0 || (end < key.length && key[end] !== '.') || ++depth > MAX_DEPTH)
      fail(`Invalid parameter '${key}'`);
    if (length > MAX_FRAGMENT) {
      const what = length === key.length ? 'Parameter' : 'Parameter fragment';
      fail(`${what} '${key.slice(start, end)}' is too long`);
    }
    if (start > 0) {
      const prefix = key.slice(0, start - 1);
      const next: Node | string = node.get(pending) ?? new Map();
      if (typeof next === 'string') inconsistent(prefix);
      node.set(pending, next);
      node = next;
    }
    pending = key.slice(start, end);
    if (end === key.length) break;
    start = end + 1;
  }
  const text = value();
  if (typeof (node.get(pending) ?? '') !== 'string') inconsistent(key);
  node.set(pending, text);
}

function match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}

function inconsistent(prefix: string): never {
  return fail(`Parameters '${prefix}.*' used inconsistently`);
}

/** Nodes whose keys are all indices become lists, without gaps. `prefix` ends in a dot, or is empty. */
function listify(node: Node, prefix: string): KeyvalValue {
  const tree: KeyvalTree = Object.create(null) as KeyvalTree;
  let indices = 0;
  for (const [key, value] of node) {
    if (isIndex(key)) indices++;
    tree[key] = typeof value === 'string' ? value : listify(value, `${prefix}${key}.`);
  }
  if (indices === 0) return tree;
  if (indices < node.size) inconsistent(prefix.slice(0, -1));
  const list: KeyvalValue[] = [];
  let largest = -1;
  // In the order of the text: of `1` and `01` the later one counts.
  for (const key of node.keys()) {
    const index = Math.min(Number(key), HUGE_INDEX);
    largest = Math.max(largest, index);
    if (index < node.size) list[index] = tree[key]!;
  }
  for (let index = 0; index <= largest; index++) {
    if (list[index] === undefined) fail(`Parameter '${prefix}${index}' missing`);
  }
  return list;
}

const isIndex = (key: string): boolean => match(INDEX, key, 0) > 0;
