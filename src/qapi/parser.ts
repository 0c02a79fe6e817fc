/**
 * Files to expressions: values, documentation blocks, and the directives, which act while parsing. Includes are spliced
 * in where they stand, so the result is one stream of items (QEMU scripts/qapi/parser.py has the same order of events).
 * File access is injected. Nesting, include depth, files and text are capped; the caps are far above any real schema.
 */
import type { DialectRules } from './dialect.ts';
import { DocBlock } from './doc-block.ts';
import { parseDoc } from './doc-parser.ts';
import { Lexer } from './lexer.ts';
import type { FreeFormDoc, SourceFile } from './model.ts';
import { Pragma } from './pragma.ts';
import { type Origin, originAt, SchemaError, semanticError } from './source.ts';
import { includePath, moduleName, normalPath } from './source-path.ts';
import type { Value, ValueMap } from './syntax.ts';

/** Text of a file, or why it cannot be read in the words of strerror(3). */
export type ReadFile = (path: string) => { readonly text: string } | { readonly error: string };

export type Item =
  | { readonly kind: 'include'; readonly module: string; readonly inModule: string }
  | {
      readonly kind: 'expression';
      readonly value: ValueMap;
      readonly origin: Origin;
      readonly doc: DocBlock | undefined;
      readonly inModule: string;
    }
  | { readonly kind: 'free-form'; readonly doc: FreeFormDoc; readonly inModule: string };

export interface ParsedSchema {
  readonly rootModule: string;
  readonly items: readonly Item[];
  /** Every definition's documentation in source order. */
  readonly docs: readonly DocBlock[];
  readonly pragma: Pragma;
}

/** Brackets in brackets. QEMU's schema reaches 7. */
const MAX_NESTING = 100;
/** Includes in includes; a link that leads into its own folder makes new paths for ever. */
const MAX_INCLUDE_DEPTH = 64;
const MAX_FILES = 4096;
/** Characters over all files. QEMU's schema has 0.7 million. */
const MAX_TEXT = 32 << 20;

export function parseSchema(rootPath: string, readFile: ReadFile, rules: DialectRules): ParsedSchema {
  const run = new ParseRun(rootPath, readFile, rules);
  const root = readFile(rootPath);
  if ('error' in root) throw new SchemaError(`can't read schema file '${rootPath}': ${root.error}`);
  run.file({ path: rootPath, includedFrom: undefined }, root.text);
  return { rootModule: run.rootModule, items: run.items, docs: run.docs, pragma: run.pragma };
}

class ParseRun {
  readonly rootModule: string;
  readonly items: Item[] = [];
  readonly docs: DocBlock[] = [];
  readonly pragma = new Pragma();
  readonly #rootPath: string;
  readonly #readFile: ReadFile;
  readonly #rules: DialectRules;
  readonly #seen = new Set<string>();
  #textLength = 0;

  constructor(rootPath: string, readFile: ReadFile, rules: DialectRules) {
    this.#rootPath = rootPath;
    this.#readFile = readFile;
    this.#rules = rules;
    this.rootModule = moduleName(rootPath, rootPath);
  }

