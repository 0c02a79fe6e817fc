/** Entities under construction: the model's own objects, still writable, with what is needed to finish them. */
import type { AlternateDefinition, BranchDefinition, MemberDefinition } from './definition.ts';
import type { DocBlock } from './doc-block.ts';
import type { AlternateType, ArrayType, BuiltinType, Command, EnumType, ObjectType, SchemaEvent } from './model.ts';
import type { Origin } from './source.ts';

export type Writable<T> = { -readonly [K in keyof T]: T[K] };

interface EntryBase {
  /** Undefined for what the language itself defines. */
  readonly origin: Origin | undefined;
  readonly doc: DocBlock | undefined;
}

export interface ObjectEntry extends EntryBase {
  readonly entity: Writable<ObjectType>;
  readonly baseName: string | undefined;
  readonly memberDefinitions: readonly MemberDefinition[];
  readonly union: { readonly discriminator: string; readonly branches: readonly BranchDefinition[] } | undefined;
  state: 'new' | 'checking' | 'checked';
  /** C names of every member that some value of the type can have, branches included; complete once checked. */
  reachable: ReadonlySet<string>;
}

export interface EnumEntry extends EntryBase {
  readonly entity: Writable<EnumType>;
}

export interface ArrayEntry extends EntryBase {
  readonly entity: Writable<ArrayType>;
  readonly elementName: string;
}

export interface AlternateEntry extends EntryBase {
  readonly entity: Writable<AlternateType>;
  readonly branchDefinitions: AlternateDefinition['branches'];
}

export interface BuiltinEntry extends EntryBase {
  readonly entity: Writable<BuiltinType>;
}

export interface CommandEntry extends EntryBase {
  readonly entity: Writable<Command>;
  readonly argName: string | undefined;
  readonly returnName: string | undefined;
}

export interface EventEntry extends EntryBase {
  readonly entity: Writable<SchemaEvent>;
  readonly argName: string | undefined;
}

export type TypeEntry = ObjectEntry | EnumEntry | ArrayEntry | AlternateEntry | BuiltinEntry;
export type Entry = TypeEntry | CommandEntry | EventEntry;

/** A type in an error text: `struct type 'S'`, `array type ['T']`. */
export function describeType(entry: TypeEntry): string {
  // An array met before its turn has no element yet, but the name of it.
  if ('elementName' in entry) return `array type ['${entry.elementName}']`;
  const { entity } = entry;
  const word = entity.kind === 'object' ? entity.meta : entity.kind === 'builtin' ? 'built-in' : entity.kind;
  return `${word} type '${entity.name}'`;
}

export const isTypeEntry = (entry: Entry): entry is TypeEntry =>
  entry.entity.kind !== 'command' && entry.entity.kind !== 'event';

export const isObjectEntry = (entry: TypeEntry): entry is ObjectEntry => entry.entity.kind === 'object';

/** A member, branch, value or feature in an error text, with its type's name where that is not the definition in error. */
export function describePart(role: string, name: string, definedIn: string, origin: Origin): string {
  const argument = /^q_obj_(.*)-arg$/.exec(definedIn)?.[1];
  const base = /^q_obj_(.*)-base$/.exec(definedIn)?.[1];
  const owner = argument ?? base ?? definedIn;
  const shown = argument !== undefined ? 'parameter' : base !== undefined ? `base ${role}` : role;
  if (owner === origin.definition?.name) return `${shown} '${name}'`;
  return `${shown} '${name}' of ${argument !== undefined ? 'command' : 'type'} '${owner}'`;
}
