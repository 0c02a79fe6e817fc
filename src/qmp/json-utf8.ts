/**
 * Modified UTF-8 as QEMU's JSON accepts it (util/unicode.c): UTF-8 in which U+0000 may also be C0 80, and in which
 * overlong forms, surrogates and noncharacters are invalid. Functions take a byte range; nothing here throws.
 */

const decoder = new TextDecoder('utf-8');
/** Below this length a loop beats the call into the platform's decoder. */
const SHORT = 32;
/** As many arguments as one call takes without harm. */
const MAX_UNITS = 4096;

/** True for a code point that JSON text may contain: no surrogate, no noncharacter, at most U+10FFFF. */
export function isTextCodePoint(cp: number): boolean {
  if (cp < 0xd800) return cp >= 0;
  if (cp <= 0xdfff || cp > 0x10ffff) return false;
  return !((cp >= 0xfdd0 && cp <= 0xfdef) || (cp & 0xfffe) === 0xfffe);
}

/** Text of a range that holds bytes below 0x80 only. */
export function asciiText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start >= SHORT) return decoder.decode(bytes.subarray(start, end));
  let text = '';
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

/**
 * Decodes a range. An invalid sequence yields U+FFFD where `replace` is set, otherwise the result is undefined.
 * One invalid sequence is a lead byte with the continuation bytes that belong to it, or one stray byte.
 */
export function decodeModifiedUtf8(
  bytes: Uint8Array,
  start: number,
  end: number,
  replace: boolean,
): string | undefined {
  let ascii = start;
  while (ascii < end && bytes[ascii]! < 0x80) ascii++;
  if (ascii === end) return asciiText(bytes, start, end);
  const builder = new TextBuilder(end - start);
  return appendModifiedUtf8(builder, bytes, start, end, replace) ? builder.text() : undefined;
}

/** As decodeModifiedUtf8, into a text that is being built; false where the result would be undefined. */
export function appendModifiedUtf8(
  builder: TextBuilder,
  bytes: Uint8Array,
  start: number,
  end: number,
  replace: boolean,
): boolean {
  let i = start;
  while (i < end) {
    const lead = bytes[i]!;
    if (lead < 0x80) {
      builder.append(lead);
      i++;
      continue;
    }
    const length = sequenceLength(lead);
    let cp = length === 1 ? -1 : lead & (0xff >> (length + 1));
    let used = 1;
    while (used < length && i + used < end && (bytes[i + used]! & 0xc0) === 0x80) {
      cp = cp * 64 + (bytes[i + used]! & 0x3f);
      used++;
    }
    if (used < length || !isCanonical(cp, length) || !isTextCodePoint(cp)) {
      if (!replace) return false;
      cp = 0xfffd;
    }
    i += used;
    builder.append(cp);
  }
  return true;
}

/** A long text out of single characters, without a piece of memory for each. */
export class TextBuilder {
  readonly #units: Uint16Array;
  #count = 0;
  #text = '';

  /** @param expected about as many units are to come */
  constructor(expected: number) {
    this.#units = new Uint16Array(Math.max(2, Math.min(MAX_UNITS, expected)));
  }

  /** Adds a code point. */
  append(cp: number): void {
    if (this.#count + 2 > this.#units.length) this.#flush();
    if (cp > 0xffff) {
      this.#units[this.#count++] = 0xd800 + ((cp - 0x10000) >> 10);
      this.#units[this.#count++] = 0xdc00 + (cp & 0x3ff);
    } else this.#units[this.#count++] = cp;
  }

  text(): string {
    this.#flush();
    return this.#text;
  }

  #flush(): void {
    this.#text += String.fromCharCode.apply(null, this.#units.subarray(0, this.#count) as unknown as number[]);
    this.#count = 0;
  }
}

/** Bytes of the sequence a lead byte announces; 1 for a byte that starts none. */
function sequenceLength(lead: number): number {
  if (lead < 0xc0 || lead > 0xfd) return 1;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  if (lead < 0xf8) return 4;
  return lead < 0xfc ? 5 : 6;
}

function isCanonical(cp: number, length: number): boolean {
  switch (length) {
    case 2:
      return cp >= 0x80 || cp === 0;
    case 3:
      return cp >= 0x800;
    case 4:
      return cp >= 0x10000;
    default:
      return false;
  }
}
