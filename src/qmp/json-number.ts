/**
 * JSON numbers: int64, uint64 and double kept apart (QEMU qobject/json-parser.c, qnum.c), and C's `%.17g`.
 */
import { JsonDouble } from '../qapi/index.ts';

const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;
/** Up to this many characters an integer literal is always exact as a number. */
const EXACT_CHARACTERS = 15;

/** The value of a lexically valid literal; undefined if it overflows a double (QEMU would answer with `inf`). */
export function parseNumber(literal: string, isInteger: boolean): number | bigint | JsonDouble | undefined {
  if (isInteger) {
    if (literal.length <= EXACT_CHARACTERS) return Number(literal) + 0;
    // A literal this long cannot be 64-bit, and converting it to BigInt costs quadratic time.
    if (literal.length <= 20) {
      const exact = BigInt(literal);
      if (exact >= INT64_MIN && exact <= UINT64_MAX) {
        const value = Number(exact);
        return Number.isSafeInteger(value) ? value : exact;
      }
    }
  }
  const value = Number(literal);
  return Number.isFinite(value) ? new JsonDouble(value) : undefined;
}

/** C's `%.17g`: 17 significant digits, ties to even, trailing zeros dropped, exponent of at least two digits. */
export function formatDouble(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const [mantissa, exponentText] = value.toExponential(16).split('e') as [string, string];
  const exponent = Number(exponentText);
  const digits = tieToEven(value, mantissa).replace(/\.?0+$/, '');
  if (exponent < -4 || exponent >= 17) {
    const magnitude = Math.abs(exponent);
    return `${digits}e${exponent < 0 ? '-' : '+'}${magnitude < 10 ? '0' : ''}${magnitude}`;
  }
  const sign = digits.startsWith('-') ? '-' : '';
  const plain = digits.slice(sign.length).replace('.', '');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${plain}`;
  if (plain.length <= exponent + 1) return `${sign}${plain.padEnd(exponent + 1, '0')}`;
  return `${sign}${plain.slice(0, exponent + 1)}.${plain.slice(exponent + 1)}`;
}

/** toExponential rounds an exact tie up, C rounds it to even: take the lower neighbour back where that differs. */
function tieToEven(value: number, rounded: string): string {
  if (Number(rounded.at(-1)) % 2 === 0) return rounded;
  const exact = value.toExponential(100).split('e')[0] as string;
  const kept = rounded.length;
  return /^50*$/.test(exact.slice(kept)) ? exact.slice(0, kept) : rounded;
}
