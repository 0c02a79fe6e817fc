/** The emitter's view of a schema that was read from files. */
import { conditionHolds, conditionText } from './condition.ts';
import type {
  Command,
  Condition,
  DefinitionDoc,
  DocSection,
  Entity,
  Feature,
  ObjectType,
  SchemaEvent,
  Schema as SchemaModel,
  SchemaType,
} from './model.ts';
import {
  type Doc,
  NamePool,
  type ObjectDef,
  pascalCase,
  type TypeDef,
  type TypeGraph,
  type TypeRef,
} from './type-graph.ts';

/** @param defines - macros whose conditions need no mention. */
export function graphOfModel(model: SchemaModel, interfaceName: string, defines: ReadonlySet<string>): TypeGraph {
  return new ModelReader(model, interfaceName, defines).graph();
}

type Documented = Pick<Entity, 'condition' | 'features'>;

class ModelReader {
  private readonly model: SchemaModel;
  private readonly defines: ReadonlySet<string>;
  private readonly pool = new NamePool();
  private readonly names = new Map<SchemaType, string>();
  /** Arguments of commands that take members beside those the schema names. */
  private readonly open = new Set<SchemaType>();

  constructor(model: SchemaModel, interfaceName: string, defines: ReadonlySet<string>) {
    this.model = model;
    this.defines = defines;
    this.pool.take(interfaceName);
  }

  graph(): TypeGraph {
    const { entities } = this.model;
    for (const entity of entities) if (isNamed(entity)) this.names.set(entity, this.pool.take(identifier(entity.name)));
    for (const entity of entities) {
      if ((entity.kind !== 'command' && entity.kind !== 'event') || entity.argType?.meta !== 'implicit') continue;
      const suffix = entity.kind === 'command' ? 'Arguments' : 'Data';
      this.names.set(entity.argType, this.pool.take(pascalCase(entity.name) + suffix));
      if (entity.kind === 'command' && !entity.gen) this.open.add(entity.argType);
    }
    const types = new Map<string, TypeDef>();
    for (const entity of entities) {
      const name = this.names.get(entity as SchemaType);
      if (name !== undefined) types.set(name, this.definition(entity as SchemaType, name));
    }
    const modules = this.model.modules.flatMap((module) => module.entities);
    return {
      types,
      commands: modules
        .filter((entity): entity is Command => entity.kind === 'command')
        .map((command) => ({
          name: command.name,
          doc: this.definitionDoc(command, command.doc),
          argument: this.nameOf(command.argType),
          result: command.returnType === undefined ? undefined : this.ref(command.returnType),
        })),
      events: modules
        .filter((entity): entity is SchemaEvent => entity.kind === 'event')
        .map((event) => ({
          name: event.name,
          doc: this.definitionDoc(event, event.doc),
          data: this.nameOf(event.argType),
        })),
    };
  }

  private nameOf(type: SchemaType | undefined): string | undefined {
    return type === undefined ? undefined : this.names.get(type);
  }

  private ref(type: SchemaType): TypeRef {
    if (type.kind === 'builtin') return { kind: 'scalar', json: type.jsonType };
    if (type.kind === 'array') return { kind: 'list', element: this.ref(type.element) };
    const name = this.names.get(type);
    return name === undefined ? { kind: 'scalar', json: 'value' } : { kind: 'named', name };
  }

  private definition(type: SchemaType, name: string): TypeDef {
    const doc = this.definitionDoc(type, type.doc);
    if (type.kind === 'enum') {
      const values = type.values.map((value) => ({
        name: value.name,
        doc: this.memberDoc(value, type.doc?.members.get(value.name)),
      }));
      return { kind: 'enum', name, doc, values };
    }
    if (type.kind === 'alternate') {
      return { kind: 'alternate', name, doc, branches: type.branches.map((branch) => this.ref(branch.type)) };
    }
    return this.object(type as ObjectType, name, doc);
  }

  private object(type: ObjectType, name: string, doc: Doc): ObjectDef {
    const base = type.base === undefined ? undefined : this.names.get(type.base);
    // An inline base has no name of its own: its members count as the union's.
    const members = type.base !== undefined && base === undefined ? type.members : type.localMembers;
    const owner = type.meta === 'implicit' ? this.ownerDoc(type) : type.doc;
    const { variants } = type;
    return {
      kind: 'object',
      name,
      doc: type.meta === 'implicit' ? [] : doc,
      base,
      members: members.map((member) => ({
        name: member.name,
        type: this.ref(member.type),
        optional: member.optional,
        doc: this.memberDoc(member, owner?.members.get(member.name)),
      })),
      union: variants && {
        tag: variants.tag.name,
        cases: variants.branches.map((branch) => ({
          value: branch.name,
          type: branch.type === this.model.empty ? undefined : this.names.get(branch.type),
          doc: this.condition(branch.condition),
        })),
      },
      open: this.open.has(type),
    };
  }

  private definitionDoc(entity: Documented, doc: DefinitionDoc | undefined): Doc {
    return [...paragraphs(doc?.body ?? ''), ...this.condition(entity.condition), ...featureTags(entity.features)];
  }

  private memberDoc(member: Documented, section: DocSection | undefined): Doc {
    return [...paragraphs(section?.text ?? ''), ...this.condition(member.condition), ...featureTags(member.features)];
  }

  private condition(value: Condition | undefined): string[] {
    return value === undefined || conditionHolds(value, this.defines) ? [] : [`Only with ${conditionText(value)}.`];
  }

  /** Inline arguments are described where the command or event is. */
  private ownerDoc(type: ObjectType): DefinitionDoc | undefined {
    return this.model.entities.find(
      (entity) => (entity.kind === 'command' || entity.kind === 'event') && entity.argType === type,
    )?.doc;
  }
}

const isNamed = (entity: Entity): entity is SchemaType =>
  (entity.kind === 'enum' && entity.location !== undefined) ||
  entity.kind === 'alternate' ||
  (entity.kind === 'object' && entity.meta !== 'implicit');

const identifier = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, '_');

function featureTags(features: readonly Feature[]): string[] {
  return features.flatMap(({ name }) =>
    name === 'deprecated' ? ['@deprecated'] : name === 'unstable' ? ['@experimental'] : [],
  );
}

/** Plain paragraphs of reStructuredText; directives are left out, references and literals become code. */
function paragraphs(text: string): string[] {
  const kept: string[] = [];
  let skipping = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('.. ')) skipping = true;
    else if (/^\S/.test(line)) skipping = false;
    if (!skipping) kept.push(line);
  }
  return kept
    .join('\n')
    .split(/\n\s*\n|\n(?=- )/)
    .map((paragraph) =>
      paragraph
        .replace(/@([\w-]+)/g, '`$1`')
        .replaceAll('``', '`')
        .replace(/\s+/g, ' ')
        .trim(),
    )
    .filter((paragraph) => paragraph !== '');
}
