/** `netyard schema check`: the verdict on a schema file, and what query-qmp-schema would say of it. */
import { checkSchema, type Dialect } from '../qapi/front.ts';
import { readSchemaFile } from './schema-files.ts';

/**
 * @param defines macros that conditions see as defined; a word each, everything else is undefined
 * @param dialect the QEMU release whose rules apply
 * @returns exit 0 and the introspection as JSON, or exit 1 and the reference's error text
 */
export async function schemaCheck(
  file: string,
  defines: readonly string[],
  dialect: Dialect = '9.0',
): Promise<{ exit: number; stdout: string; stderr: string }> {
  const result = checkSchema(file, readSchemaFile, { defines, dialect });
  if (!result.ok) return { exit: 1, stdout: '', stderr: `${result.error}\n` };
  return { exit: 0, stdout: `${JSON.stringify(result.introspect(), null, 2)}\n`, stderr: '' };
}
