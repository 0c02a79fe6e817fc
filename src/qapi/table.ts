/**
 * The compiled table: what a schema says, with conditions decided and bases flattened, one line of text for each
 * definition, and the reader that turns it into linked types. Lines, in the order of introspection:
 *
 *     command NAME ARGUMENTS RESULT [oob] [!FEATURE]...    '-' stands for no arguments, no result
 *     event NAME DATA [!FEATURE]...
 *     enum NAME [!FEATURE]... VALUE...
 *     object NAME [!FEATURE]... MEMBER...
 *     union NAME TAG [!FEATURE]... MEMBER... | VALUE:TYPE...
 *     alternate NAME [!FEATURE]... TYPE...
 *
 * MEMBER is `name:TYPE`, or `*name:TYPE` when it is optional; VALUE and MEMBER may end in `!FEATURE`s; TYPE is a
 * definition's or built-in type's name, in brackets for a list. A union names every value of its tag that has a branch
 * with members; for the others it adds nothing.
 */
export type SchemaTable = readonly string[];

/** JSON kinds as introspection names them. */
export type JsonKind = 'string' | 'number' | 'int' | 'boolean' | 'null' | 'value';

export interface BuiltinEntry {
  readonly kind: 'builtin';
  readonly name: string;
  readonly json: JsonKind;
  /** Integers only: the bits of its value, and whether it has a sign. */
  readonly bits: number;
  readonly signed: boolean;
}

export interface EnumEntry {
  readonly kind: 'enum';
  readonly name: string;
  readonly features: readonly string[];
  /** Value to its features, in schema order. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

export interface ArrayEntry {
  readonly kind: 'array';
  readonly name: string;
  readonly element: TypeEntry;
}

export interface MemberEntry {
  readonly name: string;
  readonly type: TypeEntry;
  readonly optional: boolean;
  readonly features: readonly string[];
}

export interface ObjectEntry {
  readonly kind: 'object';
  readonly name: string;
  readonly features: readonly string[];
  readonly members: readonly MemberEntry[];
  /** A union's discriminator. */
  readonly tag: string | undefined;
  /** A union's branches with members, by the tag's value. */
  readonly variants: ReadonlyMap<string, ObjectEntry>;
}

export interface AlternateEntry {
  readonly kind: 'alternate';
  readonly name: string;
  readonly features: readonly string[];
  readonly branches: readonly TypeEntry[];
}

export type TypeEntry = BuiltinEntry | EnumEntry | ArrayEntry | ObjectEntry | AlternateEntry;

export interface CommandEntry {
  readonly kind: 'command';
  readonly name: string;
  readonly features: readonly string[];
  readonly argument: ObjectEntry;
  /** Undefined when the reply is `{}`. */
  readonly result: TypeEntry | undefined;
  readonly allowOob: boolean;
}

export interface EventEntry {
  readonly kind: 'event';
  readonly name: string;
  readonly features: readonly string[];
  readonly data: ObjectEntry;
}

const builtin = (name: string, json: JsonKind, bits = 0): [string, BuiltinEntry] => [
  name,
  { kind: 'builtin', name, json, bits, signed: name[0] === 'i' },
];

const BUILTINS: readonly [string, BuiltinEntry][] = [
  builtin('str', 'string'),
  builtin('number', 'number'),
  builtin('bool', 'boolean'),
  builtin('any', 'value'),
  builtin('null', 'null'),
  builtin('int', 'int', 64),
  builtin('size', 'int', 64),
  ...[8, 16, 32, 64].flatMap((bits) => [builtin(`int${bits}`, 'int', bits), builtin(`uint${bits}`, 'int', bits)]),
];

/** The object without members. */
export const EMPTY: ObjectEntry = {
  kind: 'object',
  name: 'q_empty',
  features: [],
  members: [],
  tag: undefined,
  variants: new Map(),
};

/** The linked form of a table. @throws TypeError for a line that no compiler wrote. */
export class TableReader {
  readonly types = new Map<string, TypeEntry>(BUILTINS);
  readonly commands = new Map<string, CommandEntry>();
  readonly events = new Map<string, EventEntry>();
  /** Commands and events in introspection's order. */
  readonly entities: (CommandEntry | EventEntry)[] = [];

  constructor(table: SchemaTable) {
    this.types.set(EMPTY.name, EMPTY);
    const lines = table.map((line) => line.split(' '));
    // Types may refer to later ones: make all first, then fill them.
    const fill: (() => void)[] = [];
    for (const [kind, name = '', ...words] of lines) {
      const features: string[] = [];
      while (words[0]?.[0] === '!') features.push(words.shift()!.slice(1));
      if (kind === 'enum') {
        this.types.set(name, { kind, name, features, values: new Map(words.map(splitFeatures)) });
      } else if (kind === 'object' || kind === 'union') {
        const members: MemberEntry[] = [];
        const variants = new Map<string, ObjectEntry>();
        const tag = kind === 'union' ? words.shift() : undefined;
        while (words[0]?.[0] === '!') features.push(words.shift()!.slice(1));
        const bar = words.indexOf('|');
        const memberWords = bar < 0 ? words : words.slice(0, bar);
        this.types.set(name, { kind: 'object', name, features, members, tag, variants });
        fill.push(() => {
          for (const word of memberWords) members.push(this.member(word));
          for (const word of bar < 0 ? [] : words.slice(bar + 1)) {
            const colon = word.indexOf(':');
            variants.set(word.slice(0, colon), this.object(word.slice(colon + 1)));
          }
        });
      } else if (kind === 'alternate') {
        const branches: TypeEntry[] = [];
        this.types.set(name, { kind, name, features, branches });
        fill.push(() => {
          for (const word of words) branches.push(this.type(word));
        });
      }
    }
    for (const step of fill) step();
    for (const [kind, name = '', data = '', ...words] of lines) {
      const features = words.filter((word) => word[0] === '!').map((word) => word.slice(1));
      if (kind === 'event') {
        const entry: EventEntry = { kind, name, features, data: this.object(data) };
        this.events.set(name, entry);
        this.entities.push(entry);
      } else if (kind === 'command') {
        const result = words[0] === '-' ? undefined : this.type(words[0] ?? '');
        const allowOob = words.includes('oob', 1);
        const entry: CommandEntry = { kind, name, features, argument: this.object(data), result, allowOob };
        this.commands.set(name, entry);
        this.entities.push(entry);
      }
    }
  }

  /** A type by name; lists are made at their first use. */
  type(name: string): TypeEntry {
    let type = this.types.get(name);
    if (type === undefined && name[0] === '[') {
      type = { kind: 'array', name, element: this.type(name.slice(1, -1)) };
      this.types.set(name, type);
    }
    if (type === undefined) throw new TypeError(`schema table: no type '${name}'`);
    return type;
  }

  private object(name: string): ObjectEntry {
    const type = name === '-' ? EMPTY : this.type(name);
    if (type.kind !== 'object') throw new TypeError(`schema table: '${name}' is not an object`);
    return type;
  }

  private member(word: string): MemberEntry {
    const [declaration, features] = splitFeatures(word);
    const colon = declaration.indexOf(':');
    const optional = declaration[0] === '*';
    const type = this.type(declaration.slice(colon + 1));
    return { name: declaration.slice(optional ? 1 : 0, colon), type, optional, features };
  }
}

function splitFeatures(word: string): [string, readonly string[]] {
  const [name = '', ...features] = word.split('!');
  return [name, features];
}
