/** From the checked model to the compiled table (table.ts): conditions decided, bases flattened, what nothing uses left out. */
import { conditionHolds } from './condition.ts';
import type { Entity, Feature, ObjectType, Schema as SchemaModel, SchemaType } from './model.ts';
import type { SchemaTable } from './table.ts';

/** @param defines - the macros that are defined; every other one is not. */
export function compileTable(model: SchemaModel, defines: Iterable<string> = []): SchemaTable {
  return new TableCompiler(model, new Set(defines)).lines();
}

class TableCompiler {
  private readonly model: SchemaModel;
  private readonly defines: ReadonlySet<string>;
  private readonly used = new Set<SchemaType>();
  private readonly uses: ReadonlyMap<SchemaType, number>;

  constructor(model: SchemaModel, defines: ReadonlySet<string>) {
    this.model = model;
    this.defines = defines;
    this.uses = countUses(model);
  }

  lines(): string[] {
    const entities: string[] = [];
    for (const module of this.model.modules) {
      for (const entity of module.entities) {
        if (this.holds(entity) && (entity.kind === 'command' || entity.kind === 'event'))
          entities.push(this.entity(entity));
      }
    }
    const types = new Map<SchemaType, string>();
    // The set is walked in order of insertion, what the walk itself adds included.
    for (const type of this.used) {
      const line = this.type(type);
      if (line !== undefined) types.set(type, line);
    }
    const ordered = this.model.entities.flatMap((entity) => types.get(entity as SchemaType) ?? []);
    return [...entities, ...ordered];
  }

  private entity(entity: Entity & { kind: 'command' | 'event' }): string {
    const data = this.objectRef(entity.argType);
    const features = this.features(entity).map((feature) => `!${feature}`);
    if (entity.kind === 'event') return ['event', entity.name, data, ...features].join(' ');
    const result = entity.returnType === undefined ? '-' : this.ref(entity.returnType);
    const tail = entity.allowOob ? [result, 'oob'] : result === '-' ? [] : [result];
    return ['command', entity.name, data, ...tail, ...features].join(' ');
  }

  private objectRef(type: ObjectType = this.model.empty): string {
    const inline = type.meta === 'implicit' || (this.uses.get(type) === 1 && !type.variants && type.members.length > 0);
    return inline ? `{${this.members(type).join(',')}}` : this.ref(type);
  }

  private type(type: SchemaType): string | undefined {
    const features = this.features(type).map((feature) => `!${feature}`);
    switch (type.kind) {
      case 'enum': {
        const values = type.values.filter((value) => this.holds(value));
        return ['enum', type.name, ...features, ...values.map((value) => this.word(value.name, value))].join(' ');
      }
      case 'alternate': {
        const branches = type.branches.filter((branch) => this.holds(branch));
        return ['alternate', type.name, ...features, ...branches.map((branch) => this.ref(branch.type))].join(' ');
      }
      case 'object':
        return type === this.model.empty ? undefined : this.object(type, features);
      default:
        return undefined;
    }
  }

  private object(type: ObjectType, features: readonly string[]): string {
    const members = this.members(type);
    if (type.variants === undefined) return ['object', type.name, ...features, ...members].join(' ');
    const branches = type.variants.branches
      .filter((branch) => branch.explicit && this.holds(branch))
      .map((branch) => `${branch.name}:${this.objectRef(branch.type)}`);
    return ['union', type.name, type.variants.tag.name, ...features, ...members, '|', ...branches].join(' ');
  }

  private members(type: ObjectType): string[] {
    return type.members
      .filter((member) => this.holds(member))
      .map((member) => {
        const name = `${member.optional ? '*' : ''}${member.name}`;
        const ref = this.ref(member.type);
        return this.word(ref === 'str' ? name : `${name}:${ref}`, member);
      });
  }

  private word(text: string, owner: { readonly features: readonly Feature[] }): string {
    return [text, ...this.features(owner)].join('!');
  }

  private ref(type: SchemaType): string {
    if (type.kind === 'array') return `[${this.ref(type.element)}]`;
    this.used.add(type);
    return type.name;
  }

  private features(owner: { readonly features: readonly Feature[] }): string[] {
    return owner.features.filter((feature) => this.holds(feature)).map((feature) => feature.name);
  }

  private holds(owner: Pick<Entity, 'condition'>): boolean {
    return conditionHolds(owner.condition, this.defines);
  }
}

/** How often each type is referred to. */
function countUses(model: SchemaModel): ReadonlyMap<SchemaType, number> {
  const counts = new Map<SchemaType, number>();
  const count = (type: SchemaType | undefined): void => {
    if (type?.kind === 'array') count(type.element);
    else if (type !== undefined) counts.set(type, (counts.get(type) ?? 0) + 1);
  };
  for (const entity of model.entities) {
    if (entity.kind === 'command' || entity.kind === 'event') count(entity.argType);
    if (entity.kind === 'command') count(entity.returnType);
    if (entity.kind === 'alternate') for (const branch of entity.branches) count(branch.type);
    if (entity.kind !== 'object') continue;
    count(entity.base);
    for (const member of entity.localMembers) count(member.type);
    for (const branch of entity.variants?.branches ?? []) count(branch.type);
  }
  return counts;
}
