/** Numbers as the C library's strtol reads them, of a text that has to be used up. */

/** Base 0: `0x` hexadecimal, `0` octal, else decimal; blanks and a sign in front. undefined = not a number. */
export function strtol0(text: string): number | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text);
  if (match === null) return undefined;
  const digits = match[2] ?? '';
  let base = 10;
  if (/^0[xX]/.test(digits)) base = 16;
  else if (digits.startsWith('0')) base = 8;
  const value = Number.parseInt(base === 16 ? digits.slice(2) : digits, base);
  return match[1] === '-' ? -value : value;
}

/** Base 10, the same otherwise. */
export function strtol10(text: string): number | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?[0-9]+)$/.exec(text);
  return match === null ? undefined : Number.parseInt(match[1] ?? '', 10);
}
