/** Splitting a line of the human monitor into arguments (QEMU monitor/hmp.c). */

export class LineError extends Error {
  override readonly name = 'LineError';
}

export class LineReader {
  private readonly text: string;
  private position = 0;

  constructor(text: string) {
    this.text = text;
  }

  private skipBlanks(): void {
    while (isBlank(this.text[this.position])) this.position++;
  }

  get atEnd(): boolean {
    this.skipBlanks();
    return this.position >= this.text.length;
  }

  /** The command word: up to a blank or `/`. */
  commandWord(): string {
    this.skipBlanks();
    const start = this.position;
    while (this.position < this.text.length && !isBlank(this.text[this.position]) && this.text[this.position] !== '/') {
      this.position++;
    }
    return this.text.slice(start, this.position);
  }

  /** The line up to here, without blanks in front. */
  consumed(): string {
    return this.text.slice(0, this.position).trimStart();
  }

  /** A blank-delimited word, quotes and all. undefined at the end of the line. */
  plainWord(): string | undefined {
    return this.atEnd ? undefined : this.bare();
  }

  /** A blank-delimited word, or a double-quoted string with \n \r \\ \' \" escapes. undefined at the end of the line. */
  word(): string | undefined {
    if (this.atEnd) return undefined;
    return this.text[this.position] === '"' ? this.quoted() : this.bare();
  }

  private bare(): string {
    const start = this.position;
    while (this.position < this.text.length && !isBlank(this.text[this.position])) this.position++;
    return this.text.slice(start, this.position);
  }

  private quoted(): string {
    let out = '';
    this.position++;
    for (;;) {
      const char = this.text[this.position++];
      if (char === undefined) throw new LineError('unterminated string');
      if (char === '"') return out;
      if (char !== '\\') {
        out += char;
        continue;
      }
      const code = this.text[this.position++];
      if (code === undefined) throw new LineError('unterminated string');
      const plain = ESCAPES.get(code);
      if (plain === undefined) throw new LineError(`unsupported escape code: '\\${code}'`);
      out += plain;
    }
  }
}

const ESCAPES = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['\\', '\\'],
  ["'", "'"],
  ['"', '"'],
]);

function isBlank(char: string | undefined): boolean {
  return char === ' ' || char === '\t' || char === '\n' || char === '\r' || char === '\f' || char === '\v';
}
