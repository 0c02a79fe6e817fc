/**
 * The schema room: what options, commands and events there are, and what values they take. The run-time half interprets
 * a compiled table; the compiler half (front end, emitters) makes tables, types and pages out of schema files.
 */
export { type ErrorClass, QapiError } from './error.ts';
export { type KeyvalTree, parseKeyval } from './keyval.ts';
export { type OptionList, parseOptionList } from './opts.ts';
export { isTraditional, type NetdevArgument, parseNetdevArgument, parseNetdevOptions } from './opts-netdev.ts';
export type {
  CommandArguments,
  CommandName,
  CommandReturns,
  EventData,
  EventName,
  QmpSchema,
} from './schema-types.ts';
export { parseBool, parseInt64, parseNumber, parseSize, parseUint64 } from './size.ts';
export type {
  AlternateEntry,
  ArrayEntry,
  BuiltinEntry,
  CommandEntry,
  EnumEntry,
  EventEntry,
  MemberEntry,
  ObjectEntry,
  SchemaTable,
  TypeEntry,
} from './table.ts';
export { type InputObject, parseString, Schema } from './table-schema.ts';
export { JsonDouble, type JsonObject, type JsonValue } from './value.ts';
