/**
 * The shape of each definition, checked by itself and in the reference's order (QEMU scripts/qapi/expr.py): kind, name,
 * documentation, keys, what the kind asks for, `if`, `features`, flags.
 */
import {
  checkBranches,
  checkFeatures,
  checkIf,
  checkKeys,
  checkMembers,
  checkMembersOrName,
  checkString,
  checkTypeName,
  checkTypeRef,
  isList,
  isObject,
  longForm,
} from './check-parts.ts';
import { DEFINITION_KEYS, type Definition, type MemberDefinition } from './definition.ts';
import type { DialectRules } from './dialect.ts';
import type { DocBlock } from './doc-block.ts';
import type { EnumValue } from './model.ts';
import { checkDefinitionName, checkLowerName } from './names.ts';
import type { Item } from './parser.ts';
import type { Pragma } from './pragma.ts';
import { type Meta, type Origin, semanticError } from './source.ts';
import type { Value, ValueMap } from './syntax.ts';

const METAS: readonly Meta[] = ['enum', 'struct', 'union', 'alternate', 'command', 'event'];

export function checkDefinition(
  item: Extract<Item, { kind: 'expression' }>,
  pragma: Pragma,
  rules: DialectRules,
): Definition {
  const { value: expression, origin, doc, inModule } = item;
  const [meta, second] = METAS.filter((key) => expression.has(key));
  if (meta === undefined || second !== undefined) {
    throw semanticError(
      origin,
      `expression must have exactly one key ${METAS.map((candidate) => `'${candidate}'`).join(', ')}`,
    );
  }
  const name = checkString(expression.get(meta), origin, `'${meta}'`);
  origin.definition = { meta, name };
  checkDefinitionName(name, origin, meta, pragma.exceptions('command-name-exceptions'));
  if (doc !== undefined) checkDoc(doc, name, meta, expression, origin, rules);
  else if (pragma.docRequired) throw semanticError(origin, 'documentation comment required');
  const keys = DEFINITION_KEYS[meta];
  checkKeys(expression, origin, meta, keys.required, keys.optional);
  const parts = checkKind(meta, name, expression, origin, pragma);
  const condition = checkIf(expression, origin, meta);
  const features = checkFeatures(expression.get('features'), origin);
  checkFlags(expression, origin);
  return { name, origin, doc, inModule, condition, features, ...parts };
}

function checkDoc(
  doc: DocBlock,
  name: string,
  meta: Meta,
  expression: ValueMap,
  origin: Origin,
  rules: DialectRules,
): void {
  if (doc.symbol !== name) throw semanticError(origin, `documentation comment is for '${doc.symbol}'`);
  const returns = doc.firstOf('Returns');
  if (meta === 'command') {
    if (returns !== undefined && rules.returnsSomething && !expression.has('returns')) {
      throw semanticError(returns, "'Returns' section, but command doesn't return anything");
    }
    return;
  }
  if (returns !== undefined) throw semanticError(returns, "'Returns' section is only valid for commands");
  const errors = doc.firstOf('Errors');
  if (errors !== undefined) throw semanticError(errors, "'Errors' section is only valid for commands");
}

/** A definition without what all kinds have in common. */
type Parts<D = Definition> = D extends unknown
  ? Omit<D, 'name' | 'origin' | 'doc' | 'inModule' | 'condition' | 'features'>
  : never;

