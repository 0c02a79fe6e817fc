/**
 * `key=value` words -> a command's arguments, typed by the server's own schema (query-qmp-schema), so that it works for
 * any QMP server. Keys are dotted for nested members; a value is never split at commas. A list of strings may be given as
 * the same key several times, as `-netdev` has it (`hostfwd=...`). One word that starts with `{` is the arguments as JSON.
 */
import { type JsonObject, type JsonValue, QapiError } from '../qapi/index.ts';
import { parseJsonText } from '../qmp/index.ts';

const isHexadecimal = (text: string): boolean => /^0x[0-9a-f]{1,16}$/i.test(text);

/** Dots in a key; no command of any server nests so far. */
const MAX_DEPTH = 32;

interface SchemaInfo {
  name: string;
  'meta-type': string;
  'arg-type'?: string;
  'element-type'?: string;
  'json-type'?: string;
  tag?: string;
  members?: { name: string; type: string; default?: null }[] | { type: string }[];
  variants?: { case: string; type: string }[];
  values?: string[];
}

export class ServerSchema {
  private readonly infos: Map<string, SchemaInfo>;

  constructor(reply: unknown) {
    this.infos = new Map(
      (reply as SchemaInfo[]).map((info) => [`${isEntity(info) ? 'entity' : 'type'}:${info.name}`, info]),
    );
  }

  commandNames(): string[] {
    return [...this.infos.values()].filter((info) => info['meta-type'] === 'command').map((info) => info.name);
  }

  /** Dotted names of a command's arguments, for completion; `chosen` are the words typed so far. */
  argumentNames(command: string, chosen: readonly string[]): string[] {
    const argType = this.argType(command);
    return argType === undefined ? [] : this.memberNames(argType, '', chosen, 0);
  }

  /** Values that a dotted argument may have, for completion: enum members and booleans. */
  argumentValues(command: string, key: string, chosen: readonly string[]): string[] {
    const type = this.typeOf(command, key, chosen);
    const info = type === undefined ? undefined : this.infos.get(`type:${type}`);
    if (info?.['json-type'] === 'boolean') return ['true', 'false'];
    return info?.values ?? [];
  }

  /** How a command is written: `set_link name=STR up=on|off`, optional arguments in brackets. */
  usage(command: string): string {
    const members = this.ownArguments(command).map((member) => {
      const word = `${member.name}=${this.valueWord(member.type)}`;
      return 'default' in member ? `[${word}]` : word;
    });
    const isTagged = this.infos.get(`type:${this.argType(command)}`)?.tag !== undefined;
    return [command, ...members, ...(isTagged ? ['KEY=VALUE...'] : [])].join(' ');
  }

  /** @throws QapiError for a word that is no key=value or whose value has the wrong form. */
  parse(command: string, words: readonly string[]): JsonObject {
    const result: JsonObject = Object.create(null);
    for (const word of words) {
      const equals = word.indexOf('=');
      if (equals <= 0) throw this.noKey(command, words, word);
      const key = word.slice(0, equals);
      const type = this.typeOf(command, key, words);
      const text = word.slice(equals + 1);
      const item = text.startsWith('[') ? undefined : this.stringItem(type, text);
      if (item === undefined) setDotted(result, key.split('.'), this.convert(type, text, key), key);
      else appendDotted(result, key, item);
    }
    return listify(result);
  }

