/** A schema at run time: the compiled table, interpreted for every form of input, for output and for introspection. */
import { QapiError } from './error.ts';
import { introspectTable } from './introspect-table.ts';
import { parseKeyval } from './keyval.ts';
import { type OptionList, parseOptionList } from './opts.ts';
import { outputValue } from './output.ts';
import {
  type CommandEntry,
  type EventEntry,
  readTable,
  type SchemaTable,
  type Table,
  type TypeEntry,
} from './table.ts';
import type { JsonObject, JsonValue } from './value.ts';
import { JSON_FORM } from './visitor-json.ts';
import { KEYVAL_FORM } from './visitor-keyval.ts';
import { visitOptions } from './visitor-opts.ts';
import { visitString } from './visitor-string.ts';
import { visitTree } from './visitor-tree.ts';

/** What input visitors give: wire names, integers as numbers, or bigints beyond 2^53; absent members are not there. */
export type InputObject = Record<string, unknown>;

/**
 * Safe for input of any kind: every fault is a QapiError with QEMU's text.
 * @example
 * const schema = new Schema(NETYARD_TABLE);
 * schema.inputCommand('netdev_add', { type: 'user', id: 'u0' });
 * schema.inputQemuOpts('Netdev', 'user,id=u0,restrict=on', 'type').value;
 */
export class Schema {
  private readonly table: Table;

  constructor(table: SchemaTable) {
    this.table = readTable(table);
  }

  /** Undefined for a command that the schema does not have. */
  commandInfo(name: string): CommandEntry | undefined {
    return this.table.commands.get(name);
  }

  eventInfo(name: string): EventEntry | undefined {
    return this.table.events.get(name);
  }

  /** In schema order. */
  commandNames(): string[] {
    return [...this.table.commands.keys()];
  }

  /** A type by its name, `[name]` for a list. @throws TypeError for a type that the schema does not have. */
  type(name: string): TypeEntry {
    return this.table.type(name);
  }

  /** The values of an enum, in schema order; of no other type. */
  enumValues(typeName: string): string[] {
    const type = this.table.type(typeName);
    return type.kind === 'enum' ? [...type.values.keys()] : [];
  }

  /**
   * A command's arguments, checked and converted. Deprecated and unstable members are taken.
   * @throws QapiError with QEMU's class and text.
   */
  inputCommand(name: string, args: JsonObject | undefined): InputObject {
    const command = this.table.commands.get(name);
    if (command === undefined) {
      throw new QapiError(`The command ${name} has not been found`, { class: 'CommandNotFound' });
    }
    return visitTree(JSON_FORM, command.argument, args ?? {}) as InputObject;
  }

  /** A value from JSON, or from a program. @throws QapiError with QEMU's text. */
  inputJson(typeName: string, value: JsonValue): unknown {
    return visitTree(JSON_FORM, this.table.type(typeName), value);
  }

  /** Dotted keys. @throws QapiError with QEMU's text. */
  inputKeyval(typeName: string, text: string, impliedKey?: string): InputObject {
    return visitTree(KEYVAL_FORM, this.table.type(typeName), parseKeyval(text, impliedKey)) as InputObject;
  }

  /**
   * Traditional options. The id must be well-formed.
   * @returns the value, and warnings about deprecated spellings as QEMU prints them.
   * @throws QapiError with QEMU's text, and for a bad id with its hint.
   */
  inputQemuOpts(typeName: string, text: string, impliedKey?: string): { value: InputObject; warnings: string[] } {
    const list = parseOptionList(text, impliedKey);
    return { value: this.inputOptionList(typeName, list), warnings: [...list.warnings] };
  }

  /** Traditional options that were parsed, and perhaps changed, before. @throws QapiError with QEMU's text. */
  inputOptionList(typeName: string, list: OptionList): InputObject {
    return visitOptions(this.table.object(typeName), list);
  }

  /** A value of our own as JSON: schema order, absent optional members left out. */
  output(type: string | TypeEntry, value: unknown): JsonValue {
    return outputValue(typeof type === 'string' ? this.table.type(type) : type, value);
  }

  /** A command's result as JSON; `{}` for a command without one. */
  outputCommand(name: string, value: unknown): JsonValue {
    const result = this.table.commands.get(name)?.result;
    return result === undefined ? {} : outputValue(result, value);
  }

  /** The reply to query-qmp-schema. */
  introspect(): JsonValue[] {
    return introspectTable(this.table);
  }
}

/**
 * One text to one value, as for a property: `parseString(schema, '[int]', '1,5-9')`.
 * @param name - the property, for messages.
 * @throws QapiError with QEMU's text.
 */
export function parseString(schema: Schema, typeName: string, text: string, name?: string): unknown {
  return visitString(schema.type(typeName), text, name);
}
