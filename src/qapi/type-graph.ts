/** What the TypeScript emitter needs to know of a schema, whether it was read from files or from a live monitor. */

export type TypeRef =
  | { readonly kind: 'scalar'; readonly json: 'string' | 'number' | 'int' | 'boolean' | 'null' | 'value' }
  | { readonly kind: 'list'; readonly element: TypeRef }
  | { readonly kind: 'named'; readonly name: string };

/** Lines for a doc comment: paragraphs of plain text, and tags with their `@`. */
export type Doc = readonly string[];

export interface ValueDef {
  readonly name: string;
  readonly doc: Doc;
}

export interface EnumDef {
  readonly kind: 'enum';
  readonly name: string;
  readonly doc: Doc;
  readonly values: readonly ValueDef[];
}

export interface MemberDef {
  readonly name: string;
  readonly type: TypeRef;
  readonly optional: boolean;
  readonly doc: Doc;
}

/** What a union adds for one value of its tag: the members of another object, or nothing. */
export interface CaseDef {
  readonly value: string;
  readonly type: string | undefined;
  readonly doc: Doc;
}

export interface ObjectDef {
  readonly kind: 'object';
  readonly name: string;
  readonly doc: Doc;
  /** A named object whose members it has too. */
  readonly base: string | undefined;
  /** Its own members; for a union the members beside the branches, its tag among them. */
  readonly members: readonly MemberDef[];
  readonly union: { readonly tag: string; readonly cases: readonly CaseDef[] } | undefined;
  /** It takes members that the schema does not name. */
  readonly open: boolean;
}

export interface AlternateDef {
  readonly kind: 'alternate';
  readonly name: string;
  readonly doc: Doc;
  readonly branches: readonly TypeRef[];
}

export type TypeDef = EnumDef | ObjectDef | AlternateDef;

export interface CommandDef {
  readonly name: string;
  readonly doc: Doc;
  /** Name of an object type; undefined without arguments. */
  readonly argument: string | undefined;
  readonly result: TypeRef | undefined;
}

export interface EventDef {
  readonly name: string;
  readonly doc: Doc;
  readonly data: string | undefined;
}

export interface TypeGraph {
  /** By name: names that TypeScript takes, each once. */
  readonly types: ReadonlyMap<string, TypeDef>;
  readonly commands: readonly CommandDef[];
  readonly events: readonly EventDef[];
}

/** `vhost-user` and `NIC_RX` to `VhostUser` and `NicRx`; `set_link` to `SetLink`. */
export function pascalCase(name: string): string {
  return name
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + (/[a-z]/.test(word) ? word.slice(1) : word.slice(1).toLowerCase()))
    .join('');
}

/** Hands out type names, each once. */
export class NamePool {
  private readonly taken = new Set<string>();

  take(wanted: string, suffix = '_'): string {
    let name = wanted;
    while (this.taken.has(name)) name += suffix;
    this.taken.add(name);
    return name;
  }
}
