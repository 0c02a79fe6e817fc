/**
 * The compiled table: what a schema says, with conditions decided and bases flattened, one line of text for each
 * definition, and the reader that turns it into linked types. Lines, in the order of introspection:
 *
 *     command NAME OBJECT [RESULT|- [oob]] [!FEATURE]...
 *     event NAME OBJECT [!FEATURE]...
 *     enum NAME [!FEATURE]... VALUE...
 *     object NAME [!FEATURE]... MEMBER...
 *     union NAME TAG [!FEATURE]... MEMBER... | VALUE:OBJECT...
 *     alternate NAME [!FEATURE]... TYPE...
 *
 * TYPE is a definition's or built-in type's name, in brackets for a list. OBJECT is the name of an object type, or
 * `{MEMBER,...}` for one that is used just there; RESULT is a type. MEMBER is `name:TYPE`, or just `name` for a str, with
 * `*` in front when it is optional; VALUE and MEMBER may end in `!FEATURE`s. A union names the branches that the schema
 * gives; for other values of its tag it adds nothing.
 */
export type SchemaTable = readonly string[];

/** JSON kinds as introspection names them. */
export type JsonKind = 'string' | 'number' | 'int' | 'boolean' | 'null' | 'value';

export interface BuiltinEntry {
  readonly kind: 'builtin';
  readonly name: string;
  readonly json: JsonKind;
  /** Of an integer: the bits of its value, and whether it has a sign. */
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

const JSON_KINDS: Readonly<Record<string, JsonKind>> = {
  str: 'string',
  number: 'number',
  bool: 'boolean',
  any: 'value',
  null: 'null',
};
const INTEGERS = 'int int8 int16 int32 int64 uint8 uint16 uint32 uint64 size';

const builtin = (name: string): [string, BuiltinEntry] => [
  name,
  {
    kind: 'builtin',
    name,
    json: JSON_KINDS[name] ?? 'int',
    bits: Number(name.match(/\d+/) ?? 64),
    signed: name[0] === 'i',
  },
];

const object = (name: string, features: string[], members: MemberEntry[], tag?: string): ObjectEntry => ({
  kind: 'object',
  name,
  features,
  members,
  tag,
  variants: new Map(),
});

/** The object without members. */
export const EMPTY: ObjectEntry = object('q_empty', [], []);

/** The linked form of a table. */
export interface Table {
  readonly commands: ReadonlyMap<string, CommandEntry>;
  readonly events: ReadonlyMap<string, EventEntry>;
  /** Commands and events in introspection's order. */
  readonly entities: readonly (CommandEntry | EventEntry)[];
  /** A type by name; lists are made at their first use. @throws TypeError for a type that is not there. */
  type(name: string): TypeEntry;
  /** An object type by name. */
  object(name: string): ObjectEntry;
}

/** @throws TypeError for a table that no compiler wrote. */
export function readTable(table: SchemaTable): Table {
  const types = new Map<string, TypeEntry>([...Object.keys(JSON_KINDS), ...INTEGERS.split(' ')].map(builtin));
  const commands = new Map<string, CommandEntry>();
  const events = new Map<string, EventEntry>();
  const entities: (CommandEntry | EventEntry)[] = [];
  // Types may refer to later ones, commands to all of them: make the types first, then fill in.
  const fill: (() => void)[] = [];

  const type = (name: string): TypeEntry => {
    let found = types.get(name);
    if (found === undefined && name[0] === '[') {
      found = { kind: 'array', name, element: type(name.slice(1, -1)) };
      types.set(name, found);
    }
    return found ?? noType(name);
  };
  const objectType = (name: string): ObjectEntry => {
    const found = type(name);
    return found.kind === 'object' ? found : noType(name);
  };
  const member = (word: string): MemberEntry => {
    const [declaration, features] = splitFeatures(word);
    const [spelled, ref] = split(declaration, ':');
    const optional = spelled[0] === '*';
    return { name: optional ? spelled.slice(1) : spelled, type: type(ref || 'str'), optional, features };
  };
  const objectOf = (name: string, text: string): ObjectEntry => {
    if (text[0] !== '{') return objectType(text);
    const words = text.slice(1, -1);
    return words === '' ? EMPTY : object(`q_obj_${name}-arg`, [], words.split(',').map(member));
  };

  for (const line of table) {
    const [kind, name = '', ...words] = line.split(' ');
    const features = words.filter(isFeature).map((word) => word.slice(1));
    const rest = words.filter((word) => !isFeature(word));
    if (kind === 'enum') {
      types.set(name, { kind, name, features, values: new Map(rest.map(splitFeatures)) });
    } else if (kind === 'alternate') {
      const branches: TypeEntry[] = [];
      types.set(name, { kind, name, features, branches });
      fill.push(() => branches.push(...rest.map(type)));
    } else if (kind === 'event' || kind === 'command') {
      const [data = '', result = '-', oob] = rest;
      fill.push(() => {
        const argument = objectOf(name, data);
        if (kind === 'event') {
          const entry: EventEntry = { kind, name, features, data: argument };
          events.set(name, entry);
          entities.push(entry);
        } else {
          const returned = result === '-' ? undefined : type(result);
          const entry: CommandEntry = { kind, name, features, argument, result: returned, allowOob: oob !== undefined };
          commands.set(name, entry);
          entities.push(entry);
        }
      });
    } else {
      const tag = kind === 'union' ? rest.shift() : undefined;
      const members: MemberEntry[] = [];
      const variants = new Map<string, ObjectEntry>();
      types.set(name, { ...object(name, features, members, tag), variants });
      const [own, branches] = split(rest, '|');
      fill.push(() => {
        members.push(...own.map(member));
        for (const word of branches) {
          const [value, ref] = split(word, ':');
          variants.set(value, objectOf(`${name}-${value}`, ref));
        }
      });
    }
  }
  for (const step of fill) step();
  return { commands, events, entities, type, object: objectType };
}

/** The branch of a union that a value selects; undefined for what has none. */
export function variantOf(type: ObjectEntry, value: Readonly<Record<string, unknown>>): ObjectEntry | undefined {
  return type.variants.get(value[type.tag ?? ''] as string);
}

function noType(name: string): never {
  throw new TypeError(`schema: no such type: ${name}`);
}

const isFeature = (word: string): boolean => word[0] === '!';

/** What stands before a separator and what behind it; nothing behind one that is not there. */
function split(text: string, separator: string): [string, string];
function split(words: readonly string[], separator: string): [readonly string[], readonly string[]];
function split(list: string | readonly string[], separator: string): unknown {
  const at = list.indexOf(separator);
  return at < 0 ? [list, list.slice(list.length)] : [list.slice(0, at), list.slice(at + 1)];
}

function splitFeatures(word: string): [string, readonly string[]] {
  const [name = '', ...features] = word.split('!');
  return [name, features];
}
