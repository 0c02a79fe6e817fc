/**
 * Tokens of the QAPI schema language (QEMU docs/devel/qapi-code-gen.rst, "Schema syntax").
 * The lexer holds one token of lookahead, so a bad token is reported before anything the parser would say about what
 * precedes it, as the reference does.
 */
import type { SourceFile } from './model.ts';
import { type SchemaError, syntaxError } from './source.ts';

type TokenKind = '{' | '}' | '[' | ']' | ':' | ',' | 'string' | 'boolean' | 'comment' | 'end';

const TAB = 9;
const LF = 10;
const HASH = 0x23;
const QUOTE = 0x27;
const BACKSLASH = 0x5c;

export class Lexer {
  readonly file: SourceFile;
  readonly #text: string;
  #cursor = 0;
  #lineStart = 0;
  /** The current token; `value` is a string's or boolean's value or a comment's text from its `#` on. */
  kind: TokenKind = 'end';
  value: string | boolean = '';
  position = 0;
  line = 1;

  constructor(file: SourceFile, text: string) {
    this.file = file;
    const lines = text.replace(/\r\n?/g, '\n');
    this.#text = lines.endsWith('\n') ? lines : `${lines}\n`;
  }

  /** Steps to the next token; plain comments are tokens too unless skipped, `##` always is. */
  next(skipComments = true): void {
    const text = this.#text;
    for (;;) {
      const start = this.#cursor;
      this.position = start;
      const code = text.charCodeAt(start);
      this.#cursor = start + 1;
      if (code === LF) {
        if (this.#cursor === text.length) {
          // The end stays put: its position is the final line feed, however often it is asked for.
          this.#cursor = start;
          this.kind = 'end';
          return;
        }
        this.line++;
        this.#lineStart = this.#cursor;
      } else if (code === HASH) {
        const documentation = text.charCodeAt(start + 1) === HASH;
        this.#cursor = text.indexOf('\n', start);
        if (documentation || !skipComments) {
          this.kind = 'comment';
          this.value = text.slice(start, this.#cursor);
          return;
        }
      } else if (code === QUOTE) {
        this.#string();
        return;
      } else if (isStructural(code)) {
        this.kind = text[start] as TokenKind;
        return;
      } else if (text.startsWith('true', start) || text.startsWith('false', start)) {
        this.kind = 'boolean';
        this.value = text.startsWith('true', start);
        this.#cursor = start + (this.value ? 4 : 5);
        return;
      } else if (!isSpace(code)) {
        throw this.error(`stray '${this.#strayText()}'`);
      }
    }
  }

  /** Whether the current token is of this kind; a call, so that the compiler does not carry the answer over next(). */
  is(kind: TokenKind): boolean {
    return this.kind === kind;
  }

  /** A syntax error at the current token, or `offset` characters behind its start. */
  error(message: string, offset = 0): SchemaError {
    let column = 1;
    const end = this.position + offset;
    for (let i = this.#lineStart; i < end; i++) {
      const code = this.#text.charCodeAt(i);
      // Not a tab stop, but the reference's formula; messages are compared by text.
      if (code === TAB) column = ((column + 7) % 8) + 1;
      else if ((code & 0xfc00) !== 0xdc00) column++;
    }
    return syntaxError(this.file, this.line, column, message);
  }

  #string(): void {
    const text = this.#text;
    let value = '';
    let from = this.#cursor;
    for (let i = from; ; i++) {
      const code = text.charCodeAt(i);
      if (code === LF) throw this.error('missing terminating "\'"');
      if (code === BACKSLASH) {
        const escaped = text.charCodeAt(i + 1);
        if (escaped !== BACKSLASH) {
          if (escaped === LF) throw this.error('missing terminating "\'"');
          throw this.error(`unknown escape \\${String.fromCodePoint(text.codePointAt(i + 1) ?? 0)}`);
        }
        value += text.slice(from, i);
        from = ++i;
      } else if (code === QUOTE) {
        this.kind = 'string';
        this.value = value + text.slice(from, i);
        this.#cursor = i + 1;
        return;
      } else if (code < 32 || code >= 127) {
        throw this.error('funny character in string');
      }
    }
  }

  #strayText(): string {
    let end = this.position + 1;
    for (; ; end++) {
      const code = this.#text.charCodeAt(end);
      if (isSpace(code) || isStructural(code) || code === QUOTE) return this.#text.slice(this.position, end);
    }
  }
}

const isStructural = (code: number): boolean =>
  code === 0x7b || code === 0x7d || code === 0x5b || code === 0x5d || code === 0x3a || code === 0x2c;

/** White space as Python's str.isspace has it, which differs from JavaScript's `\s` (U+FEFF, U+001C to U+001F, U+0085). */
function isSpace(code: number): boolean {
  if (code < 0x80) return code === 32 || (code >= 9 && code <= 13) || (code >= 28 && code <= 31);
  return (
    code === 0x85 ||
    code === 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  );
}