  /** Words in the order of a command's arguments are what people write first: the error has them with their keys. */
  private noKey(command: string, words: readonly string[], word: string): QapiError {
    const names = this.ownArguments(command).map(({ name }) => name);
    const isPositional = words.length <= names.length && words.every((one) => !/[={]/.test(one));
    const form = isPositional
      ? [command, ...words.map((one, index) => `${names[index]}=${one}`)].join(' ')
      : this.usage(command);
    return new QapiError(`Expected key=value or one JSON object, got '${word}'`, {
      hint: names.length === 0 ? `${command} takes no arguments` : `write: ${form}`,
    });
  }

  private argType(command: string): string | undefined {
    return this.infos.get(`entity:${command}`)?.['arg-type'];
  }

  /** Those every use has; the one that decides on further ones comes first. */
  private ownArguments(command: string): { name: string; type: string; default?: null }[] {
    const type = this.argType(command);
    const tag = this.infos.get(`type:${type}`)?.tag;
    const members = this.members(type, '', []);
    return [...members.filter(({ name }) => name === tag), ...members.filter(({ name }) => name !== tag)];
  }

  /** An item for a list of strings, of words, or of objects that wrap a string (`String`). */
  private stringItem(type: string | undefined, text: string): JsonValue | undefined {
    const element = type === undefined ? undefined : this.infos.get(`type:${type}`)?.['element-type'];
    if (element === undefined) return undefined;
    if (this.isText(element)) return text;
    const [member, ...others] = this.members(element, '', []);
    return member !== undefined && others.length === 0 && this.isText(member.type)
      ? wrapped(member.name, text)
      : undefined;
  }

  private isText(type: string): boolean {
    const info = this.infos.get(`type:${type}`);
    return info?.['json-type'] === 'string' || info?.values !== undefined;
  }

  private valueWord(type: string): string {
    const info = this.infos.get(`type:${type}`);
    if (info?.values !== undefined) return info.values.length <= 6 ? info.values.join('|') : 'WORD';
    if (info?.['meta-type'] === 'array') {
      const element = info['element-type'] ?? '';
      if (this.stringItem(type, '') === undefined) return 'JSON';
      return `${this.isText(element) ? this.valueWord(element) : 'TEXT'}...`;
    }
    switch (info?.['json-type']) {
      case 'boolean':
        return 'on|off';
      case 'int':
      case 'number':
        return 'N';
      case 'string':
        return 'TEXT';
      default:
        return 'JSON';
    }
  }

  private convert(type: string | undefined, text: string, key: string): JsonValue {
    const info = type === undefined ? undefined : this.infos.get(`type:${type}`);
    switch (info?.['json-type'] ?? info?.['meta-type']) {
      case 'boolean': {
        if (['true', 'on', 'yes', 'y'].includes(text)) return true;
        if (['false', 'off', 'no', 'n'].includes(text)) return false;
        throw new QapiError(`Parameter '${key}' expects 'on' or 'off'`);
      }
      case 'int':
      case 'number':
      case 'object':
      case 'array':
      case 'value':
      case 'alternate':
        try {
          return parseJsonText(isHexadecimal(text) ? String(BigInt(text)) : text);
        } catch (error) {
          throw new QapiError(`Parameter '${key}': ${error instanceof Error ? error.message : String(error)}`, {
            cause: error,
          });
        }
      default:
        return text;
    }
  }

  private typeOf(command: string, key: string, words: readonly string[]): string | undefined {
    let type = this.argType(command);
    let prefix = '';
    for (const part of key.split('.')) {
      const info = type === undefined ? undefined : this.infos.get(`type:${type}`);
      if (info?.['meta-type'] === 'array') type = info['element-type'];
      else type = this.members(type, prefix, words).find((member) => member.name === part)?.type;
      prefix += `${part}.`;
    }
    return type;
  }

  private members(
    type: string | undefined,
    prefix: string,
    words: readonly string[],
  ): { name: string; type: string; default?: null }[] {
    const info = type === undefined ? undefined : this.infos.get(`type:${type}`);
    if (info?.['meta-type'] !== 'object') return [];
    const own = (info.members ?? []) as { name: string; type: string; default?: null }[];
    if (info.tag === undefined) return own;
    const tagWord = words.find((word) => word.startsWith(`${prefix}${info.tag}=`));
    const tag = tagWord?.slice(tagWord.indexOf('=') + 1);
    const variant = info.variants?.find((candidate) => candidate.case === tag);
    return variant === undefined ? own : [...own, ...this.members(variant.type, prefix, words)];
  }

  private memberNames(type: string, prefix: string, words: readonly string[], depth: number): string[] {
    if (depth > 4) return [];
    return this.members(type, prefix, words).flatMap((member) => {
      const name = `${prefix}${member.name}`;
      const info = this.infos.get(`type:${member.type}`);
      return info?.['meta-type'] === 'object' ? this.memberNames(member.type, `${name}.`, words, depth + 1) : [name];
    });
  }
}

function isEntity(info: SchemaInfo): boolean {
  return info['meta-type'] === 'command' || info['meta-type'] === 'event';
}

function setDotted(target: JsonObject, path: readonly string[], value: JsonValue, key: string): void {
  if (path.length > MAX_DEPTH)
    throw new QapiError(`Parameter '${key.slice(0, 40)}...' is nested too deeply (limit ${MAX_DEPTH})`);
  let at = target;
  for (const part of path.slice(0, -1)) {
    at[part] ??= Object.create(null) as JsonObject;
    const next = at[part];
    if (typeof next !== 'object' || next === null || Array.isArray(next)) {
      throw new QapiError(`Parameters '${key}' used inconsistently`);
    }
    at = next as JsonObject;
  }
  at[path.at(-1)!] = value;
}

function wrapped(name: string, value: JsonValue): JsonObject {
  const object = Object.create(null) as JsonObject;
  object[name] = value;
  return object;
}

/** One more item of a list whose key is given several times. */
function appendDotted(target: JsonObject, key: string, item: JsonValue): void {
  const path = key.split('.');
  let at: JsonValue | undefined = target;
  for (const part of path) {
    at =
      typeof at === 'object' && at !== null && !Array.isArray(at) && Object.hasOwn(at, part)
        ? (at as JsonObject)[part]
        : undefined;
  }
  if (Array.isArray(at)) at.push(item);
  else if (at === undefined) setDotted(target, path, [item], key);
  else throw new QapiError(`Parameters '${key}' used inconsistently`);
}

/** Objects whose keys are 0..n-1 are lists. */
function listify<T extends JsonValue>(value: T): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const object = value as JsonObject;
  const keys = Object.keys(object);
  for (const key of keys) object[key] = listify(object[key]!);
  const isList = keys.length > 0 && keys.every((_, index) => Object.hasOwn(object, `${index}`));
  return (isList ? keys.map((_, index) => object[`${index}`]!) : object) as T;
}
