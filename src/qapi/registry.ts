/**
 * Definitions to entities by name: registers each with its implicit types in front of it, and refuses a second one of
 * a name (QEMU scripts/qapi/schema.py registers in the same order). References stay names until check.ts resolves them.
 */
import { type Definition, featuresOf, type MemberDefinition, type TypeRef } from './definition.ts';
import {
  type ArrayEntry,
  describeType,
  type Entry,
  isObjectEntry,
  isTypeEntry,
  type ObjectEntry,
  type TypeEntry,
} from './entry.ts';
import type { Condition, JsonType } from './model.ts';
import { type Origin, placed, semanticError } from './source.ts';

export const BUILTIN_MODULE = './builtin';

const BUILTINS: readonly (readonly [string, JsonType])[] = [
  ['str', 'string'],
  ['number', 'number'],
  ['int', 'int'],
  ['int8', 'int'],
  ['int16', 'int'],
  ['int32', 'int'],
  ['int64', 'int'],
  ['uint8', 'int'],
  ['uint16', 'int'],
  ['uint32', 'int'],
  ['uint64', 'int'],
  ['size', 'int'],
  ['bool', 'boolean'],
  ['any', 'value'],
  ['null', 'null'],
];
const QTYPE_VALUES = ['none', 'qnull', 'qnum', 'qstring', 'qdict', 'qlist', 'qbool'];

const UNDOCUMENTED = { condition: undefined, features: [], doc: undefined } as const;

export class Registry {
  /** In registration order. */
  readonly entries: Entry[] = [];
  readonly empty: ObjectEntry;
  readonly #byName = new Map<string, Entry>();

  readonly #maxFeatures: number;
  /** Those with a meaning of their own count in every schema. */
  readonly #features = new Set(['deprecated', 'unstable']);

