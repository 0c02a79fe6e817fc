/**
 * The walk over a tree of values, shared by the input forms that have one: JSON and dotted keys. Depth first, in schema
 * order: a union's own members, then the branch its tag selects; after the last member of an object its surplus keys.
 * The first fault wins. QEMU: qapi/qobject-input-visitor.c. Message templates of scalars are the subclasses' business.
 *
 * Values are hostile: only own keys are looked at, results have only names from the schema, depth is capped.
 */
import { QapiError } from './error.ts';
import type { AlternateEntry, ArrayEntry, BuiltinEntry, ObjectEntry, TypeEntry } from './table.ts';
import { JsonDouble } from './value.ts';

/** As deep as QEMU's JSON reader lets a document nest. */
const MAX_DEPTH = 1024;

export function fail(description: string, hint?: string): never {
  throw new QapiError(description, hint === undefined ? {} : { hint });
}

export abstract class TreeVisitor {
  private readonly path: (string | number)[] = [];

  /** A value of a built-in type, checked and converted. */
  protected abstract scalar(type: BuiltinEntry, value: unknown): unknown;
  /** A string, for str and enums. */
  protected abstract text(value: unknown): string;
  /** How a list's element shows in a path. */
  protected abstract indexText(index: number): string;

  /** @throws QapiError with QEMU's text. */
  visit(type: TypeEntry, value: unknown): unknown {
    switch (type.kind) {
      case 'builtin':
        return this.scalar(type, value);
      case 'enum': {
        const text = this.text(value);
        return type.values.has(text) ? text : fail(`Parameter '${this.shortName()}' does not accept value '${text}'`);
      }
      case 'object':
        return this.object(type, value);
      case 'array':
        return this.array(type, value);
      default:
        return this.alternate(type, value);
    }
  }

  private object(type: ObjectEntry, value: unknown): Record<string, unknown> {
    if (!isObject(value)) this.wrongType('object');
    if (this.path.length > MAX_DEPTH) fail('JSON nesting depth limit exceeded');
    const result: Record<string, unknown> = {};
    this.members(type, value, result);
    for (const key of Object.keys(value)) {
      if (!Object.hasOwn(result, key) && value[key] !== undefined) this.failAt(key, "Parameter '", "' is unexpected");
    }
    return result;
  }

  private members(type: ObjectEntry, value: Record<string, unknown>, result: Record<string, unknown>): void {
    for (const member of type.members) {
      const { name } = member;
      const item = Object.hasOwn(value, name) ? value[name] : undefined;
      if (item !== undefined) {
        this.path.push(name);
        result[name] = this.visit(member.type, item);
        this.path.pop();
      } else if (!member.optional) {
        this.failAt(name, "Parameter '", "' is missing");
      }
    }
    if (type.tag === undefined) return;
    const variant = type.variants.get(result[type.tag] as string);
    if (variant !== undefined) this.members(variant, value, result);
  }

  private array(type: ArrayEntry, value: unknown): unknown[] {
    if (!Array.isArray(value)) this.wrongType('array');
    const result: unknown[] = [];
    for (let index = 0; index < value.length; index++) {
      this.path.push(index);
      result.push(this.visit(type.element, value[index]));
      this.path.pop();
    }
    return result;
  }

  private alternate(type: AlternateEntry, value: unknown): unknown {
    const kind = kindOf(value);
    for (const branch of type.branches) {
      if (branchKind(branch) === kind) return this.visit(branch, value);
    }
    return fail(`Invalid parameter type for '${this.shortName()}', expected: ${type.name}`);
  }

  protected wrongType(expected: string): never {
    return fail(`Invalid parameter type for '${this.fullName()}', expected: ${expected}`);
  }

  protected failAt(key: string, before: string, after: string): never {
    this.path.push(key);
    return fail(before + this.fullName() + after);
  }

  /** QEMU's full name of what is being visited. */
  protected fullName(): string {
    let text = '';
    for (const step of this.path) {
      if (typeof step === 'number') text += this.indexText(step);
      else text += text === '' ? step : `.${step}`;
    }
    return text === '' ? '<anonymous>' : text;
  }

  /** The innermost name, which some of QEMU's messages have in place of the full one. */
  protected shortName(): string {
    const last = this.path.at(-1);
    return typeof last === 'string' ? last : 'null';
  }

  /** The value as a result when the type can hold it. */
  protected inRange(type: BuiltinEntry, value: number | bigint): number | bigint {
    const result = fitInteger(type, value);
    return result ?? fail(`Parameter '${this.shortName()}' expects ${type.name}_t`);
  }
}

/**
 * An integer cut to its type: the value, or undefined when it is out of range. A negative value of a 64-bit unsigned type wraps, as
 * QEMU has it.
 */
export function fitInteger(type: BuiltinEntry, value: number | bigint): number | bigint | undefined {
  const { bits, signed } = type;
  if (bits < 64) {
    const limit = 2 ** (signed ? bits - 1 : bits);
    const low = signed ? -limit : 0;
    return value >= low && value < limit ? Number(value) : undefined;
  }
  return normal(!signed && value < 0 ? BigInt.asUintN(64, BigInt(value)) : value);
}

/** A number where it is exact, else a bigint. */
export function normal(value: number | bigint): number | bigint {
  // -0 is the integer 0.
  if (typeof value === 'number') return value + 0;
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

type ValueKind = 'string' | 'number' | 'boolean' | 'null' | 'object' | 'list';

function kindOf(value: unknown): ValueKind | undefined {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  const type = typeof value;
  if (type === 'bigint' || value instanceof JsonDouble) return 'number';
  return type === 'string' || type === 'number' || type === 'boolean' || type === 'object' ? type : undefined;
}

function branchKind(type: TypeEntry): ValueKind | undefined {
  if (type.kind === 'enum') return 'string';
  if (type.kind === 'array') return 'list';
  if (type.kind !== 'builtin') return 'object';
  return type.json === 'int' ? 'number' : type.json === 'value' ? undefined : type.json;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return kindOf(value) === 'object';
}
