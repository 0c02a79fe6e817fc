/**
 * The checks that need the whole schema: references, bases, unions, alternates, arguments (QEMU scripts/qapi/schema.py).
 * Entities are checked in registration order; an object checks its base and its branch types first, so a chain that
 * returns to itself is found there. What is looked up is written into the model's objects.
 */
import { checkAlternate } from './check-alternate.ts';
import type { CheckContext } from './check-context.ts';
import { checkUnion } from './check-union.ts';
import type { MemberDefinition } from './definition.ts';
import type { DialectRules } from './dialect.ts';
import { connectDoc } from './doc-check.ts';
import {
  type AlternateEntry,
  type ArrayEntry,
  type CommandEntry,
  describePart,
  describeType,
  type Entry,
  type EnumEntry,
  type EventEntry,
  isObjectEntry,
  type ObjectEntry,
  type TypeEntry,
} from './entry.ts';
import { addMember, checkDistinctFeatures, type MemberSet } from './member-set.ts';
import type { Feature, Member } from './model.ts';
import type { Pragma } from './pragma.ts';
import { arrayName, type Registry } from './registry.ts';
import { type Origin, semanticError } from './source.ts';

/** Bases of bases and unions in unions. */
const MAX_DEPTH = 100;
/** Members and branches over all types, inherited ones counted at each heir: bounds time and memory. QEMU: about 10 000. */
const MAX_MEMBERS = 500_000;

export class Checker implements CheckContext {
  readonly #registry: Registry;
  readonly #pragma: Pragma;
  readonly #rules: DialectRules;
  #members = 0;

  constructor(registry: Registry, pragma: Pragma, rules: DialectRules) {
    this.#registry = registry;
    this.#pragma = pragma;
    this.#rules = rules;
  }

  checkAll(): void {
    for (const entry of this.#registry.entries) {
      this.#check(entry);
      if (entry.doc !== undefined && entry.origin !== undefined) {
        connectDoc(entry.entity, entry.doc, entry.origin, this.#pragma, this.#rules);
      }
    }
  }

  get empty(): ObjectEntry {
    return this.#registry.empty;
  }

  resolve(name: string, origin: Origin, what: string): TypeEntry {
    const entry = this.#registry.type(name);
    if (entry === undefined) throw semanticError(origin, `${what} uses unknown type '${name}'`);
    return entry;
  }

  count(members: number, origin: Origin): void {
    this.#members += members;
    if (this.#members > MAX_MEMBERS) throw semanticError(origin, `schema has more than ${MAX_MEMBERS} members`);
  }

  object(entry: ObjectEntry, depth: number): void {
    const { entity, origin } = entry;
    if (entry.state === 'checked' || origin === undefined) return;
    if (entry.state === 'checking') throw semanticError(origin, `object ${entity.name} contains itself`);
    if (depth > MAX_DEPTH)
      throw semanticError(origin, `object ${entity.name} is nested too deeply (limit ${MAX_DEPTH})`);
    entry.state = 'checking';
    checkTypeFeatures(entity, origin);
    const set: MemberSet = new Map();
    if (entry.baseName !== undefined) this.#base(entry, entry.baseName, origin, set, depth);
    entity.localMembers = this.#localMembers(entry, origin, set);
    entity.members = [...(entity.base?.members ?? []), ...entity.localMembers];
    this.count(set.size, origin);
    entry.reachable = new Set(set.keys());
    if (entry.union !== undefined) checkUnion(this, entry, entry.union, origin, set, depth);
    entry.state = 'checked';
  }

  #check(entry: Entry): void {
    const { origin } = entry;
    const { entity } = entry;
    if (entity.kind === 'object') this.object(entry as ObjectEntry, 0);
    else if (entity.kind === 'array') this.#array(entry as ArrayEntry);
    if (origin === undefined) return;
    switch (entity.kind) {
      case 'enum':
        checkEnum(entry as EnumEntry, origin);
        break;
      case 'alternate':
        checkTypeFeatures(entity, origin);
        checkAlternate(this, entry as AlternateEntry, origin);
        break;
      case 'command':
        this.#command(entry as CommandEntry, origin);
        break;
      case 'event':
        checkDistinctFeatures(entity.features, entity.name, origin);
        this.#arguments(entry as EventEntry, origin);
        break;
    }
  }

  /** An array takes the condition and the module of its element. */
  #array(entry: ArrayEntry): void {
    const { entity, elementName, origin } = entry;
    const element = origin === undefined ? this.#registry.type(elementName) : this.#element(entry, origin);
    if (element === undefined) return;
    entity.element = element.entity;
    entity.condition = element.entity.condition;
    entity.module = element.entity.module;
  }

