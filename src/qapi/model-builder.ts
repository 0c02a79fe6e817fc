/** The finished entities, put in order: by module, by kind, by name. */
import type { Command, Entity, Module, Schema, SchemaEvent, SchemaType } from './model.ts';
import type { Item, ParsedSchema } from './parser.ts';
import { BUILTIN_MODULE, type Registry } from './registry.ts';

export function buildModel(parsed: ParsedSchema, registry: Registry): Schema {
  const entities = registry.entries.map((entry): Entity => entry.entity);
  const byName = new Map(entities.map((entity) => [entity.name, entity]));
  const types = new Map<string, SchemaType>();
  const commands = new Map<string, Command>();
  const events = new Map<string, SchemaEvent>();
  for (const entity of entities) {
    if (entity.kind === 'command') commands.set(entity.name, entity);
    else if (entity.kind === 'event') events.set(entity.name, entity);
    else types.set(entity.name, entity);
  }
  const modules = new Map<string, { name: string; entities: Entity[]; content: Module['content'][number][] }>();
  const module = (name: string) => {
    const known = modules.get(name) ?? { name, entities: [], content: [] };
    modules.set(name, known);
    return known;
  };
  module(BUILTIN_MODULE);
  module(parsed.rootModule);
  for (const item of parsed.items) {
    if (item.kind === 'include') module(item.module);
    const content = contentOf(item, byName);
    if (content !== undefined) module(item.inModule).content.push(content);
  }
  for (const entity of entities) module(entity.module).entities.push(entity);
  return { modules: [...modules.values()], entities, types, commands, events, empty: registry.empty.entity };
}

function contentOf(item: Item, byName: ReadonlyMap<string, Entity>): Module['content'][number] | undefined {
  if (item.kind === 'include') return { kind: 'include', module: item.module };
  if (item.kind === 'free-form') return item.doc;
  const name = item.origin.definition?.name;
  return name === undefined ? undefined : byName.get(name);
}
