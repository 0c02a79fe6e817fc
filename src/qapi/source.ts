/**
 * Places in schema text and the layout of error texts.
 * Syntax errors carry a column, semantic errors a line; an error inside a definition names it on a line of its own, and
 * every includer on the way stands before that, outermost first.
 */
import type { Location, SourceFile } from './model.ts';

export type Meta = 'enum' | 'struct' | 'union' | 'alternate' | 'command' | 'event';

/** The place of one top-level expression; `definition` is set once its name is known to be a string. */
export interface Origin extends Location {
  definition: { readonly meta: Meta; readonly name: string } | undefined;
}

/** The first fault of a schema. The message is the complete text, one or more lines. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

export const originAt = (file: SourceFile, line: number): Origin => ({ file, line, definition: undefined });

/** An error about an expression or a documentation section. */
export const semanticError = (at: Location | Origin, message: string): SchemaError =>
  new SchemaError(placed(at, message));

/** An error at a character. Columns count from 1. */
export const syntaxError = (file: SourceFile, line: number, column: number, message: string): SchemaError =>
  new SchemaError(`${includers(file)}${file.path}:${line}:${column}: ${message}`);

/** A message with its place in front, in the layout of a semantic error. */
export function placed(at: Location | Origin, message: string): string {
  const definition = 'definition' in at ? at.definition : undefined;
  const inside = definition === undefined ? '' : `${at.file.path}: In ${definition.meta} '${definition.name}':\n`;
  return `${includers(at.file)}${inside}${at.file.path}:${at.line}: ${message}`;
}

function includers(file: SourceFile): string {
  const lines: string[] = [];
  for (let from = file.includedFrom; from !== undefined; from = from.file.includedFrom) {
    lines.unshift(`In file included from ${from.file.path}:${from.line}:\n`);
  }
  return lines.join('');
}
