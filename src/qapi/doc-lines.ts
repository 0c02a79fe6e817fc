/**
 * The lines of one documentation block: comment signs removed, trailing blanks trimmed, the closing `##` recognised,
 * and the style rules of newer dialects applied. Blank source lines between comment lines do not show.
 */
import type { DialectRules } from './dialect.ts';
import type { Lexer } from './lexer.ts';

const LONGEST_LINE = 70;

export class DocLines {
  readonly #lexer: Lexer;
  readonly #rules: DialectRules;
  #literalIndent: number | undefined;

  constructor(lexer: Lexer, rules: DialectRules) {
    this.#lexer = lexer;
    this.#rules = rules;
  }

  /** Steps to the next line and returns its text; undefined for the closing `##`. */
  next(): string | undefined {
    const lexer = this.#lexer;
    lexer.next(false);
    if (lexer.kind !== 'comment') throw lexer.error("documentation comment must end with '##'");
    const raw = String(lexer.value);
    if (raw.startsWith('##')) {
      if (raw !== '##') throw lexer.error("junk after '##' at end of documentation comment");
      return undefined;
    }
    if (raw === '#') return '';
    if (raw[1] !== ' ') throw lexer.error('missing space after #');
    const line = raw.slice(2).trimEnd();
    if (this.#rules.style) this.#checkStyle(line);
    return line;
  }

  #checkStyle(line: string): void {
    if (/^(\.\. +qmp-example)? *::$/.test(line)) {
      this.#literalIndent = 0;
    } else if (this.#literalIndent !== undefined && line !== '') {
      const indent = indentOf(line);
      if (this.#literalIndent === 0) this.#literalIndent = indent;
      else if (indent < this.#literalIndent) this.#literalIndent = undefined;
    }
    if (this.#literalIndent !== undefined) return;
    if (line.length + 2 > LONGEST_LINE && !/^ *(https?|ftp):\/\/[^ ]*$/.test(line)) {
      throw this.#lexer.error('documentation line longer than 70 characters');
    }
    const end = oneSpacedSentence(line);
    if (end !== undefined) {
      throw this.#lexer.error(
        'Use two spaces between sentences\nIf this not the end of a sentence, please report a bug.',
        // The text starts behind `# `; the fault is the blank behind the full stop.
        2 + end + 1,
      );
    }
  }
}

/** The number of leading white space characters. */
export const indentOf = (line: string): number => line.length - line.trimStart().length;

/** Where a full stop stands that one blank and a capital follow; `e.g.` and a leading `N.` are not full stops. */
function oneSpacedSentence(line: string): number | undefined {
  for (const match of line.matchAll(/[.!?] [A-Z0-9(]/g)) {
    const before = line.slice(0, match.index + 1);
    if (/\be\.g\.$/.test(before) || /^ *\d\.$/.test(before)) continue;
    return match.index;
  }
  return undefined;
}
