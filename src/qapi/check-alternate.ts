/** Alternates: every branch must be recognisable from the kind of JSON value alone, and from a string on a command line. */
import type { CheckContext } from './check-context.ts';
import { type AlternateEntry, describePart, describeType } from './entry.ts';
import { addMember, type MemberSet } from './member-set.ts';
import type { SchemaType } from './model.ts';
import { arrayName } from './registry.ts';
import { type Origin, semanticError } from './source.ts';

type JsonKind = 'null' | 'string' | 'number' | 'bool' | 'object' | 'list';

export function checkAlternate(context: CheckContext, entry: AlternateEntry, origin: Origin): void {
  const { entity, branchDefinitions } = entry;
  const types = branchDefinitions.map(({ name, type }) => {
    const typeName = type.isArray ? arrayName(type.name) : type.name;
    return { name, type: context.resolve(typeName, origin, describePart('branch', name, entity.name, origin)) };
  });
  const set: MemberSet = new Map();
  const taken = new Map<JsonKind, string>();
  for (const { name, type } of types) {
    addMember(set, 'branch', name, entity.name, origin);
    const what = describePart('branch', name, entity.name, origin);
    const kinds = claimedKinds(type.entity);
    if (kinds.length === 0) throw semanticError(origin, `${what} cannot use ${describeType(type)}`);
    for (const kind of kinds) {
      const other = taken.get(kind);
      if (other !== undefined) throw semanticError(origin, `${what} can't be distinguished from '${other}'`);
      taken.set(kind, name);
    }
  }
  entity.branches = branchDefinitions.map(({ name, condition }, index) => ({
    name,
    condition,
    // resolve() has answered for every one of them.
    type: types[index]?.type.entity ?? context.empty.entity,
  }));
}

/** The kinds of value a branch claims; the keyval parser makes every scalar a string, so strings claim more. */
function claimedKinds(type: SchemaType): readonly JsonKind[] {
  switch (type.kind) {
    case 'object':
      return ['object'];
    case 'array':
      return ['list'];
    case 'alternate':
      return [];
    case 'enum': {
      const kinds: JsonKind[] = ['string'];
      if (type.values.some(({ name }) => /^[-+0-9.]/.test(name))) kinds.push('number');
      if (type.values.some(({ name }) => name === 'on' || name === 'off')) kinds.push('bool');
      return kinds;
    }
    case 'builtin':
      switch (type.jsonType) {
        case 'string':
          return ['string', 'number', 'bool'];
        case 'int':
        case 'number':
          return ['number'];
        case 'boolean':
          return ['bool'];
        case 'null':
          return ['null'];
        case 'value':
          return [];
      }
  }
}