  #element(entry: ArrayEntry, origin: Origin): TypeEntry {
    const element = this.resolve(entry.elementName, origin, origin.definition?.meta ?? '');
    if ('elementName' in element) throw semanticError(origin, `${describeType(element)} cannot be an array element`);
    return element;
  }

  #base(entry: ObjectEntry, baseName: string, origin: Origin, set: MemberSet, depth: number): void {
    const base = this.#implicit(baseName, entry.entity.name, 'base') ?? this.resolve(baseName, origin, "'base'");
    if (!isObjectEntry(base) || base.union !== undefined) {
      throw semanticError(origin, `'base' requires a struct type, ${describeType(base)} isn't`);
    }
    this.object(base, depth + 1);
    for (const member of base.entity.members) addMember(set, 'member', member.name, member.definedIn, origin);
    entry.entity.base = base.entity;
  }

  /** The implicit type of this very definition: nobody else can name it. */
  #implicit(name: string, owner: string, role: 'arg' | 'base'): ObjectEntry | undefined {
    return name === `q_obj_${owner}-${role}` ? this.#registry.implicit(name) : undefined;
  }

  #localMembers(entry: ObjectEntry, origin: Origin, set: MemberSet): Member[] {
    const definedIn = entry.entity.name;
    return entry.memberDefinitions.map((definition: MemberDefinition) => {
      const { name, optional, condition, features } = definition;
      const typeName = definition.type.isArray ? arrayName(definition.type.name) : definition.type.name;
      const type = this.resolve(typeName, origin, describePart('member', name, definedIn, origin)).entity;
      checkDistinctFeatures(features, name, origin);
      addMember(set, 'member', name, definedIn, origin);
      return { name, type, optional, condition, features, definedIn };
    });
  }

  #command(entry: CommandEntry, origin: Origin): void {
    const { entity, returnName } = entry;
    checkDistinctFeatures(entity.features, entity.name, origin);
    this.#arguments(entry, origin);
    if (returnName === undefined) return;
    const returns = this.resolve(returnName, origin, "command's 'returns'");
    const inner = 'elementName' in returns ? this.#element(returns, origin) : returns;
    if (!isObjectEntry(inner) && !this.#pragma.excepts('command-returns-exceptions', entity.name)) {
      throw semanticError(origin, `command's 'returns' cannot take ${describeType(returns)}`);
    }
    entity.returnType = returns.entity;
  }

  #arguments(entry: CommandEntry | EventEntry, origin: Origin): void {
    const { entity, argName } = entry;
    if (argName === undefined) return;
    const what = `${entity.kind}'s 'data'`;
    const args = this.#implicit(argName, entity.name, 'arg') ?? this.resolve(argName, origin, what);
    if (!isObjectEntry(args)) throw semanticError(origin, `${what} cannot take ${describeType(args)}`);
    if (args.union !== undefined && !entity.boxed) {
      throw semanticError(origin, `${what} can take ${describeType(args)} only with 'boxed': true`);
    }
    this.object(args, 0);
    const conditional = args.entity.members.some((member) => member.condition !== undefined);
    if (conditional && !entity.boxed && this.#rules.boxedConditionals) {
      throw semanticError(origin, `conditional ${entity.kind} arguments require 'boxed': true`);
    }
    entity.argType = args.entity;
  }
}

function checkEnum({ entity }: EnumEntry, origin: Origin): void {
  checkTypeFeatures(entity, origin);
  const set: MemberSet = new Map();
  for (const value of entity.values) addMember(set, 'value', value.name, entity.name, origin);
}

function checkTypeFeatures(
  entity: { readonly features: readonly Feature[]; readonly name: string },
  origin: Origin,
): void {
  checkDistinctFeatures(entity.features, entity.name, origin);
  for (const { name } of entity.features) {
    if (name === 'deprecated' || name === 'unstable') {
      throw semanticError(origin, `feature '${name}' is not supported for types`);
    }
  }
}
