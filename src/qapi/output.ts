/** Output: a value of our own into JSON, members in schema order, absent optional ones left out (QEMU qapi/qobject-output-visitor.c). */
import { QapiError } from './error.ts';
import { type MemberEntry, type ObjectEntry, type TypeEntry, variantOf } from './table.ts';
import { JsonDouble, type JsonObject, type JsonValue } from './value.ts';

/** @throws QapiError when a mandatory member is not there: our own mistake, which then costs one reply. */
export function outputValue(type: TypeEntry, value: unknown): JsonValue {
  switch (type.kind) {
    case 'array':
      return (value as readonly unknown[]).map((item) => outputValue(type.element, item));
    case 'object': {
      const result: JsonObject = {};
      members(type, value as Record<string, unknown>, result);
      return result;
    }
    case 'alternate': {
      const branch = typeof value === 'object' && type.branches.find((entry) => entry.kind === 'object');
      return branch && value !== null ? outputValue(branch, value) : (value as JsonValue);
    }
    case 'builtin':
      return type.json === 'number' && typeof value === 'number' ? new JsonDouble(value) : (value as JsonValue);
    default:
      return value as JsonValue;
  }
}

function members(type: ObjectEntry, value: Record<string, unknown>, result: JsonObject): void {
  for (const member of type.members) {
    const item = Object.hasOwn(value, member.name) ? value[member.name] : undefined;
    if (item !== undefined) result[member.name] = outputValue(member.type, item);
    else if (!member.optional) missing(member);
  }
  const variant = variantOf(type, value);
  if (variant !== undefined) members(variant, value, result);
}

function missing({ name, type }: MemberEntry): never {
  throw new QapiError(`Internal error: '${name}' of type '${type.name}' has no value`);
}
