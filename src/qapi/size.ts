/**
 * Scalars spelled as text, as C's strtoll and QEMU's util/cutils.c read them. Each takes the whole text or answers
 * undefined; none throws. Work is bounded by the text's length.
 */
import { normal } from './visitor-tree.ts';

const SPACES = /^[ \t\n\v\f\r]*/;
const INTEGER = /^([+-]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))$/;
const SIZE = /^\+?(?:0[xX]([0-9a-fA-F]+)|([0-9]*)(?:\.([0-9]*))?([bBkKmMgGtTpPeE]?))$/;
const NUMBER = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
/** Digits after which no integer of 64 bits goes on, in any base. */
const MAX_DIGITS = 22;
const TWO64 = 2n ** 64n;

/** on yes true y, off no false n. */
export function parseBool(text: string): boolean | undefined {
  if (text === 'on' || text === 'yes' || text === 'true' || text === 'y') return true;
  return text === 'off' || text === 'no' || text === 'false' || text === 'n' ? false : undefined;
}

/** strtoll, base by prefix: leading blanks, sign, 0x, leading 0 for octal; 64 bits. */
export function parseInt64(text: string): bigint | undefined {
  const value = parseCInteger(text);
  return value !== undefined && value >= -TWO64 / 2n && value < TWO64 / 2n ? value : undefined;
}

/** strtoull, base by prefix: as parseInt64, and a negative number wraps. */
export function parseUint64(text: string): bigint | undefined {
  const value = parseCInteger(text);
  return value !== undefined && value > -TWO64 && value < TWO64 ? BigInt.asUintN(64, value) : undefined;
}

function parseCInteger(text: string): bigint | undefined {
  const match = INTEGER.exec(text.replace(SPACES, ''));
  if (match === null) return undefined;
  const [, sign, hex, octal, decimal] = match;
  const magnitude =
    hex !== undefined ? digits('0x', hex) : octal !== undefined ? digits('0o', octal) : digits('', decimal ?? '');
  return magnitude === undefined ? undefined : sign === '-' ? -magnitude : magnitude;
}

function digits(prefix: string, text: string): bigint | undefined {
  const significant = text.replace(/^0+/, '');
  return significant.length > MAX_DIGITS ? undefined : BigInt(`${prefix}${significant === '' ? '0' : significant}`);
}

/** A finite decimal number. */
export function parseNumber(text: string): number | undefined {
  const rest = text.replace(SPACES, '');
  const value = NUMBER.test(rest) ? Number(rest) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

/**
 * A size in bytes: decimal digits, a fraction, a suffix B K M G T P E of powers of 1024; or plain hexadecimal.
 * A fraction that is not zero needs a suffix above B and is rounded to whole bytes. Below 2^64.
 */
export function parseSize(text: string): number | bigint | undefined {
  const match = SIZE.exec(text.replace(SPACES, ''));
  if (match === null) return undefined;
  const [, hex, whole = '', fraction, suffix = ''] = match;
  if (hex !== undefined) {
    const value = digits('0x', hex);
    return value !== undefined && value < TWO64 ? normal(value) : undefined;
  }
  if (whole === '' && (fraction === undefined || fraction === '')) return undefined;
  const power = suffix === '' ? 0 : 'bkmgtpe'.indexOf(suffix.toLowerCase());
  const integer = digits('', whole);
  if (integer === undefined) return undefined;
  let value = integer << BigInt(10 * power);
  if (value >= TWO64) return undefined;
  if (fraction !== undefined && /[1-9]/.test(fraction)) {
    if (power === 0) return undefined;
    // Later digits do not reach a byte of the largest unit.
    const kept = fraction.slice(0, 40);
    const scale = 10n ** BigInt(kept.length);
    value += ((BigInt(kept) << BigInt(10 * power + 1)) + scale) / (2n * scale);
    if (value >= TWO64) value = TWO64 - 1n;
  }
  return normal(value);
}
