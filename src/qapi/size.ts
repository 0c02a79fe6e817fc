/**
 * Scalars spelled as text, as C's strtoll and QEMU's util/cutils.c read them. Each takes the whole text or answers
 * undefined; none throws. Work is bounded by the text's length.
 */
import { normal } from './integer.ts';

const SPACES = /^[ \t\n\v\f\r]*/;
const INTEGER = /^([+-]?)(?:0x([\da-f]+)|0([0-7]*)|([1-9]\d*))$/i;
const SIZE = /^\+?(?:0x([\da-f]+)|(\d*)(?:\.(\d*))?([bkmgtpe]?))$/i;
/** Whatever Number() then makes a finite number of. */
const NUMBER = /^[-+.\de]+$/i;
/** Digits after which no integer of 64 bits goes on, in any base. */
const MAX_DIGITS = 22;
const TWO64 = 2n ** 64n;

/** on yes true y, off no false n. */
export function parseBool(text: string): boolean | undefined {
  return /^(on|yes|true|y)$/.test(text) ? true : /^(off|no|false|n)$/.test(text) ? false : undefined;
}

/** strtoll, base by prefix: leading blanks, sign, 0x, leading 0 for octal; 64 bits. */
export function parseInt64(text: string): bigint | undefined {
  const value = parseCInteger(text);
  return value !== undefined && BigInt.asIntN(64, value) === value ? value : undefined;
}

/** strtoull, base by prefix: as parseInt64, and a negative number wraps. */
export function parseUint64(text: string): bigint | undefined {
  const value = parseCInteger(text);
  return value !== undefined && value > -TWO64 && value < TWO64 ? BigInt.asUintN(64, value) : undefined;
}

function parseCInteger(text: string): bigint | undefined {
  const [, sign, hex, octal, decimal] = INTEGER.exec(text.replace(SPACES, '')) ?? [];
  if (sign === undefined) return undefined;
  const value =
    hex !== undefined ? digits(hex, '0x') : octal !== undefined ? digits(octal, '0o') : digits(decimal ?? '');
  return sign === '-' && value !== undefined ? -value : value;
}

function digits(text: string, prefix = ''): bigint | undefined {
  const significant = text.replace(/^0+/, '') || '0';
  return significant.length > MAX_DIGITS ? undefined : BigInt(prefix + significant);
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
  const [, hex, whole = '', fraction = '', suffix = ''] = SIZE.exec(text.replace(SPACES, '')) ?? [];
  if (hex === undefined && whole + fraction === '') return undefined;
  const shift = 10n * BigInt(Math.max(0, 'bkmgtpe'.indexOf(suffix.toLowerCase())));
  let value = hex === undefined ? digits(whole) : digits(hex, '0x');
  if (value === undefined) return undefined;
  value <<= shift;
  if (value >= TWO64) return undefined;
  if (/[1-9]/.test(fraction)) {
    if (shift === 0n) return undefined;
    // Later digits do not reach a byte of the largest unit.
    const kept = fraction.slice(0, 40);
    const scale = 10n ** BigInt(kept.length);
    value += ((BigInt(kept) << (shift + 1n)) + scale) / (2n * scale);
    if (value >= TWO64) value = TWO64 - 1n;
  }
  return normal(value);
}
