/**
 * The emitter's view of a live monitor: its reply to query-qmp-schema. Types have numbers there; they get names from the
 * command, event or member that leads to them first.
 */
import { QapiError } from './error.ts';
import {
  type CommandDef,
  type Doc,
  type EventDef,
  NamePool,
  pascalCase,
  type TypeDef,
  type TypeGraph,
  type TypeRef,
} from './type-graph.ts';
import type { JsonObject, JsonValue } from './value.ts';

/** QEMU takes further members in these commands, which the reply does not tell: properties of the device. */
const OPEN_COMMANDS: ReadonlySet<string> = new Set(['device_add']);

/** QAPI has lists of named types only; a peer that is no QEMU may name a list as its own element. */
const MAX_LISTS = 16;

/** @throws QapiError when it is no reply to query-qmp-schema. */
export function graphOfIntrospection(schemaInfo: readonly JsonValue[], interfaceName: string): TypeGraph {
  return new IntrospectionReader(schemaInfo, interfaceName).graph();
}

class IntrospectionReader {
  private readonly entries: JsonObject[];
  private readonly byName = new Map<string, JsonObject>();
  private readonly pool = new NamePool();
  /** Number to the name given; in order of discovery, which is also the order of the definitions. */
  private readonly names = new Map<string, string>();
  private readonly open = new Set<string>();

  constructor(schemaInfo: readonly JsonValue[], interfaceName: string) {
    this.entries = list(schemaInfo as JsonValue).map(object);
    for (const entry of this.entries) this.byName.set(string(entry['name']), entry);
    this.pool.take(interfaceName);
  }

  graph(): TypeGraph {
    const commands: CommandDef[] = [];
    const events: EventDef[] = [];
    for (const entry of this.entries) {
      const kind = entry['meta-type'];
      const name = string(entry['name']);
      const doc = featureTags(entry['features']);
      if (kind === 'command') {
        if (OPEN_COMMANDS.has(name)) this.open.add(string(entry['arg-type']));
        const argument = this.objectName(string(entry['arg-type']), `${pascalCase(name)}Arguments`);
        const result = string(entry['ret-type']);
        const isEmpty = this.isEmpty(result);
        commands.push({
          name,
          doc,
          argument,
          result: isEmpty ? undefined : this.ref(result, `${pascalCase(name)}Result`),
        });
      } else if (kind === 'event') {
        events.push({ name, doc, data: this.objectName(string(entry['arg-type']), `${pascalCase(name)}Data`) });
      }
    }
    const types = new Map<string, TypeDef>();
    // Definitions name further types while they are made.
    for (const [number, name] of this.names) types.set(name, this.definition(number, name));
    return { types, commands, events };
  }

  private entry(number: string): JsonObject {
    return this.byName.get(number) ?? malformed(`no type '${number}'`);
  }

  private isEmpty(number: string): boolean {
    const entry = this.entry(number);
    return entry['meta-type'] === 'object' && entry['variants'] === undefined && list(entry['members']).length === 0;
  }

  private objectName(number: string, wanted: string): string | undefined {
    return this.isEmpty(number) && !this.open.has(number) ? undefined : this.name(number, wanted);
  }

  private name(number: string, wanted: string): string {
    let name = this.names.get(number);
    if (name === undefined) {
      name = this.pool.take(/^[A-Za-z_]/.test(wanted) ? wanted : `Type${wanted}`, '_');
      this.names.set(number, name);
    }
    return name;
  }

  private ref(number: string, wanted: string, depth = 0): TypeRef {
    const entry = this.entry(number);
    const kind = entry['meta-type'];
    if (kind === 'array') {
      if (depth >= MAX_LISTS) malformed(`lists of type '${number}' are nested without end`);
      return { kind: 'list', element: this.ref(string(entry['element-type']), wanted, depth + 1) };
    }
    if (kind !== 'builtin') return { kind: 'named', name: this.name(number, wanted) };
    const json = entry['json-type'];
    switch (json) {
      case 'string':
      case 'number':
      case 'int':
      case 'boolean':
      case 'null':
        return { kind: 'scalar', json };
      default:
        return { kind: 'scalar', json: 'value' };
    }
  }

  private definition(number: string, name: string): TypeDef {
    const entry = this.entry(number);
    const doc = featureTags(entry['features']);
    if (entry['meta-type'] === 'enum') {
      // Before 6.2 there were only the plain names.
      const members = list(entry['members'] ?? list(entry['values']).map((value) => ({ name: value })));
      const values = members
        .map(object)
        .map((value) => ({ name: string(value['name']), doc: featureTags(value['features']) }));
      return { kind: 'enum', name, doc, values };
    }
    if (entry['meta-type'] === 'alternate') {
      const branches = list(entry['members']).map((branch, index) =>
        this.ref(string(object(branch)['type']), `${name}Option${index}`),
      );
      return { kind: 'alternate', name, doc, branches };
    }
    if (entry['meta-type'] !== 'object') malformed(`type '${number}' is not of a known kind`);
    const members = list(entry['members'])
      .map(object)
      .map((member) => {
        const memberName = string(member['name']);
        return {
          name: memberName,
          type: this.ref(string(member['type']), derivedName(memberName, string(member['type']))),
          optional: Object.hasOwn(member, 'default'),
          doc: featureTags(member['features']),
        };
      });
    const cases = entry['variants'] === undefined ? undefined : list(entry['variants']).map(object);
    const union = cases && {
      tag: string(entry['tag']),
      cases: cases.map((branch) => {
        const value = string(branch['case']);
        const type = string(branch['type']);
        return { value, type: this.objectName(type, derivedName(value, type)), doc: [] };
      }),
    };
    return { kind: 'object', name, doc, base: undefined, members, union, open: this.open.has(number) };
  }
}

/** A short name from the member that leads to a type; the number keeps it apart from others. */
const derivedName = (member: string, number: string): string => pascalCase(member) + number.replace(/\D/g, '');

function featureTags(features: JsonValue | undefined): Doc {
  const names = features === undefined ? [] : list(features);
  return names.flatMap((name) =>
    name === 'deprecated' ? ['@deprecated'] : name === 'unstable' ? ['@experimental'] : [],
  );
}

function malformed(what: string): never {
  throw new QapiError(`not a reply to query-qmp-schema: ${what}`);
}

function object(value: JsonValue): JsonObject {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as JsonObject) : malformed('expected an object');
}

function list(value: JsonValue | undefined): JsonValue[] {
  return Array.isArray(value) ? value : malformed('expected a list');
}

/** Strings end up in the text: they must not end a literal. */
function string(value: JsonValue | undefined): string {
  return typeof value === 'string' && !/['\\\n\r]/.test(value) ? value : malformed('expected a name');
}
