/**
 * The checked schema: what the front end hands to introspection, to the emitters and to the table compiler.
 * Entities stand in registration order with all references resolved and nothing conditioned away: a condition is data
 * here, and whoever needs a specialised view asks conditionHolds() (condition.ts).
 * Names follow QEMU scripts/qapi/schema.py where the concepts are the same.
 */

/** One source file and the include directive that brought it in (undefined for the root). */
export interface SourceFile {
  readonly path: string;
  readonly includedFrom: Location | undefined;
}

/** A line of a source file, 1-based. */
export interface Location {
  readonly file: SourceFile;
  readonly line: number;
}

/** An `if` clause: a macro name, or a combination of conditions. */
export type Condition =
  | string
  | { readonly all: readonly Condition[] }
  | { readonly any: readonly Condition[] }
  | { readonly not: Condition };

export interface Feature {
  readonly name: string;
  readonly condition: Condition | undefined;
}

/** A member of a struct, an inline argument list or an inline union base. */
export interface Member {
  readonly name: string;
  readonly type: SchemaType;
  readonly optional: boolean;
  readonly condition: Condition | undefined;
  readonly features: readonly Feature[];
  /** Name of the object type that declares it (an implicit `q_obj_…` for inline members). */
  readonly definedIn: string;
}

/** A branch of an alternate; the name appears in documentation only. */
export interface AlternateBranch {
  readonly name: string;
  readonly type: SchemaType;
  readonly condition: Condition | undefined;
}

/** A branch of a union: a value of the tag and the object whose members it brings in. */
export interface UnionBranch {
  readonly name: string;
  /** `q_empty` (see Schema.empty) for a value the schema gives no branch. */
  readonly type: ObjectType;
  /** The branch's own condition; for a completed branch the enum value's. */
  readonly condition: Condition | undefined;
  /** False for a branch completed from the enum. */
  readonly explicit: boolean;
}

export interface Variants {
  /** The discriminator, found among the union's members. */
  readonly tag: Member;
  readonly tagType: EnumType;
  /** The explicit ones in schema order, then the completed ones in enum order. */
  readonly branches: readonly UnionBranch[];
}

export interface EnumValue {
  readonly name: string;
  readonly condition: Condition | undefined;
  readonly features: readonly Feature[];
}

interface EntityBase {
  readonly name: string;
  /** Undefined for what the language itself defines. */
  readonly location: Location | undefined;
  readonly condition: Condition | undefined;
  readonly features: readonly Feature[];
  readonly doc: DefinitionDoc | undefined;
  /** Path of the module as Module.name; `./builtin` for predefined and array-of-predefined types. */
  readonly module: string;
}

export type JsonType = 'string' | 'number' | 'int' | 'boolean' | 'value' | 'null';

/** str number int int8 int16 int32 int64 uint8 uint16 uint32 uint64 size bool any null. */
export interface BuiltinType extends EntityBase {
  readonly kind: 'builtin';
  readonly jsonType: JsonType;
}

export interface EnumType extends EntityBase {
  readonly kind: 'enum';
  readonly values: readonly EnumValue[];
  readonly prefix: string | undefined;
}

/** `TList`: `['T']` in a schema. */
export interface ArrayType extends EntityBase {
  readonly kind: 'array';
  readonly element: SchemaType;
}

/** A struct (no variants), a union (variants), or an implicit object: `q_obj_NAME-arg`, `q_obj_NAME-base`, `q_empty`. */
export interface ObjectType extends EntityBase {
  readonly kind: 'object';
  readonly meta: 'struct' | 'union' | 'implicit';
  /** A named struct, or for a union with inline base the implicit object of that base; undefined without base. */
  readonly base: ObjectType | undefined;
  /** Its own members, without the base's. A union has none. */
  readonly localMembers: readonly Member[];
  /** All members: the base's (recursively) first, then its own. Branches are not included. */
  readonly members: readonly Member[];
  readonly variants: Variants | undefined;
}

export interface AlternateType extends EntityBase {
  readonly kind: 'alternate';
  readonly branches: readonly AlternateBranch[];
}

export type SchemaType = BuiltinType | EnumType | ArrayType | ObjectType | AlternateType;

export interface Command extends EntityBase {
  readonly kind: 'command';
  /** Undefined without arguments; implicit for inline ones. A union only when boxed. */
  readonly argType: ObjectType | undefined;
  readonly boxed: boolean;
  /** Undefined when the reply is `{}`. */
  readonly returnType: SchemaType | undefined;
  readonly gen: boolean;
  readonly successResponse: boolean;
  readonly allowOob: boolean;
  readonly allowPreconfig: boolean;
  readonly coroutine: boolean;
}

export interface SchemaEvent extends EntityBase {
  readonly kind: 'event';
  readonly argType: ObjectType | undefined;
  readonly boxed: boolean;
}

export type Entity = SchemaType | Command | SchemaEvent;

/** One file of the schema (or `./builtin`), in the order of introspection. */
export interface Module {
  readonly name: string;
  /** Registration order; implicit types stand just before the definition that needs them. */
  readonly entities: readonly Entity[];
  /** What the file says, top to bottom: free-form documentation, definitions, includes. For reference pages. */
  readonly content: readonly (FreeFormDoc | Entity | Include)[];
}

export interface Include {
  readonly kind: 'include';
  /** The included module's name. */
  readonly module: string;
}

/** Free-form documentation: reStructuredText without the comment signs. */
export interface FreeFormDoc {
  readonly kind: 'free-form';
  readonly text: string;
  readonly location: Location;
}

export type DocTag = 'Returns' | 'Errors' | 'Since' | 'TODO' | 'Note' | 'Notes' | 'Example' | 'Examples';

export interface DocSection {
  /** Undefined for a plain paragraph group. */
  readonly tag: DocTag | undefined;
  readonly text: string;
  readonly location: Location;
}

/** The documentation block of one definition. Texts are reStructuredText without the comment signs, with `@name` references. */
export interface DefinitionDoc {
  readonly symbol: string;
  readonly location: Location;
  /** The plain text before any description or tagged section; empty when there is none. */
  readonly body: string;
  /** Descriptions of members, arguments, values or branches by name, in source order. */
  readonly members: ReadonlyMap<string, DocSection>;
  /** Descriptions of features (of the definition and of its members) by name. */
  readonly features: ReadonlyMap<string, DocSection>;
  /** All further sections in source order, tagged or plain. */
  readonly sections: readonly DocSection[];
}

export interface Schema {
  /** `./builtin`, the root file, then files in the order of their first include. */
  readonly modules: readonly Module[];
  /** Every entity, predefined ones first, in registration order. */
  readonly entities: readonly Entity[];
  readonly types: ReadonlyMap<string, SchemaType>;
  readonly commands: ReadonlyMap<string, Command>;
  readonly events: ReadonlyMap<string, SchemaEvent>;
  /** The predefined object without members, `q_empty`. */
  readonly empty: ObjectType;
}
