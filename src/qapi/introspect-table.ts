/**
 * The reply to query-qmp-schema, from the compiled table (QEMU scripts/qapi/introspect.py): commands and events first,
 * then the types in the order in which they are first used. All integers show as `int`; other types that are not
 * built-in are named by the count of names so far.
 */
import { EMPTY, type MemberEntry, type ObjectEntry, type TableReader, type TypeEntry } from './table.ts';
import type { JsonObject } from './value.ts';

const INT: TypeEntry = { kind: 'builtin', name: 'int', json: 'int', bits: 64, signed: true };
const INT_LIST: TypeEntry = { kind: 'array', name: '[int]', element: INT };

/** @param tagValues - all values of a union's tag: those without branch show as branches without members. */
export function introspectTable(table: TableReader): JsonObject[] {
  const names = new Map<string, string>();
  // A set keeps the order of first use, and the walk below sees what it adds on the way.
  const used = new Set<TypeEntry>();

  const nameOf = (type: TypeEntry): string => {
    if (type.kind === 'builtin') return type.name;
    if (type.kind === 'array') return `[${use(type.element)}]`;
    let name = names.get(type.name);
    if (name === undefined) {
      name = String(names.size);
      names.set(type.name, name);
    }
    return name;
  };
  const isInt = (type: TypeEntry): boolean => type.kind === 'builtin' && type.json === 'int';
  const use = (type: TypeEntry): string => {
    const shown = isInt(type) ? INT : type.kind === 'array' && isInt(type.element) ? INT_LIST : type;
    used.add(shown);
    return nameOf(shown);
  };
  const member = ({ name, type, optional, features }: MemberEntry): JsonObject => ({
    name,
    type: use(type),
    ...(optional ? { default: null } : {}),
    ...listed(features),
  });

  const entities = table.entities.map((entity): JsonObject => {
    const { name, features } = entity;
    if (entity.kind === 'event') {
      return { name, 'meta-type': 'event', 'arg-type': use(entity.data), ...listed(features) };
    }
    return {
      name,
      'meta-type': 'command',
      'arg-type': use(entity.argument),
      'ret-type': use(entity.result ?? EMPTY),
      ...(entity.allowOob ? { 'allow-oob': true } : {}),
      ...listed(features),
    };
  });

  const types: JsonObject[] = [];
  for (const type of used) {
    const name = nameOf(type);
    if (type.kind === 'builtin') {
      types.push({ name, 'meta-type': 'builtin', 'json-type': type.json });
    } else if (type.kind === 'array') {
      types.push({ name, 'meta-type': 'array', 'element-type': use(type.element) });
    } else if (type.kind === 'enum') {
      const members = [...type.values].map(([value, features]) => ({ name: value, ...listed(features) }));
      types.push({ name, 'meta-type': 'enum', members, values: [...type.values.keys()], ...listed(type.features) });
    } else if (type.kind === 'alternate') {
      const members = type.branches.map((branch) => ({ type: use(branch) }));
      types.push({ name, 'meta-type': 'alternate', members, ...listed(type.features) });
    } else {
      const members = type.members.map(member);
      types.push({ name, 'meta-type': 'object', members, ...variants(type, use), ...listed(type.features) });
    }
  }
  return [...entities, ...types];
}

const listed = (features: readonly string[]): JsonObject => (features.length > 0 ? { features: [...features] } : {});

/** A union's branches in schema order, then the tag's values without one. */
function variants(type: ObjectEntry, use: (type: TypeEntry) => string): JsonObject {
  if (type.tag === undefined) return {};
  const tag = type.members.find((member) => member.name === type.tag)?.type;
  const values = tag?.kind === 'enum' ? [...tag.values.keys()] : [];
  const rest = values.filter((value) => !type.variants.has(value));
  return {
    tag: type.tag,
    variants: [
      ...[...type.variants].map(([value, branch]) => ({ case: value, type: use(branch) })),
      ...rest.map((value) => ({ case: value, type: use(EMPTY) })),
    ],
  };
}
