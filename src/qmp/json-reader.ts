/**
 * JSON documents out of a byte stream, with QEMU's recovery (qobject/json-streamer.c, json-parser.c).
 *
 * A document ends where its braces and brackets are balanced, or where one kind was closed too often; then either its
 * value or the first error in it is handed on. Values are built while tokens arrive; after the first error tokens
 * only count brackets. A lexical error or a limit ends the document at once.
 */

import type { JsonObject, JsonValue } from '../qapi/index.ts';
import {
  JsonLexer,
  TOKEN_FLOAT,
  TOKEN_INTEGER,
  TOKEN_KEYWORD,
  TOKEN_STRAY,
  TOKEN_STRING,
  TOKEN_TOO_LONG,
} from './json-lexer.ts';
import { parseNumber } from './json-number.ts';
import { decodeString } from './json-string.ts';
import { asciiText, decodeModifiedUtf8 } from './json-utf8.ts';

/** QEMU's limits (qobject/json-streamer.c). */
export const MAX_NESTING = 1024;
export const MAX_TOKENS = 2 * 1024 * 1024;
export const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;
/** A parser's error text is cut here (QEMU's buffer), before its prefix. */
const MAX_ERROR_BYTES = 1023;
/** Of a stray token this much is shown; QEMU shows all of it, which lets a client make it write 400 MB. */
const MAX_STRAY_BYTES = 65536;

/**
 * Receives documents and errors in order. False stops the feed there, for back-pressure. Errors are QEMU's texts of
 * class GenericError; they are not Error objects, as a stack for each would let bad bytes cost far more than good ones.
 */
export interface JsonSink {
  value(value: JsonValue): boolean;
  error(text: string): boolean;
}

export interface JsonLimits {
  readonly nesting?: number;
  readonly tokens?: number;
  readonly bytes?: number;
}

/** What the next token may be, in the innermost open container. */
const FIRST = 0;
const NEXT = 1;
const COLON = 2;
const MEMBER = 3;
const AFTER = 4;

interface Container {
  readonly array: JsonValue[] | undefined;
  readonly object: JsonObject | undefined;
  expect: number;
  key: string;
}

const EXPECTING_VALUE = 'expecting value';

export class JsonReader {
  readonly #sink: JsonSink;
  readonly #lexer: JsonLexer;
  readonly #maxNesting: number;
  readonly #maxTokens: number;
  readonly #maxBytes: number;
  #braces = 0;
  #brackets = 0;
  #tokens = 0;
  #bytes = 0;
  #open: Container[] = [];
  #result: JsonValue | undefined;
  #error: string | undefined;

  constructor(sink: JsonSink, limits: JsonLimits = {}) {
    this.#sink = sink;
    this.#maxNesting = limits.nesting ?? MAX_NESTING;
    this.#maxTokens = limits.tokens ?? MAX_TOKENS;
    this.#maxBytes = limits.bytes ?? MAX_DOCUMENT_BYTES;
    this.#lexer = new JsonLexer((kind, bytes, start, end) => this.#token(kind, bytes, start, end), this.#maxBytes);
  }

  /** Reads from `start`; returns the index of the first byte not read, the end unless the sink said stop. */
  feed(bytes: Uint8Array, start = 0, end = bytes.length): number {
    return this.#lexer.feed(bytes, start, end);
  }

  /** End of input: an incomplete document is an error. */
  end(): void {
    this.#lexer.end();
    if (this.#tokens > 0) {
      this.#fail('premature EOI');
      this.#finish();
    }
  }

  /** Discards whatever is incomplete. */
  reset(): void {
    this.#lexer.reset();
    this.#clear();
  }

  #token(kind: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (kind === TOKEN_STRAY) return this.#abandon(`JSON parse error, stray '${strayText(bytes, start, end)}'`);
    if (kind === TOKEN_TOO_LONG) return this.#abandon('JSON token size limit exceeded');
    const punctuation = kind > TOKEN_KEYWORD ? bytes[start]! : 0;
    if (punctuation === 0x7b) this.#braces++;
    else if (punctuation === 0x7d) this.#braces--;
    else if (punctuation === 0x5b) this.#brackets++;
    else if (punctuation === 0x5d) this.#brackets--;

