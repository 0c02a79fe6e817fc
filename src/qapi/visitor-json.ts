/**
 * Input from JSON: QMP arguments, `-netdev '{...}'`, objects of a program. QEMU: qapi/qobject-input-visitor.c.
 * Integers are numbers without fraction that JSON text did not spell as doubles (value.ts).
 */
import type { BuiltinEntry } from './table.ts';
import { JsonDouble } from './value.ts';
import { fail, TreeVisitor } from './visitor-tree.ts';

const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

export class JsonVisitor extends TreeVisitor {
  protected text(value: unknown): string {
    return typeof value === 'string' ? value : this.wrongType('string');
  }

  protected indexText(index: number): string {
    return `[${index}]`;
  }

  protected scalar(type: BuiltinEntry, value: unknown): unknown {
    switch (type.json) {
      case 'string':
        return this.text(value);
      case 'boolean':
        return typeof value === 'boolean' ? value : this.wrongType('boolean');
      case 'null':
        return value === null ? value : this.wrongType('null');
      case 'value':
        return value;
      case 'number':
        if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
        return value instanceof JsonDouble ? value.value : this.wrongType('number');
      default: {
        const integer = integerOf(value, type.signed ? INT64_MAX : UINT64_MAX);
        if (integer !== undefined) return this.inRange(type, integer);
        return type.signed ? this.wrongType('integer') : fail(`Parameter '${this.fullName()}' expects uint64`);
      }
    }
  }
}

function integerOf(value: unknown, max: bigint): number | bigint | undefined {
  if (Number.isSafeInteger(value)) return value as number;
  const big = typeof value === 'bigint' ? value : Number.isInteger(value) ? BigInt(value as number) : undefined;
  return big !== undefined && big >= -INT64_MAX - 1n && big <= max ? big : undefined;
}
