/**
 * Documentation comments: a block between two `##` lines is either the documentation of the definition that follows
 * (`@NAME:` on its first line) or free-form text (QEMU docs/devel/qapi-code-gen.rst, "Documentation comments").
 */
import type { DialectRules } from './dialect.ts';
import { DocBlock } from './doc-block.ts';
import { DocLines, indentOf } from './doc-lines.ts';
import type { Lexer } from './lexer.ts';
import type { DocTag, FreeFormDoc, Location } from './model.ts';

const DESCRIPTION = /^@([^:]*): */;
/** Before 9.0 the head of a description is a whole word. */
const DESCRIPTION_WORD = /^@([^: ]*):(?: +|$)/;
const TAG = /^(Returns|Errors|Since|Notes?|Examples?|TODO): */;
/** From 9.1 on a tag with two colons is ordinary text. */
const TAG_NOT_RST = /^(Returns|Errors|Since|Notes?|Examples?|TODO):(?!:) */;

/** Parses the block whose opening comment is the lexer's current token; the token behind the block is current after. */
export function parseDoc(lexer: Lexer, rules: DialectRules): DocBlock | FreeFormDoc {
  if (lexer.value !== '##') throw lexer.error("junk after '##' at start of documentation comment");
  const location: Location = { file: lexer.file, line: lexer.line };
  const lines = new DocLines(lexer, rules);
  const first = lines.next();
  if (first?.startsWith('@')) return new DefinitionDocParser(lexer, lines, rules, location).parse(first);
  return freeForm(lexer, lines, rules, location, first);
}

function freeForm(
  lexer: Lexer,
  lines: DocLines,
  rules: DialectRules,
  location: Location,
  first: string | undefined,
): FreeFormDoc {
  const text: string[] = [];
  for (let line = first; line !== undefined; line = lines.next()) {
    const description = DESCRIPTION.exec(line);
    if (description !== null) {
      throw lexer.error(`'@${description[1]}:' not allowed in free-form documentation`);
    }
    if (rules.headings === 'first' && text.length > 0 && line.startsWith('=')) {
      throw lexer.error("'=' heading must come first in a comment block");
    }
    text.push(line);
  }
  lexer.next();
  return { kind: 'free-form', text: text.join('\n').replace(/^\n+/, '').trimEnd(), location };
}

class DefinitionDocParser {
  readonly #lexer: Lexer;
  readonly #lines: DocLines;
  readonly #rules: DialectRules;
  readonly #location: Location;
  #line: string | undefined;

  constructor(lexer: Lexer, lines: DocLines, rules: DialectRules, location: Location) {
    this.#lexer = lexer;
    this.#lines = lines;
    this.#rules = rules;
    this.#location = location;
  }

