/**
 * JSON text as QEMU writes it (qobject/json-writer.c): ASCII only, upper-case \uXXXX, `, ` and `: ` as separators,
 * doubles with `%.17g`. Lines of the pretty form end in LF; the session turns that into CR LF.
 */
import { JsonDouble } from '../qapi/index.ts';
import { formatDouble } from './json-number.ts';
import { TextBuilder } from './json-utf8.ts';

const INDENT = '    ';
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
const HEX_DIGITS = '0123456789ABCDEF';
/** The letters of \b, \t, \n, \f and \r. */
const SHORT_ESCAPES: ReadonlyMap<number, number> = new Map([
  [0x08, 0x62],
  [0x09, 0x74],
  [0x0a, 0x6e],
  [0x0c, 0x66],
  [0x0d, 0x72],
]);
// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly the characters that need an escape
const NEEDS_ESCAPE = /[\u0000-\u001f"\\\u007f-\uffff]/;

/**
 * Compact text of a JsonValue, or of plain objects a program built; members that are undefined are left out.
 * @throws TypeError for values JSON has no form for (functions, symbols, NaN, infinities)
 */
export function writeJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return writeString(value);
    case 'number':
      return writeNumber(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'bigint':
      return value.toString();
    case 'undefined':
      return 'null';
    case 'object':
      break;
    default:
      throw new TypeError(`a ${typeof value} has no JSON form`);
  }
  if (value === null) return 'null';
  if (value instanceof JsonDouble) return writeDouble(value.value);
  let text = '';
  if (Array.isArray(value)) {
    for (const item of value) text += text === '' ? writeJson(item) : `, ${writeJson(item)}`;
    return `[${text}]`;
  }
  const members = value as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(members)) {
    const member = members[key];
    if (member === undefined) continue;
    if (text !== '') text += ', ';
    text += `${writeString(key)}: ${writeJson(member)}`;
  }
  return `{${text}}`;
}

/** The form of `-qmp-pretty`: four blanks a level, empty containers broken over two lines. */
export function writeJsonPretty(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null || value instanceof JsonDouble) return writeJson(value);
  const inner = indent + INDENT;
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => `\n${inner}${writeJsonPretty(item, inner)}`);
    return `[${items.join(',')}\n${indent}]`;
  }
  const members = value as Readonly<Record<string, unknown>>;
  const lines: string[] = [];
  for (const key of Object.keys(members)) {
    const member = members[key];
    if (member !== undefined) lines.push(`\n${inner}${writeString(key)}: ${writeJsonPretty(member, inner)}`);
  }
  return `{${lines.join(',')}\n${indent}}`;
}

/** An integral number is an integer, as src/qapi/value.ts has it. */
function writeNumber(value: number): string {
  if (Number.isSafeInteger(value)) return String(value + 0);
  // Beyond int64 and uint64 it is read back as a double.
  if (Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 64) return BigInt(value).toString();
  return writeDouble(value);
}

function writeDouble(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`${value} has no JSON form`);
  return formatDouble(value);
}

function writeString(text: string): string {
  if (!NEEDS_ESCAPE.test(text)) return `"${text}"`;
  const out = new TextBuilder(text.length * 2);
  out.append(QUOTE);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x20 && unit < 0x7f && unit !== QUOTE && unit !== BACKSLASH) out.append(unit);
    else appendEscape(out, isLoneSurrogate(text, unit, i) ? 0xfffd : unit);
  }
  out.append(QUOTE);
  return out.text();
}

function appendEscape(out: TextBuilder, unit: number): void {
  out.append(BACKSLASH);
  const letter = unit === QUOTE || unit === BACKSLASH ? unit : SHORT_ESCAPES.get(unit);
  if (letter !== undefined) {
    out.append(letter);
    return;
  }
  out.append(LOWER_U);
  for (let shift = 12; shift >= 0; shift -= 4) out.append(HEX_DIGITS.charCodeAt((unit >> shift) & 15));
}

function isLoneSurrogate(text: string, unit: number, at: number): boolean {
  if (unit < 0xd800 || unit > 0xdfff) return false;
  if (unit < 0xdc00) {
    const next = text.charCodeAt(at + 1);
    return !(next >= 0xdc00 && next <= 0xdfff);
  }
  const previous = text.charCodeAt(at - 1);
  return !(previous >= 0xd800 && previous <= 0xdbff);
}
