/** schema/: net.json without our macro declares what QEMU's does; the generated file is what the schema gives. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Condition, Entity, Feature, Member, ObjectType, SchemaType } from '../../src/qapi/front.ts';
import { checkSchema } from '../../src/qapi/front.ts';
import { type JsonObject, type JsonValue, Schema } from '../../src/qapi/index.ts';
import { NETYARD_TABLE } from '../../src/schema/net.ts';
import { generate, NETYARD_DEFINES } from '../../tools/generate-schema.ts';
import { modelOfFile, ROOT } from '../kit/test-schema.ts';

const model = modelOfFile('schema/qapi-schema.json');
const json = (path: string): unknown => JSON.parse(readFileSync(`${ROOT}tests/vectors/${path}`, 'utf8'));

const isOurs = (owner: { condition: Condition | undefined }): boolean => owner.condition === 'NETYARD';
const typeName = (type: SchemaType): string => (type.kind === 'array' ? `[${typeName(type.element)}]` : type.name);
const extras = (owner: { condition: Condition | undefined; features?: readonly Feature[] }): object => ({
  ...(owner.condition === undefined ? {} : { if: owner.condition }),
  ...(owner.features?.length ? { features: owner.features.map((feature) => feature.name) } : {}),
});
const members = (list: readonly Member[]): object[] =>
  list
    .filter((member) => !isOurs(member))
    .map((member) => ({
      name: member.name,
      type: typeName(member.type),
      optional: member.optional,
      ...extras(member),
    }));

function declaration(entity: Entity): object | undefined {
  const { name } = entity;
  if (isOurs(entity) || entity.location === undefined || entity.kind === 'array') return undefined;
  if (entity.kind === 'enum') {
    const values = entity.values
      .filter((value) => !isOurs(value))
      .map((value) => ({ name: value.name, ...extras(value) }));
    return { kind: 'enum', name, values, ...extras(entity) };
  }
  if (entity.kind === 'object') return object(entity);
  if (entity.kind !== 'command' && entity.kind !== 'event') throw new TypeError(`unexpected ${entity.kind}`);
  const implicit = entity.argType === undefined || entity.argType.meta === 'implicit';
  return {
    kind: entity.kind,
    name,
    data: implicit ? members(entity.argType?.members ?? []) : entity.argType.name,
    ...(entity.kind === 'command' && entity.returnType ? { returns: typeName(entity.returnType) } : {}),
    ...(entity.boxed ? { boxed: true } : {}),
    ...(entity.kind === 'command' && entity.allowPreconfig ? { 'allow-preconfig': true } : {}),
    ...extras(entity),
  };
}

function object(entity: ObjectType): object | undefined {
  if (entity.meta === 'implicit') return undefined;
  if (entity.variants === undefined) {
    return { kind: 'struct', name: entity.name, members: members(entity.members), ...extras(entity) };
  }
  const branches = entity.variants.branches
    .filter((branch) => branch.explicit && !isOurs(branch))
    .map((branch) => ({ value: branch.name, type: branch.type.name, ...extras(branch) }));
  return {
    kind: 'union',
    name: entity.name,
    base: members(entity.members),
    discriminator: entity.variants.tag.name,
    branches,
    ...extras(entity),
  };
}

describe('net.json', () => {
  it('without NETYARD declares exactly what the reference declares', () => {
    const module = model.modules.find(({ name }) => name.endsWith('net.json'));
    const ours = module!.entities.flatMap((entity) => declaration(entity) ?? []);
    const theirs = json('net-declarations.json') as object[];
    expect(ours.length).toBe(33);
    expect(ours).toEqual(theirs);
  });

  it('has our additions under NETYARD and nothing else under it', () => {
    const conditional = model.entities.flatMap((entity) => [
      ...(isOurs(entity) && entity.kind !== 'array' ? [entity.name] : []),
      ...(entity.kind === 'object' ? entity.localMembers.filter(isOurs).map((m) => `${entity.name}.${m.name}`) : []),
      ...(entity.kind === 'enum' ? entity.values.filter(isOurs).map((v) => `${entity.name}.${v.name}`) : []),
    ]);
    expect(conditional.filter((name) => !name.startsWith('q_obj_'))).toEqual([
      'NetdevUserOptions.host-loopback',
      'NetdevUserOptions.host-addresses',
      'NetdevUserOptions.dhcp-pool',
      'NetdevUserOptions.leases',
      'NetdevAFXDPOptions.map-path',
      'NetdevAFXDPOptions.map-start-index',
      'NetdevStreamOptions.reconnect-ms',
      'NetdevPasstOptions',
      'NetdevListenerOptions',
      'NetClientDriver.passt',
      'NetClientDriver.listener',
      'NETDEV_VHOST_USER_CONNECTED',
      'NETDEV_VHOST_USER_DISCONNECTED',
    ]);
  });
});

describe('src/schema/net.ts', () => {
  it('is what tools/generate-schema.ts writes', () => {
    expect(readFileSync(`${ROOT}src/schema/net.ts`, 'utf8')).toBe(generate());
  });

  it('introspects as the checked schema does', () => {
    const result = checkSchema('schema/qapi-schema.json', (path) => ({ text: readFileSync(ROOT + path, 'utf8') }), {
      dialect: '10.2',
      defines: NETYARD_DEFINES,
    });
    const ours = new Schema(NETYARD_TABLE).introspect() as JsonObject[];
    expect(result.ok).toBe(true);
    // Numbers differ where the compiler left something out: compare with references followed.
    expect(resolved(ours)).toEqual(resolved(result.ok ? result.introspect() : []));
  });
});

/** Commands and events with the types they lead to in place of the numbers; a type met again is named by its path. */
function resolved(entries: readonly JsonObject[]): Map<string, unknown> {
  const byName = new Map(entries.map((entry) => [entry['name'] as string, entry]));
  const expand = (value: JsonValue | undefined, path: string, seen: ReadonlyMap<string, string>): unknown => {
    if (Array.isArray(value)) return value.map((item, index) => expand(item, `${path}/${index}`, seen));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => {
        if (!/^(type|arg-type|ret-type|element-type)$/.test(key))
          return [key, expand(item as JsonValue, `${path}/${key}`, seen)];
        const type = byName.get(item as string)!;
        const again = seen.get(item as string);
        if (again !== undefined) return [key, again];
        const { name: _, ...rest } = type;
        return [key, expand(rest, `${path}/${key}`, new Map(seen).set(item as string, path))];
      }),
    );
  };
  const entities = entries.filter((entry) => entry['meta-type'] === 'command' || entry['meta-type'] === 'event');
  return new Map(entities.map((entity) => [entity['name'] as string, expand(entity, '', new Map())]));
}

describe('introspection', () => {
  it('agrees with QEMU 7.2 on every command and event both have, but for the known changes since', () => {
    const reply = json('qmp-schema-7.2.json') as { return: JsonObject[] };
    const theirs = resolved(reply.return);
    const ours = resolved(new Schema(NETYARD_TABLE).introspect() as JsonObject[]);
    const shared = [...ours.keys()].filter((name) => theirs.has(name));
    const different = shared.filter(
      (name) => JSON.stringify(sorted(ours.get(name))) !== JSON.stringify(sorted(theirs.get(name))),
    );
    expect(shared.length).toBe(20);
    // netdev_add: drivers and options added since. query-status: singlestep went. human-monitor-command: a feature about savevm.
    expect(different).toEqual(['netdev_add', 'query-status', 'human-monitor-command']);
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}