  /** @param maxFeatures names of features the schema may use */
  constructor(maxFeatures: number) {
    this.#maxFeatures = maxFeatures;
    for (const [name, jsonType] of BUILTINS) {
      const entity = { kind: 'builtin' as const, name, jsonType, ...UNDOCUMENTED, location: undefined };
      this.#add({ entity: { ...entity, module: BUILTIN_MODULE }, origin: undefined, doc: undefined });
      this.array(name, undefined, BUILTIN_MODULE);
    }
    this.empty = { ...objectEntry('q_empty', undefined, undefined, [], BUILTIN_MODULE), state: 'checked' };
    this.#add(this.empty);
    const values = QTYPE_VALUES.map((name) => ({ name, condition: undefined, features: [] }));
    this.#add({
      entity: {
        kind: 'enum',
        name: 'QType',
        values,
        prefix: 'QTYPE',
        ...UNDOCUMENTED,
        location: undefined,
        module: BUILTIN_MODULE,
      },
      origin: undefined,
      doc: undefined,
    });
  }

  /** The type of a name a schema may write; implicit types have names but cannot be written. */
  type(name: string): TypeEntry | undefined {
    const entry = name.startsWith('q_') ? undefined : this.#byName.get(name);
    return entry !== undefined && isTypeEntry(entry) ? entry : undefined;
  }

  /** An implicit object type by its `q_obj_…` name. */
  implicit(name: string): ObjectEntry | undefined {
    const entry = this.#byName.get(name);
    return entry !== undefined && isTypeEntry(entry) && isObjectEntry(entry) ? entry : undefined;
  }

  define(definition: Definition): void {
    const { name, origin, doc, inModule, condition, features } = definition;
    for (const feature of featuresOf(definition)) this.#features.add(feature.name);
    if (this.#features.size > this.#maxFeatures) {
      throw semanticError(origin, `Maximum of ${this.#maxFeatures} schema features is permitted`);
    }
    const common = { name, location: origin, condition, features, doc: doc?.toModel(), module: inModule };
    switch (definition.meta) {
      case 'enum': {
        const { values, prefix } = definition;
        this.#add({ entity: { kind: 'enum', values, prefix, ...common }, origin, doc });
        return;
      }
      case 'struct': {
        this.#arraysOf(definition.members, origin, inModule);
        const { base, members } = definition;
        this.#add({
          ...newObject('struct', common),
          baseName: base,
          memberDefinitions: members,
          union: undefined,
          origin,
          doc,
        });
        return;
      }
      case 'union': {
        const baseName = this.#members(definition.base, `q_obj_${name}-base`, origin, condition, inModule);
        const { discriminator, branches } = definition;
        const union = { discriminator, branches };
        this.#add({ ...newObject('union', common), baseName, memberDefinitions: [], union, origin, doc });
        return;
      }
      case 'alternate':
        for (const branch of definition.branches) this.#reference(branch.type, origin, inModule);
        this.#add({
          entity: { kind: 'alternate', branches: [], ...common },
          branchDefinitions: definition.branches,
          origin,
          doc,
        });
        return;
      case 'command': {
        const argName = this.#members(definition.data, `q_obj_${name}-arg`, origin, condition, inModule);
        const returnName = definition.returns && this.#reference(definition.returns, origin, inModule);
        const { boxed, gen, successResponse, allowOob, allowPreconfig, coroutine } = definition;
        const flags = { boxed, gen, successResponse, allowOob, allowPreconfig, coroutine };
        const entity = { kind: 'command' as const, argType: undefined, returnType: undefined, ...flags, ...common };
        this.#add({ entity, argName, returnName, origin, doc });
        return;
      }
      case 'event': {
        const argName = this.#members(definition.data, `q_obj_${name}-arg`, origin, condition, inModule);
        const entity = { kind: 'event' as const, argType: undefined, boxed: definition.boxed, ...common };
        this.#add({ entity, argName, origin, doc });
      }
    }
  }

  /** The name of an array type, which is registered at its first use. */
  array(elementName: string, origin: Origin | undefined, inModule: string): string {
    const name = arrayName(elementName);
    if (!this.#byName.has(name)) {
      // The element is a placeholder until check.ts has looked it up.
      const element = this.entries[0]?.entity as ArrayEntry['entity']['element'];
      const entity = { kind: 'array' as const, name, element, ...UNDOCUMENTED, location: origin, module: inModule };
      this.#add({ entity, elementName, origin, doc: undefined });
    }
    return name;
  }

  #reference(type: TypeRef, origin: Origin, inModule: string): string {
    return type.isArray ? this.array(type.name, origin, inModule) : type.name;
  }

  #arraysOf(members: readonly MemberDefinition[], origin: Origin, inModule: string): void {
    for (const member of members) this.#reference(member.type, origin, inModule);
  }

  /** The type that holds an argument list or base: a named one, or an implicit one unless it would be empty. */
  #members(
    members: string | readonly MemberDefinition[] | undefined,
    implicitName: string,
    origin: Origin,
    condition: Condition | undefined,
    inModule: string,
  ): string | undefined {
    if (members === undefined || typeof members === 'string') return members;
    this.#arraysOf(members, origin, inModule);
    if (members.length === 0) return undefined;
    // A second definition of the name is refused in a moment; its implicit type must not be refused before it.
    if (!this.#byName.has(implicitName)) this.#add(objectEntry(implicitName, origin, condition, members, inModule));
    return implicitName;
  }

  #add(entry: Entry): void {
    const { name } = entry.entity;
    const other = this.#byName.get(name);
    if (other !== undefined && entry.origin !== undefined) {
      if (other.origin !== undefined) {
        const previous = placed(other.origin, 'previous definition');
        throw semanticError(entry.origin, `'${name}' is already defined\n${previous}`);
      }
      const description = isTypeEntry(other) ? describeType(other) : `'${name}'`;
      throw semanticError(entry.origin, `${description} is already defined`);
    }
    this.#byName.set(name, entry);
    this.entries.push(entry);
  }
}

export const arrayName = (elementName: string): string => `${elementName}List`;

type Common = Pick<ObjectEntry['entity'], 'name' | 'location' | 'condition' | 'features' | 'doc' | 'module'>;

function newObject(
  meta: ObjectEntry['entity']['meta'],
  common: Common,
): Pick<ObjectEntry, 'entity' | 'state' | 'reachable'> {
  const shape = { base: undefined, localMembers: [], members: [], variants: undefined };
  return { entity: { kind: 'object', meta, ...shape, ...common }, state: 'new', reachable: new Set() };
}

function objectEntry(
  name: string,
  origin: Origin | undefined,
  condition: Condition | undefined,
  memberDefinitions: readonly MemberDefinition[],
  module: string,
): ObjectEntry {
  const common = { name, location: origin, condition, features: [], doc: undefined, module };
  return {
    ...newObject('implicit', common),
    baseName: undefined,
    memberDefinitions,
    union: undefined,
    origin,
    doc: undefined,
  };
}