function checkKind(meta: Meta, name: string, expression: ValueMap, origin: Origin, pragma: Pragma): Parts {
  const permissive = pragma.excepts('member-name-exceptions', name);
  const data = expression.get('data');
  switch (meta) {
    case 'enum':
      return checkEnum(expression, data, origin, permissive);
    case 'struct': {
      const members = checkMembers(data ?? '', origin, "'data'", permissive);
      const base = expression.get('base');
      return { meta, members, base: base === undefined ? undefined : checkTypeName(base, origin, "'base'") };
    }
    case 'union': {
      const base = checkMembersOrName(expression.get('base') ?? '', origin, "'base'", permissive);
      const discriminator = checkString(expression.get('discriminator'), origin, "'discriminator'");
      if (!isObject(data)) throw semanticError(origin, "'data' must be an object");
      return { meta, base, discriminator, branches: checkBranches(data, origin, meta) };
    }
    case 'alternate':
      if (isEmpty(data)) throw semanticError(origin, "'data' must not be empty");
      if (!isObject(data)) throw semanticError(origin, "'data' must be an object");
      return { meta, branches: checkBranches(data, origin, meta) };
    case 'command':
      return checkCommand(expression, data, origin);
    case 'event':
      return { meta, ...checkArguments(expression, data, origin) };
  }
}

function checkEnum(expression: ValueMap, data: Value | undefined, origin: Origin, permissive: boolean): Parts {
  if (!isList(data)) throw semanticError(origin, "'data' must be an array");
  const prefix = expression.get('prefix');
  if (prefix !== undefined && typeof prefix !== 'string') throw semanticError(origin, "'prefix' must be a string");
  const values = data.map((element): EnumValue => {
    const value = longForm(element, 'name');
    checkKeys(value, origin, "'data' member", ['name'], ['if', 'features']);
    const name = checkString(value.get('name'), origin, "'data' member");
    const source = `'data' member '${name}'`;
    // A value may start with a digit, which no other name may.
    const checked = /^[0-9]/.test(name) ? `d${name}` : name;
    checkLowerName(checked, origin, source, { upper: permissive, underscore: permissive });
    const condition = checkIf(value, origin, source);
    return { name, condition, features: checkFeatures(value.get('features'), origin) };
  });
  return { meta: 'enum', values, prefix };
}

function checkCommand(expression: ValueMap, data: Value | undefined, origin: Origin): Parts {
  const args = checkArguments(expression, data, origin);
  const returns = expression.get('returns');
  return {
    meta: 'command',
    ...args,
    returns: returns === undefined ? undefined : checkTypeRef(returns, origin, "'returns'"),
    gen: expression.get('gen') !== false,
    successResponse: expression.get('success-response') !== false,
    allowOob: expression.get('allow-oob') === true,
    allowPreconfig: expression.get('allow-preconfig') === true,
    coroutine: expression.get('coroutine') === true,
  };
}

function checkArguments(
  expression: ValueMap,
  data: Value | undefined,
  origin: Origin,
): { data: string | readonly MemberDefinition[] | undefined; boxed: boolean } {
  // A wrong value of the flag is told last; until then it counts as Python counts it.
  const boxed = !isEmpty(expression.get('boxed'));
  if (boxed) {
    if (data === undefined) throw semanticError(origin, "'boxed': true requires 'data'");
    return { data: checkTypeName(data, origin, "'data'"), boxed };
  }
  return { data: data === undefined ? undefined : checkMembersOrName(data, origin, "'data'", false), boxed };
}

function checkFlags(expression: ValueMap, origin: Origin): void {
  for (const [flag, only] of FLAGS) {
    if (expression.has(flag) && expression.get(flag) !== only) {
      throw semanticError(origin, `flag '${flag}' may only use ${only} value`);
    }
  }
  if (expression.has('allow-oob') && expression.has('coroutine')) {
    throw semanticError(origin, "flags 'allow-oob' and 'coroutine' are incompatible");
  }
}

const FLAGS = [
  ['gen', false],
  ['success-response', false],
  ['boxed', true],
  ['allow-oob', true],
  ['allow-preconfig', true],
  ['coroutine', true],
] as const;

/** What Python takes for false. */
function isEmpty(value: Value | undefined): boolean {
  if (value === undefined || value === false || value === '') return true;
  if (isObject(value)) return value.size === 0;
  return isList(value) && value.length === 0;
}
