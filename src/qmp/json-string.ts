/** JSON string tokens to text (QEMU qobject/json-parser.c: both kinds of quote, `\'`, noncharacters refused). */
import { appendModifiedUtf8, decodeModifiedUtf8, isTextCodePoint, TextBuilder } from './json-utf8.ts';

const BACKSLASH = 0x5c;
const LOWER_U = 0x75;

const SIMPLE_ESCAPES: ReadonlyMap<number, number> = new Map([
  [0x22, 0x22],
  [0x27, 0x27],
  [0x5c, 0x5c],
  [0x2f, 0x2f],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
]);

export type StringResult = { readonly text: string } | { readonly error: string };

const INVALID_UTF8: StringResult = { error: 'invalid UTF-8 sequence in string' };
const INVALID_ESCAPE: StringResult = { error: 'invalid escape sequence in string' };

/** Decodes the token in [start, end), quotes included. The error is QEMU's text without its prefix. */
export function decodeString(bytes: Uint8Array, start: number, end: number): StringResult {
  const last = end - 1;
  let from = start + 1;
  let at = findBackslash(bytes, from, last);
  if (at === last) {
    const text = decodeModifiedUtf8(bytes, from, last, false);
    return text === undefined ? INVALID_UTF8 : { text };
  }
  const builder = new TextBuilder(last - from);
  while (at < last) {
    if (!appendModifiedUtf8(builder, bytes, from, at, false)) return INVALID_UTF8;
    const letter = bytes[at + 1]!;
    if (letter === LOWER_U) {
      const cp = codePointAt(bytes, at, last);
      const size = cp > 0xffff ? 12 : 6;
      if (!isTextCodePoint(cp)) return { error: badEscape(bytes, at, Math.min(at + size, end)) };
      builder.append(cp);
      from = at + size;
    } else {
      const simple = SIMPLE_ESCAPES.get(letter);
      if (simple === undefined) return INVALID_ESCAPE;
      builder.append(simple);
      from = at + 2;
    }
    at = findBackslash(bytes, from, last);
  }
  return appendModifiedUtf8(builder, bytes, from, last, false) ? { text: builder.text() } : INVALID_UTF8;
}

/** Index of the next backslash, or `last`. Bounded by the token, which may be a small part of a large buffer. */
function findBackslash(bytes: Uint8Array, from: number, last: number): number {
  let i = from;
  while (i < last && bytes[i] !== BACKSLASH) i++;
  return i;
}

/** The code point of the escape at `at`, a surrogate pair combined; a lone surrogate as it is; -1 if no hex digits. */
function codePointAt(bytes: Uint8Array, at: number, last: number): number {
  const lead = hex4(bytes, at + 2, last);
  if (lead < 0xd800 || lead > 0xdbff) return lead;
  if (bytes[at + 6] !== BACKSLASH || bytes[at + 7] !== LOWER_U) return lead;
  const trail = hex4(bytes, at + 8, last);
  if (trail < 0xdc00 || trail > 0xdfff) return lead;
  return 0x10000 + ((lead & 0x3ff) << 10) + (trail & 0x3ff);
}

function hex4(bytes: Uint8Array, at: number, last: number): number {
  if (at + 4 > last) return -1;
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const c = bytes[i]!;
    const lower = c | 0x20;
    if (c >= 0x30 && c <= 0x39) value = value * 16 + (c - 0x30);
    else if (lower >= 0x61 && lower <= 0x66) value = value * 16 + (lower - 0x61 + 10);
    else return -1;
  }
  return value;
}

/** The text shows the raw escape, cut where the token ends. */
function badEscape(bytes: Uint8Array, from: number, to: number): string {
  return `${decodeModifiedUtf8(bytes, from, to, true)} is not a valid Unicode character`;
}
