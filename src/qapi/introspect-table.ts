/**
 * The reply to query-qmp-schema, from the compiled table (QEMU scripts/qapi/introspect.py): commands and events first,
 * then the types in the order in which they are first used. All integers show as `int`; other types that are not
 * built-in are named by the count of names so far.
 */
import { EMPTY, type Table, type TypeEntry } from './table.ts';
import type { JsonObject } from './value.ts';

export function introspectTable(table: Table): JsonObject[] {
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
  const use = (type: TypeEntry): string => {
    const shown = isInt(type)
      ? table.type('int')
      : type.kind === 'array' && isInt(type.element)
        ? table.type('[int]')
        : type;
    used.add(shown);
    return nameOf(shown);
  };
  const branch = (name: string, type: TypeEntry): JsonObject => ({ case: name, type: use(type) });
  const info = (type: TypeEntry): JsonObject => {
    switch (type.kind) {
      case 'builtin':
        return { 'json-type': type.json };
      case 'array':
        return { 'element-type': use(type.element) };
      case 'alternate':
        return { members: type.branches.map((entry) => ({ type: use(entry) })) };
      case 'enum': {
        const members = [...type.values].map(([name, features]) => ({ name, ...listed(features) }));
        return { members, values: [...type.values.keys()] };
      }
      default: {
        const { tag, variants } = type;
        const members = type.members.map((member): JsonObject => {
          const shown = { name: member.name, type: use(member.type), ...listed(member.features) };
          return member.optional ? { ...shown, default: null } : shown;
        });
        if (tag === undefined) return { members };
        // The tag's values without a branch come last.
        const tagType = type.members.find((member) => member.name === tag)?.type;
        const values = tagType?.kind === 'enum' ? [...tagType.values.keys()] : [];
        return {
          members,
          tag,
          variants: [
            ...[...variants].map(([name, entry]) => branch(name, entry)),
            ...values.filter((name) => !variants.has(name)).map((name) => branch(name, EMPTY)),
          ],
        };
      }
    }
  };

  const entries = table.entities.map((entity): JsonObject => {
    const { name, kind, features } = entity;
    if (kind === 'event') return { name, 'meta-type': kind, 'arg-type': use(entity.data), ...listed(features) };
    const types = { 'arg-type': use(entity.argument), 'ret-type': use(entity.result ?? EMPTY) };
    return {
      name,
      'meta-type': kind,
      ...types,
      ...(entity.allowOob ? { 'allow-oob': true } : {}),
      ...listed(features),
    };
  });
  for (const type of used) {
    const features = 'features' in type ? type.features : [];
    entries.push({ name: nameOf(type), 'meta-type': type.kind, ...info(type), ...listed(features) });
  }
  return entries;
}

const isInt = (type: TypeEntry): boolean => type.kind === 'builtin' && type.json === 'int';

const listed = (features: readonly string[]): JsonObject => (features.length > 0 ? { features: [...features] } : {});
