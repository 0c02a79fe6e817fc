/** Scalars of every form of input whose values are texts: the forms differ in their words. */
import { expects, notAccepted, wrongType } from './faults.ts';
import { fitInteger } from './integer.ts';
import { parseBool, parseInt64, parseNumber, parseSize, parseUint64 } from './size.ts';
import type { BuiltinEntry, EnumEntry } from './table.ts';

/** How a form says what it expected. */
export interface TextWords {
  readonly int: string;
  readonly uint: string;
  readonly size: string;
  /** An unsigned integer may have a sign; a negative one wraps. */
  readonly sign: boolean;
}

/**
 * @param key - what messages about the text name; `name` - what messages about its value name.
 * @throws QapiError with QEMU's text.
 */
export function textScalar(type: BuiltinEntry, text: string, words: TextWords, key: string, name: string): unknown {
  switch (type.json) {
    case 'boolean':
      return parseBool(text) ?? expects(key, "'on' or 'off'");
    case 'number':
      return parseNumber(text) ?? wrongType(key, 'number');
    case 'null':
      return wrongType(key, 'null');
    case 'int':
      if (type.name === 'size') return parseSize(text) ?? expects(key, words.size);
      return fitInteger(
        type,
        textInteger(type, text, words) ?? expects(key, type.signed ? words.int : words.uint),
        name,
      );
    default:
      return text;
  }
}

export function textInteger(type: BuiltinEntry, text: string, words: TextWords): bigint | undefined {
  if (type.signed) return parseInt64(text);
  return words.sign || !text.includes('-') ? parseUint64(text) : undefined;
}

export const enumValue = (type: EnumEntry, text: string, name: string): string =>
  type.values.has(text) ? text : notAccepted(name, text);
