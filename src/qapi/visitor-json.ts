/**
 * Input from JSON: QMP arguments, `-netdev '{...}'`, objects of a program. QEMU: qapi/qobject-input-visitor.c.
 * Integers are numbers without fraction that JSON text did not spell as doubles (value.ts).
 */
import { expects, wrongType } from './faults.ts';
import { fitInteger } from './integer.ts';
import type { JsonKind } from './table.ts';
import { JsonDouble } from './value.ts';
import { fullName, type Path, shortName, type TreeForm } from './visitor-tree.ts';

const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

const wrong = (path: Path, expected: JsonKind | 'integer'): never => wrongType(fullName(JSON_FORM, path), expected);

export const JSON_FORM: TreeForm = {
  text: (value, path) => (typeof value === 'string' ? value : wrong(path, 'string')),

  index: (index) => `[${index}]`,

  scalar(type, value, path) {
    const { json } = type;
    switch (json) {
      case 'string':
      case 'boolean':
        return typeof value === json ? value : wrong(path, json);
      case 'null':
        return value === null ? value : wrong(path, json);
      case 'value':
        return value;
      case 'number':
        if (typeof value === json || typeof value === 'bigint') return Number(value);
        return value instanceof JsonDouble ? value.value : wrong(path, json);
      default: {
        const integer = integerOf(value, type.signed ? INT64_MAX : UINT64_MAX);
        if (integer !== undefined) return fitInteger(type, integer, shortName(path));
        return type.signed ? wrong(path, 'integer') : expects(fullName(JSON_FORM, path), 'uint64');
      }
    }
  },
};

function integerOf(value: unknown, max: bigint): number | bigint | undefined {
  if (Number.isSafeInteger(value)) return value as number;
  const big = typeof value === 'bigint' ? value : Number.isInteger(value) ? BigInt(value as number) : undefined;
  return big !== undefined && big >= -INT64_MAX - 1n && big <= max ? big : undefined;
}
