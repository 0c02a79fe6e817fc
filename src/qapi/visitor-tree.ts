/**
 * The walk over a tree of values, shared by the input forms that have one: JSON and dotted keys. Depth first, in schema
 * order: a union's own members, then the branch its tag selects; after the last member of an object its surplus keys.
 * The first fault wins. QEMU: qapi/qobject-input-visitor.c. Scalars, and their messages, are the form's business.
 *
 * Values are hostile: only own keys are looked at, results have only names from the schema, depth is capped.
 */
import { fail, missing, wrongType } from './faults.ts';
import { type BuiltinEntry, type ObjectEntry, type TypeEntry, variantOf } from './table.ts';
import { JsonDouble } from './value.ts';
import { enumValue } from './visitor-text.ts';

/** As deep as QEMU's JSON reader lets a document nest. */
const MAX_DEPTH = 1024;

/** Where in the tree a value stands: names of members and indices of elements. */
export type Path = (string | number)[];

export interface TreeForm {
  /** A value of a built-in type, checked and converted. @throws QapiError. */
  scalar(type: BuiltinEntry, value: unknown, path: Path): unknown;
  /** A string, for enums. @throws QapiError. */
  text(value: unknown, path: Path): string;
  /** How a list's element shows in a path. */
  index(index: number): string;
}

/** @throws QapiError with QEMU's text. */
export function visitTree(form: TreeForm, type: TypeEntry, value: unknown, path: Path = []): unknown {
  if (type.kind === 'builtin') return form.scalar(type, value, path);
  if (type.kind === 'enum') return enumValue(type, form.text(value, path), shortName(path));
  if (type.kind === 'object') return visitObject(form, type, value, path);
  if (type.kind === 'array') {
    if (!Array.isArray(value)) return wrongType(fullName(form, path), 'array');
    const result: unknown[] = [];
    for (const item of value) {
      path.push(result.length);
      result.push(visitTree(form, type.element, item, path));
      path.pop();
    }
    return result;
  }
  const kind = kindOf(value);
  const branch = type.branches.find((entry) => branchKind(entry) === kind);
  return branch === undefined ? wrongType(shortName(path), type.name) : visitTree(form, branch, value, path);
}

function visitObject(form: TreeForm, type: ObjectEntry, value: unknown, path: Path): Record<string, unknown> {
  if (!isObject(value)) return wrongType(fullName(form, path), 'object');
  if (path.length > MAX_DEPTH) fail('JSON nesting depth limit exceeded');
  const result: Record<string, unknown> = {};
  const found = visitMembers(form, type, value, path, result);
  const keys = Object.keys(value);
  if (found !== keys.length) {
    for (const key of keys) {
      if (!Object.hasOwn(result, key) && value[key] !== undefined) {
        path.push(key);
        fail(`Parameter '${fullName(form, path)}' is unexpected`);
      }
    }
  }
  return result;
}

/** How many members were there. */
function visitMembers(
  form: TreeForm,
  type: ObjectEntry,
  value: Record<string, unknown>,
  path: Path,
  result: Record<string, unknown>,
): number {
  let found = 0;
  for (const member of type.members) {
    const { name } = member;
    const item = value[name];
    // What a prototype has is not the caller's.
    const isThere = item !== undefined && Object.hasOwn(value, name);
    if (!isThere && member.optional) continue;
    path.push(name);
    if (!isThere) missing(fullName(form, path));
    result[name] = visitTree(form, member.type, item, path);
    path.pop();
    found++;
  }
  const variant = variantOf(type, result);
  return variant === undefined ? found : found + visitMembers(form, variant, value, path, result);
}

/** QEMU's full name of what is being visited. */
export function fullName(form: TreeForm, path: Path): string {
  let text = '';
  for (const step of path) text += typeof step === 'number' ? form.index(step) : text === '' ? step : `.${step}`;
  return text === '' ? '<anonymous>' : text;
}

/** The innermost name, which some of QEMU's messages have in place of the full one. */
export function shortName(path: Path): string {
  const last = path.at(-1);
  return typeof last === 'string' ? last : 'null';
}

type ValueKind = 'string' | 'number' | 'boolean' | 'null' | 'object' | 'list';

function kindOf(value: unknown): ValueKind | undefined {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  const type = typeof value;
  if (type === 'bigint' || value instanceof JsonDouble) return 'number';
  return type === 'string' || type === 'number' || type === 'boolean' || type === 'object' ? type : undefined;
}

function branchKind(type: TypeEntry): ValueKind | undefined {
  if (type.kind === 'enum') return 'string';
  if (type.kind === 'array') return 'list';
  if (type.kind !== 'builtin') return 'object';
  return type.json === 'int' ? 'number' : type.json === 'value' ? undefined : type.json;
}

const isObject = (value: unknown): value is Record<string, unknown> => kindOf(value) === 'object';
