/**
 * The C library's inet_aton: one to four parts, each decimal, octal (0...) or hexadecimal (0x...); the last part fills
 * the remaining bytes. QEMU's IPv4 options take this form.
 */

const PART = /^(?:0[xX][0-9a-fA-F]+|[0-9]+)$/;

/** The address as uint32, or undefined. */
export function inetAton(text: string): number | undefined {
  // glibc accepts white space and anything behind it.
  const blank = text.search(/[ \t\n\v\f\r]/);
  const parts = (blank < 0 ? text : text.slice(0, blank)).split('.');
  if (parts.length > 4) return undefined;
  let address = 0;
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] ?? '';
    const value = parsePart(part);
    if (value === undefined) return undefined;
    const last = i === parts.length - 1;
    const limit = last ? 256 ** (4 - i) : 256;
    if (value >= limit) return undefined;
    address += last ? value : value * 256 ** (3 - i);
  }
  return address;
}

function parsePart(part: string): number | undefined {
  if (!PART.test(part)) return undefined;
  if (/^0[xX]/.test(part)) return Number.parseInt(part.slice(2), 16);
  if (part.length > 1 && part.startsWith('0')) return /^[0-7]+$/.test(part) ? Number.parseInt(part, 8) : undefined;
  return Number.parseInt(part, 10);
}
