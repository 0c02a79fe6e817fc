/**
 * The reply to query-qmp-schema (QEMU qapi/introspect.json). Types are numbered in the order in which commands and
 * events reach them, before conditions are looked at, so a build without a macro leaves gaps.
 */
import { conditionHolds } from './condition.ts';
import type { Entity, EnumType, Feature, ObjectType, Schema, SchemaType } from './model.ts';
import type { JsonObject, JsonValue } from './value.ts';

export interface Introspection {
  /** The entries (SchemaInfo), commands and events first. */
  readonly entries: JsonObject[];
  /** Schema name of every masked type name: `Netdev` → `2`. */
  readonly names: ReadonlyMap<string, string>;
}

export interface IntrospectOptions {
  /** The macros that are defined; every other one is not. */
  readonly defines?: Iterable<string>;
  /** Real type names in place of numbers. Clients must not rely on either. */
  readonly unmasked?: boolean;
}

/** Describes the commands and events of a schema and all types they reach. */
export function introspect(schema: Schema, options: IntrospectOptions = {}): Introspection {
  return new Introspector(schema, options).run();
}

class Introspector {
  readonly #schema: Schema;
  readonly #defines: ReadonlySet<string>;
  readonly #unmasked: boolean;
  readonly #entries: JsonObject[] = [];
  readonly #names = new Map<string, string>();
  readonly #used = new Set<SchemaType>();

  constructor(schema: Schema, options: IntrospectOptions) {
    this.#schema = schema;
    this.#defines = new Set(options.defines);
    this.#unmasked = options.unmasked ?? false;
  }

  run(): Introspection {
    const { empty, modules } = this.#schema;
    for (const module of modules) {
      for (const entity of module.entities) {
        if (entity.kind === 'command') {
          const info = {
            'arg-type': this.#use(entity.argType ?? empty),
            'ret-type': this.#use(entity.returnType ?? empty),
          };
          this.#emit(entity, entity.name, 'command', entity.allowOob ? { ...info, 'allow-oob': true } : info);
        } else if (entity.kind === 'event') {
          this.#emit(entity, entity.name, 'event', { 'arg-type': this.#use(entity.argType ?? empty) });
        }
      }
    }
    // A Set is walked in order of insertion, what the walk itself adds included.
    for (const type of this.#used) this.#type(type);
    return { entries: this.#entries, names: this.#names };
  }

  #type(type: SchemaType): void {
    switch (type.kind) {
      case 'builtin':
        this.#emit(type, type.name, 'builtin', { 'json-type': type.jsonType });
        break;
      case 'array': {
        const element = this.#use(type.element);
        this.#emit(type, `[${element}]`, 'array', { 'element-type': element });
        break;
      }
      case 'enum':
        this.#emit(type, this.#name(type), 'enum', this.#values(type));
        break;
      case 'object':
        this.#emit(type, this.#name(type), 'object', this.#members(type));
        break;
      case 'alternate': {
        const members = type.branches.map((branch) => this.#when(branch, { type: this.#use(branch.type) }));
        this.#emit(type, this.#name(type), 'alternate', { members: present(members) });
        break;
      }
    }
  }

  #values(type: EnumType): JsonObject {
    const members = type.values.map((value) => this.#when(value, { name: value.name, ...this.#features(value) }));
    const names = type.values.map((value) => (conditionHolds(value.condition, this.#defines) ? value.name : undefined));
    return { members: present(members), values: present(names) };
  }

  #members(type: ObjectType): JsonObject {
    const members = type.members.map((member) => {
      const info: JsonObject = { name: member.name, type: this.#use(member.type) };
      if (member.optional) info['default'] = null;
      return this.#when(member, { ...info, ...this.#features(member) });
    });
    const object: JsonObject = { members: present(members) };
    if (type.variants === undefined) return object;
    const variants = type.variants.branches.map((branch) =>
      this.#when(branch, { case: branch.name, type: this.#use(branch.type) }),
    );
    return { ...object, tag: type.variants.tag.name, variants: present(variants) };
  }

  /** The name a reference shows, after putting the type on the list of those to describe. */
  #use(wanted: SchemaType): string {
    const type = this.#generic(wanted);
    this.#used.add(type);
    if (type.kind === 'builtin') return type.name;
    if (type.kind === 'array') return `[${this.#use(type.element)}]`;
    return this.#name(type);
  }

  /** All widths of integer look alike on the wire. */
  #generic(type: SchemaType): SchemaType {
    if (isInteger(type)) return this.#schema.types.get('int') ?? type;
    if (type.kind === 'array' && isInteger(type.element)) return this.#schema.types.get('intList') ?? type;
    return type;
  }

  #name(type: SchemaType): string {
    if (this.#unmasked) return type.name;
    let name = this.#names.get(type.name);
    if (name === undefined) {
      name = String(this.#names.size);
      this.#names.set(type.name, name);
    }
    return name;
  }

  #emit(entity: Entity, name: string, metaType: string, info: JsonObject): void {
    const entry = this.#when(entity, { name, 'meta-type': metaType, ...info, ...this.#features(entity) });
    if (entry !== undefined) this.#entries.push(entry);
  }

  /** The list of features is there as soon as the schema lists one, even if no condition holds. */
  #features(owner: { readonly features: readonly Feature[] }): JsonObject {
    if (owner.features.length === 0) return {};
    return {
      features: owner.features
        .filter((feature) => conditionHolds(feature.condition, this.#defines))
        .map((feature) => feature.name),
    };
  }

  #when(owner: Pick<Entity, 'condition'>, info: JsonObject): JsonObject | undefined {
    return conditionHolds(owner.condition, this.#defines) ? info : undefined;
  }
}

const isInteger = (type: SchemaType): boolean => type.kind === 'builtin' && type.jsonType === 'int';

const present = <T extends JsonValue>(list: readonly (T | undefined)[]): T[] =>
  list.filter((element) => element !== undefined);