  file(file: SourceFile, text: string): void {
    this.#seen.add(normalPath(file.path));
    this.#textLength += text.length;
    if (this.#textLength > MAX_TEXT) throw new SchemaError(`${file.path}: schema text exceeds ${MAX_TEXT} characters`);
    const inModule = moduleName(this.#rootPath, file.path);
    const lexer = new Lexer(file, text);
    let doc: DocBlock | FreeFormDoc | undefined;
    lexer.next();
    while (lexer.kind !== 'end') {
      if (lexer.kind === 'comment') {
        rejectUnused(doc);
        doc = parseDoc(lexer, this.#rules);
        if (doc instanceof DocBlock) this.docs.push(doc);
        else this.items.push({ kind: 'free-form', doc, inModule });
        continue;
      }
      const origin = originAt(file, lexer.line);
      const value = parseValue(lexer, 0);
      if (!(value instanceof Map)) throw semanticError(origin, 'top-level expression must be an object');
      if (value.has('include')) {
        rejectUnused(doc);
        this.#include(value, origin, inModule);
      } else if (value.has('pragma')) {
        rejectUnused(doc);
        this.#pragma(value, origin);
      } else {
        if (doc !== undefined && !(doc instanceof DocBlock)) {
          throw semanticError(doc.location, 'definition documentation required');
        }
        this.items.push({ kind: 'expression', value, origin, doc, inModule });
      }
      doc = undefined;
    }
    rejectUnused(doc);
  }

  #include(directive: ValueMap, origin: Origin, inModule: string): void {
    if (directive.size !== 1) throw semanticError(origin, "invalid 'include' directive");
    const include = directive.get('include');
    if (typeof include !== 'string') throw semanticError(origin, "value of 'include' must be a string");
    const path = includePath(origin.file.path, include);
    const target = normalPath(path);
    this.items.push({ kind: 'include', module: moduleName(this.#rootPath, path), inModule });
    let depth = 0;
    for (let file: SourceFile | undefined = origin.file; file !== undefined; file = file.includedFrom?.file) {
      if (normalPath(file.path) === target) throw semanticError(origin, `inclusion loop for ${include}`);
      depth++;
    }
    if (this.#seen.has(target)) return;
    if (depth > MAX_INCLUDE_DEPTH)
      throw semanticError(origin, `includes nested too deeply (limit ${MAX_INCLUDE_DEPTH})`);
    if (this.#seen.size >= MAX_FILES) throw semanticError(origin, `too many files (limit ${MAX_FILES})`);
    const content = this.#readFile(path);
    if ('error' in content) throw semanticError(origin, `can't read include file '${path}': ${content.error}`);
    this.file({ path, includedFrom: origin }, content.text);
  }

  #pragma(directive: ValueMap, origin: Origin): void {
    if (directive.size !== 1) throw semanticError(origin, "invalid 'pragma' directive");
    const settings = directive.get('pragma');
    if (!(settings instanceof Map)) throw semanticError(origin, "value of 'pragma' must be an object");
    for (const [name, value] of settings as ValueMap) this.pragma.set(name, value, origin);
  }
}

/** A definition's documentation must stand directly before it. */
function rejectUnused(doc: DocBlock | FreeFormDoc | undefined): void {
  if (doc instanceof DocBlock) {
    throw semanticError(doc.location, `documentation for '${doc.symbol}' is not followed by the definition`);
  }
}

function parseValue(lexer: Lexer, depth: number): Value {
  if (depth > MAX_NESTING) throw lexer.error(`nested too deeply (limit ${MAX_NESTING})`);
  switch (lexer.kind) {
    case '{':
      return parseObject(lexer, depth);
    case '[':
      return parseList(lexer, depth);
    case 'string':
    case 'boolean': {
      const value = lexer.value;
      lexer.next();
      return value;
    }
    default:
      throw lexer.error("expected '{', '[', string, or boolean");
  }
}

function parseObject(lexer: Lexer, depth: number): ValueMap {
  const object = new Map<string, Value>();
  lexer.next();
  if (lexer.is('}')) {
    lexer.next();
    return object;
  }
  if (!lexer.is('string')) throw lexer.error("expected string or '}'");
  for (;;) {
    const key = String(lexer.value);
    lexer.next();
    if (!lexer.is(':')) throw lexer.error("expected ':'");
    lexer.next();
    if (object.has(key)) throw lexer.error(`duplicate key '${key}'`);
    object.set(key, parseValue(lexer, depth + 1));
    if (lexer.is('}')) {
      lexer.next();
      return object;
    }
    if (!lexer.is(',')) throw lexer.error("expected ',' or '}'");
    lexer.next();
    if (!lexer.is('string')) throw lexer.error('expected string');
  }
}

function parseList(lexer: Lexer, depth: number): readonly Value[] {
  const list: Value[] = [];
  lexer.next();
  if (lexer.is(']')) {
    lexer.next();
    return list;
  }
  if (!lexer.is('{') && !lexer.is('[') && !lexer.is('string') && !lexer.is('boolean')) {
    throw lexer.error("expected '{', '[', ']', string, or boolean");
  }
  for (;;) {
    list.push(parseValue(lexer, depth + 1));
    if (lexer.is(']')) {
      lexer.next();
      return list;
    }
    if (!lexer.is(',')) throw lexer.error("expected ',' or ']'");
    lexer.next();
  }
}
