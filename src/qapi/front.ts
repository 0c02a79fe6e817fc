/**
 * The front end of the schema language: files in, checked model or the reference's error text out.
 * Not part of what a running yard or a page loads; those use the compiled table.
 */
import { Checker } from './check.ts';
import { checkDefinition } from './check-definition.ts';
import { DIALECTS, type Dialect } from './dialect.ts';
import { checkBogusDoc } from './doc-check.ts';
import { introspect } from './introspect.ts';
import type { Schema } from './model.ts';
import { buildModel } from './model-builder.ts';
import { parseSchema, type ReadFile } from './parser.ts';
import { Registry } from './registry.ts';
import { SchemaError } from './source.ts';
import type { JsonObject } from './value.ts';

export { conditionHolds, conditionText } from './condition.ts';
export type { Dialect } from './dialect.ts';
export { type Introspection, type IntrospectOptions, introspect } from './introspect.ts';
export type * from './model.ts';
export type { ReadFile } from './parser.ts';

export interface CheckOptions {
  /** Macros that introspect() takes for defined. The verdict does not depend on them. */
  readonly defines?: Iterable<string>;
  /** The QEMU release whose rules apply; `9.0`, the reference of all error texts, unless said otherwise. */
  readonly dialect?: Dialect;
}

export type CheckResult =
  | {
      readonly ok: true;
      readonly model: Schema;
      /** The reply to query-qmp-schema. */
      introspect(): JsonObject[];
    }
  | {
      readonly ok: false;
      /** The first fault, as the reference prints it: `main.json:1:8: …`, several lines where it has several. */
      readonly error: string;
    };

/**
 * Parses and checks a schema with everything it includes.
 * @param rootPath the root file, in the caller's terms; includes are relative to the file they stand in
 * @param readFile gives a file's text or the reason in strerror's words
 * @example
 * const files = { 'main.json': "{ 'command': 'go' }" };
 * const result = checkSchema('main.json', (path) =>
 *   path in files ? { text: files[path] } : { error: 'No such file or directory' });
 */
export function checkSchema(rootPath: string, readFile: ReadFile, options: CheckOptions = {}): CheckResult {
  const rules = DIALECTS[options.dialect ?? '9.0'];
  const defines = new Set(options.defines);
  try {
    const parsed = parseSchema(rootPath, readFile, rules);
    const definitions = parsed.items
      .filter((item) => item.kind === 'expression')
      .map((item) => checkDefinition(item, parsed.pragma, rules));
    const registry = new Registry(rules.maxFeatures);
    for (const definition of definitions) registry.define(definition);
    new Checker(registry, parsed.pragma, rules).checkAll();
    for (const doc of parsed.docs) checkBogusDoc(doc);
    const model = buildModel(parsed, registry);
    return { ok: true, model, introspect: () => introspect(model, { defines }).entries };
  } catch (error) {
    if (error instanceof SchemaError) return { ok: false, error: error.message };
    throw error;
  }
}
