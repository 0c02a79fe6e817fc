/** Schemas for tests: compiled from text, from a file beside this one, or from the project's own files. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compileTable } from '../../src/qapi/compile-table.ts';
import { checkSchema, type Schema as SchemaModel } from '../../src/qapi/front.ts';
import { Schema } from '../../src/qapi/index.ts';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The checked model of a root file of the repository. */
export function modelOfFile(path: string): SchemaModel {
  const result = checkSchema(path, (file) => ({ text: readFileSync(ROOT + file, 'utf8') }), { dialect: '10.2' });
  if (!result.ok) throw new TypeError(result.error);
  return result.model;
}

export function modelOfText(text: string): SchemaModel {
  const result = checkSchema('test.json', () => ({ text }));
  if (!result.ok) throw new TypeError(result.error);
  return result.model;
}

export function schemaOfText(text: string, defines: readonly string[] = []): Schema {
  return new Schema(compileTable(modelOfText(text), defines));
}

/** The message of the error that a call throws, its hint on lines of their own; undefined when it throws none. */
export function faultOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    const { message, hint } = error as { message: string; hint?: string };
    return hint === undefined ? message : `${message}\n${hint}`;
  }
}
