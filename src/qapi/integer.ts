/** Integers of the schema's widths. */
import { expects } from './faults.ts';
import type { BuiltinEntry } from './table.ts';

/** A number where it is exact, else a bigint. */
export function normal(value: number | bigint): number | bigint {
  // -0 is the integer 0.
  if (typeof value === 'number') return value + 0;
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/**
 * A 64-bit integer as its type has it. A negative value of a 64-bit unsigned type wraps, as QEMU has it.
 * @param name - the innermost name, which this message has in place of the whole path.
 * @throws QapiError when it is out of range.
 */
export function fitInteger(
  { name: type, bits, signed }: BuiltinEntry,
  value: number | bigint,
  name: string,
): number | bigint {
  if (bits < 64) {
    const limit = 2 ** (signed ? bits - 1 : bits);
    return value >= (signed ? -limit : 0) && value < limit ? Number(value) : expects(name, `${type}_t`);
  }
  return normal(signed || value >= 0 ? value : BigInt.asUintN(64, BigInt(value)));
}
