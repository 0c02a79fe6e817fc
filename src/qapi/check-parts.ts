/** Checks that several kinds of definition share: key sets, conditions, features, members, type positions. */
import type { BranchDefinition, MemberDefinition, TypeRef } from './definition.ts';
import type { Condition, Feature } from './model.ts';
import { checkLowerName, checkMemberName } from './names.ts';
import { type Origin, semanticError } from './source.ts';
import type { Value, ValueMap } from './syntax.ts';

export const isObject = (value: Value | undefined): value is ValueMap => value instanceof Map;
export const isList = (value: Value | undefined): value is readonly Value[] => Array.isArray(value);

/** The long form of a member, branch, feature or enum value, whose short form is the value of this one key. */
export const longForm = (value: Value, key: string): ValueMap => (isObject(value) ? value : new Map([[key, value]]));

export function checkKeys(
  object: ValueMap,
  origin: Origin,
  source: string,
  required: readonly string[],
  optional: readonly string[],
): void {
  const missing = required.filter((key) => !object.has(key));
  if (missing.length > 0) {
    throw semanticError(origin, `${source} misses key${missing.length > 1 ? 's' : ''} ${quoted(missing)}`);
  }
  const allowed = [...required, ...optional];
  const unknown = [...object.keys()].filter((key) => !allowed.includes(key));
  if (unknown.length > 0) {
    throw semanticError(
      origin,
      `${source} has unknown key${unknown.length > 1 ? 's' : ''} ${quoted(unknown)}\nValid keys are ${quoted(allowed)}.`,
    );
  }
}

const quoted = (keys: readonly string[]): string =>
  [...keys]
    .sort()
    .map((key) => `'${key}'`)
    .join(', ');

export function checkString(value: Value | undefined, origin: Origin, source: string): string {
  if (typeof value !== 'string') throw semanticError(origin, `${source} requires a string name`);
  return value;
}

/** The `if` of an object; undefined when it has none. */
export function checkIf(object: ValueMap, origin: Origin, source: string): Condition | undefined {
  const condition = object.get('if');
  return condition === undefined ? undefined : checkCondition(condition, origin, source);
}

function checkCondition(value: Value, origin: Origin, source: string): Condition {
  if (typeof value === 'string') {
    if (!/^[A-Z][A-Z0-9_]*$/.test(value)) {
      throw semanticError(origin, `'if' condition '${value}' of ${source} is not a valid identifier`);
    }
    return value;
  }
  if (!isObject(value)) throw semanticError(origin, `'if' condition of ${source} must be a string or an object`);
  checkKeys(value, origin, `'if' condition of ${source}`, [], ['all', 'any', 'not']);
  if (value.size !== 1) throw semanticError(origin, `'if' condition of ${source} has conflicting keys`);
  const not = value.get('not');
  if (not !== undefined) return { not: checkCondition(not, origin, source) };
  const operator = value.has('all') ? 'all' : 'any';
  const operands = value.get(operator);
  if (!isList(operands)) throw semanticError(origin, `'${operator}' condition of ${source} must be an array`);
  if (operands.length === 0) throw semanticError(origin, `'if' condition [] of ${source} is useless`);
  const conditions = operands.map((operand) => checkCondition(operand, origin, source));
  return operator === 'all' ? { all: conditions } : { any: conditions };
}

export function checkFeatures(features: Value | undefined, origin: Origin): readonly Feature[] {
  if (features === undefined) return [];
  if (!isList(features)) throw semanticError(origin, "'features' must be an array");
  return features.map((element) => {
    const feature = longForm(element, 'name');
    checkKeys(feature, origin, "'features' member", ['name'], ['if']);
    const name = checkString(feature.get('name'), origin, "'features' member");
    const source = `'features' member '${name}'`;
    checkLowerName(name, origin, source);
    return { name, condition: checkIf(feature, origin, source) };
  });
}

/** An inline object of members; `permissive` for a type whose members may be spelled freely. */
export function checkMembers(
  value: Value,
  origin: Origin,
  source: string,
  permissive: boolean,
): readonly MemberDefinition[] {
  if (!isObject(value)) throw semanticError(origin, `${source} should be an object or type name`);
  const members: MemberDefinition[] = [];
  for (const [key, short] of value) {
    const memberSource = `${source} member '${key}'`;
    const optional = key.startsWith('*');
    const name = optional ? key.slice(1) : key;
    checkMemberName(name, origin, memberSource, permissive);
    const member = longForm(short, 'type');
    checkKeys(member, origin, memberSource, ['type'], ['if', 'features']);
    const condition = checkIf(member, origin, memberSource);
    const features = checkFeatures(member.get('features'), origin);
    const type = checkTypeRef(member.get('type'), origin, memberSource);
    members.push({ name, optional, type, condition, features });
  }
  return members;
}

/** Members given inline, or the name of a type that has them. */
export const checkMembersOrName = (
  value: Value,
  origin: Origin,
  source: string,
  permissive: boolean,
): string | readonly MemberDefinition[] =>
  typeof value === 'string' ? value : checkMembers(value, origin, source, permissive);

export function checkTypeName(value: Value | undefined, origin: Origin, source: string): string {
  if (typeof value !== 'string') throw semanticError(origin, `${source} should be a type name`);
  return value;
}

export function checkTypeRef(value: Value | undefined, origin: Origin, source: string): TypeRef {
  if (typeof value === 'string') return { name: value, isArray: false };
  if (!isList(value)) throw semanticError(origin, `${source} should be a type name or array`);
  const name = value[0];
  if (value.length !== 1 || typeof name !== 'string') {
    throw semanticError(origin, `${source}: array type must contain single type name`);
  }
  return { name, isArray: true };
}

/** The branches of a union (names are values of its tag, types are names) or of an alternate. */
export function checkBranches(data: ValueMap, origin: Origin, meta: 'union' | 'alternate'): BranchDefinition[] {
  const branches: BranchDefinition[] = [];
  for (const [name, short] of data) {
    const source = `'data' member '${name}'`;
    if (meta === 'alternate') checkLowerName(name, origin, source);
    const branch = longForm(short, 'type');
    checkKeys(branch, origin, source, ['type'], ['if']);
    const condition = checkIf(branch, origin, source);
    const type =
      meta === 'alternate'
        ? checkTypeRef(branch.get('type'), origin, source)
        : { name: checkTypeName(branch.get('type'), origin, source), isArray: false };
    branches.push({ name, type, condition });
  }
  return branches;
}
