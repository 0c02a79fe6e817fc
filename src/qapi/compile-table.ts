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

  constructor(model: SchemaModel, defines: ReadonlySet<string>) {
    this.model = model;
    this.defines = defines;
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
    const data = this.arguments(entity.argType);
    const features = this.features(entity).map((feature) => `!${feature}`);
    if (entity.kind === 'event') return ['event', entity.name, data, ...features].join(' ');
    const result = entity.returnType === undefined ? '-' : this.ref(entity.returnType);
    return ['command', entity.name, data, result, ...(entity.allowOob ? ['oob'] : []), ...features].join(' ');
  }

  private arguments(type: ObjectType | undefined): string {
    if (type !== undefined && type.meta !== 'implicit') return this.ref(type);
    return `{${this.members(type ?? this.model.empty).join(',')}}`;
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
      .map((branch) => `${branch.name}:${this.ref(branch.type)}`);
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