  parse(symbolLine: string): DocBlock {
    if (!symbolLine.endsWith(':')) throw this.#lexer.error("line should end with ':'");
    const symbol = symbolLine.slice(1, -1);
    if (symbol === '') throw this.#lexer.error("name required after '@'");
    const doc = new DocBlock(symbol, this.#location);
    this.#advance();
    let membersDone = false;
    for (;;) {
      while (this.#line === '') this.#advance();
      const line = this.#line;
      if (line === undefined) break;
      const description = this.#description(line);
      const tag = this.#tag(line);
      if (line === 'Features:') {
        this.#features(doc);
        membersDone = true;
      } else if (description !== null) {
        if (membersDone) throw this.#lexer.error(`description of '@${description[1]}:' follows a section`);
        this.#descriptions(doc, 'member');
        membersDone = true;
      } else if (tag !== null) {
        doc.tagged(tag[1] as DocTag, this.#here());
        this.#indented(doc, line.slice(tag[0].length));
        membersDone = true;
      } else {
        if (this.#rules.headings !== 'none' && line.startsWith('=')) {
          throw this.#lexer.error("unexpected '=' markup in definition documentation");
        }
        doc.plain(this.#here());
        this.#paragraph(doc);
      }
    }
    this.#lexer.next(!this.#rules.commentBreaksLink);
    doc.close(this.#rules);
    return doc;
  }

  #features(doc: DocBlock): void {
    if (doc.hasFeatures) throw this.#lexer.error("duplicated 'Features:' line");
    do this.#advance();
    while (this.#line === '');
    this.#descriptions(doc, 'feature');
    if (!doc.hasFeatures) throw this.#lexer.error('feature descriptions expected');
  }

  /** A group of `@name: text` descriptions. */
  #descriptions(doc: DocBlock, kind: 'member' | 'feature'): void {
    for (;;) {
      const line = this.#line;
      const head = line === undefined ? null : this.#description(line);
      if (line === undefined || head === null) return;
      doc.describe(kind, head[1] ?? '', this.#here());
      this.#indented(doc, line.slice(head[0].length));
    }
  }

  /** The text of a description or tagged section; the first line behind the head decides on its indentation. */
  #indented(doc: DocBlock, firstText: string): void {
    if (firstText !== '') doc.append(firstText);
    this.#advance();
    if (this.#rules.tagsAnywhere) {
      this.#untilTag(doc, firstText !== '');
      return;
    }
    while (this.#line === '') {
      doc.append('');
      this.#advance();
    }
    if (this.#line === undefined) return;
    const indent = indentOf(this.#line);
    if (indent === 0) return;
    doc.append(this.#line.slice(indent));
    // A de-indented line ends the section unless it is the second of its text: the reference's rule.
    for (let second = true; ; second = false) {
      const line = this.#advance();
      if (line === undefined || this.#description(line) !== null) return;
      if (line !== '' && indentOf(line) < indent) {
        if (!second) return;
        throw this.#lexer.error(`unexpected de-indent (expected at least ${indent} spaces)`);
      }
      doc.append(line.slice(indent));
    }
  }

  /** The older rule for the text of a section; a blank line ends it only once it has text. */
  #untilTag(doc: DocBlock, begun: boolean): void {
    let hasText = begun;
    let blank = false;
    for (let line = this.#line; line !== undefined && !this.#startsSection(line); line = this.#advance()) {
      if (hasText && blank && line !== '' && indentOf(line) === 0) return;
      blank = line === '';
      hasText ||= !blank;
      doc.append(line);
    }
  }

  #paragraph(doc: DocBlock): void {
    let line = this.#line;
    do {
      doc.append(line ?? '');
      line = this.#advance();
    } while (line !== undefined && line !== '' && !this.#startsSection(line));
  }

  /** Whether a line in the middle of text opens a section: only in dialects that look for tags on every line. */
  #startsSection(line: string): boolean {
    return this.#rules.tagsAnywhere && (line === 'Features:' || this.#description(line) !== null || TAG.test(line));
  }

  #description(line: string): RegExpExecArray | null {
    return (this.#rules.tagsAnywhere ? DESCRIPTION_WORD : DESCRIPTION).exec(line);
  }

  #tag(line: string): RegExpExecArray | null {
    if (this.#rules.noteSections) return TAG.exec(line);
    const tag = TAG_NOT_RST.exec(line);
    const name = tag?.[1];
    if (name?.startsWith('Note')) {
      throw this.#lexer.error(
        `The '${name}' section is no longer supported. Please use rST's '.. note::' or '.. admonition:: notes' ` +
          'directives, or another suitable admonition instead.',
      );
    }
    if (name?.startsWith('Example')) {
      throw this.#lexer.error(
        `The '${name}' section is no longer supported. Please use the '.. qmp-example::' directive, or other ` +
          'suitable markup instead.',
      );
    }
    return tag;
  }

  #here(): Location {
    return { file: this.#lexer.file, line: this.#lexer.line };
  }

  #advance(): string | undefined {
    this.#line = this.#lines.next();
    return this.#line;
  }
}