    this.#bytes += end - start;
    this.#tokens++;
    if (this.#bytes >= this.#maxBytes) return this.#abandon('JSON token size limit exceeded');
    if (this.#tokens > this.#maxTokens) return this.#abandon('JSON token count limit exceeded');
    if (this.#braces + this.#brackets > this.#maxNesting) return this.#abandon('JSON nesting depth limit exceeded');

    if (this.#error === undefined) {
      if (punctuation !== 0) this.#punctuation(punctuation);
      else this.#scalar(kind, bytes, start, end);
    }
    const unfinished = this.#braces >= 0 && this.#brackets >= 0 && this.#braces + this.#brackets > 0;
    return unfinished || this.#finish();
  }

  #punctuation(c: number): void {
    const top = this.#open.at(-1);
    switch (c) {
      case 0x7b:
        if (this.#valueAllowed(top)) {
          this.#open.push({ array: undefined, object: Object.create(null) as JsonObject, expect: FIRST, key: '' });
        }
        return;
      case 0x5b:
        if (this.#valueAllowed(top)) this.#open.push({ array: [], object: undefined, expect: FIRST, key: '' });
        return;
      case 0x7d:
        if (top?.object !== undefined && (top.expect === FIRST || top.expect === AFTER)) this.#close(top.object);
        else this.#unexpected(top);
        return;
      case 0x5d:
        if (top?.array !== undefined && (top.expect === FIRST || top.expect === AFTER)) this.#close(top.array);
        else this.#unexpected(top);
        return;
      case 0x2c:
        if (top?.expect === AFTER) top.expect = NEXT;
        else this.#unexpected(top);
        return;
      default:
        if (top?.expect === COLON) top.expect = MEMBER;
        else this.#unexpected(top);
    }
  }

  #scalar(kind: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.#valueAllowed(this.#open.at(-1))) return;
    if (kind === TOKEN_STRING) {
      const result = decodeString(bytes, start, end);
      if ('error' in result) this.#fail(result.error);
      else this.#complete(result.text);
      return;
    }
    const text = asciiText(bytes, start, end);
    if (kind === TOKEN_INTEGER || kind === TOKEN_FLOAT) {
      const value = parseNumber(text, kind === TOKEN_INTEGER);
      if (value === undefined) this.#fail(`number '${text}' is out of range`);
      else this.#complete(value);
    } else if (text === 'true') this.#complete(true);
    else if (text === 'false') this.#complete(false);
    else if (text === 'null') this.#complete(null);
    else this.#fail(`invalid keyword '${text}'`);
  }

  #valueAllowed(top: Container | undefined): boolean {
    if (top === undefined || top.expect === FIRST || top.expect === NEXT || top.expect === MEMBER) return true;
    this.#unexpected(top);
    return false;
  }

  #unexpected(top: Container | undefined): void {
    if (top?.expect === COLON) this.#fail('missing : in object pair');
    else if (top?.expect === AFTER) this.#fail(`expected separator in ${top.array === undefined ? 'dict' : 'list'}`);
    else this.#fail(EXPECTING_VALUE);
  }

  #close(value: JsonValue): void {
    this.#open.pop();
    this.#complete(value);
  }

  /** A value is whole: an element, a key, a member's value, or the document. */
  #complete(value: JsonValue): void {
    const top = this.#open.at(-1);
    if (top === undefined) {
      this.#result = value;
    } else if (top.array !== undefined) {
      top.array.push(value);
      top.expect = AFTER;
    } else if (top.expect === MEMBER) {
      const object = top.object as JsonObject;
      if (top.key in object) {
        this.#fail('duplicate key');
        return;
      }
      object[top.key] = value;
      top.expect = AFTER;
    } else if (typeof value === 'string') {
      top.key = value;
      top.expect = COLON;
    } else {
      this.#fail('key is not a string in object');
    }
  }

  /** The first error of a document counts; what was built so far is let go. */
  #fail(text: string): void {
    this.#error ??= `JSON parse error, ${text.length > MAX_ERROR_BYTES ? text.slice(0, MAX_ERROR_BYTES) : text}`;
    this.#open = [];
    this.#result = undefined;
  }

  #finish(): boolean {
    const error = this.#error;
    const result = this.#result;
    this.#clear();
    if (error !== undefined) return this.#sink.error(error);
    return result === undefined || this.#sink.value(result);
  }

  #abandon(text: string): boolean {
    this.#clear();
    return this.#sink.error(text);
  }

  #clear(): void {
    this.#braces = 0;
    this.#brackets = 0;
    this.#tokens = 0;
    this.#bytes = 0;
    this.#open = [];
    this.#result = undefined;
    this.#error = undefined;
  }
}

/** The token as C prints it: up to the first NUL. */
function strayText(bytes: Uint8Array, start: number, end: number): string {
  const limit = Math.min(end, start + MAX_STRAY_BYTES);
  let stop = start;
  while (stop < limit && bytes[stop] !== 0) stop++;
  return decodeModifiedUtf8(bytes, start, stop, true) ?? '';
}
