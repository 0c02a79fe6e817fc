/** Between what a program holds and what the protocol carries. */
import { JsonDouble, type JsonObject, type JsonValue } from '../qapi/index.ts';
import { QmpSessionError } from './errors.ts';
import { MAX_NESTING } from './json-reader.ts';

/**
 * A copy of a command's arguments as JSON values: members that are undefined are left out.
 * @throws QmpSessionError NY_QMP_USAGE naming the member that has no JSON form
 */
export function toJsonArguments(args: object | undefined): JsonObject | undefined {
  if (args === undefined) return undefined;
  const value = toJson(args, 'arguments', 0);
  if (Array.isArray(value)) throw noJsonForm('arguments', 'an array');
  return value as JsonObject;
}

function toJson(value: unknown, path: string, depth: number): JsonValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw noJsonForm(path, String(value));
      return value;
    case 'object':
      break;
    default:
      throw noJsonForm(path, `a ${typeof value}`);
  }
  if (value === null || value instanceof JsonDouble) return value;
  if (depth >= MAX_NESTING) throw noJsonForm(path, 'nested too deeply');
  if (Array.isArray(value)) return value.map((item, index) => toJson(item, `${path}[${index}]`, depth + 1));
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw noJsonForm(path, 'not a plain object');
  const object = Object.create(null) as JsonObject;
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) object[key] = toJson(member, `${path}.${key}`, depth + 1);
  }
  return object;
}

function noJsonForm(path: string, what: string): QmpSessionError {
  return new QmpSessionError('NY_QMP_USAGE', `'${path}' has no JSON form: it is ${what}`);
}

/**
 * A result as a program wants it: plain objects, doubles and integers as number.
 * @param bigint keep integers beyond 2^53 as bigint; otherwise they are an error
 * @throws QmpSessionError NY_QMP_RANGE naming the member
 */
export function fromJson(value: JsonValue, path: string, bigint: boolean): unknown {
  if (typeof value === 'bigint') {
    if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) return Number(value);
    if (bigint) return value;
    throw new QmpSessionError(
      'NY_QMP_RANGE',
      `'${path}' is ${value}, beyond the integers a number holds: open the session with { bigint: true }`,
    );
  }
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof JsonDouble) return value.value;
  if (Array.isArray(value)) return value.map((item, index) => fromJson(item, `${path}[${index}]`, bigint));
  const object: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const member = fromJson(value[key]!, `${path}.${key}`, bigint);
    if (key === '__proto__') Object.defineProperty(object, key, { value: member, enumerable: true });
    else object[key] = member;
  }
  return object;
}
