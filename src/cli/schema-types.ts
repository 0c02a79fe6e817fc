/** `netyard schema types`: TypeScript for a schema file, or for the live monitor at qmp:SOCKET. */
import { connect } from '../node/qmp.ts';
import { emitTypes, emitTypesFromIntrospection } from '../qapi/emit-typescript.ts';
import { checkSchema, type Dialect } from '../qapi/front.ts';
import type { JsonValue } from '../qapi/index.ts';
import { readSchemaFile } from './schema-files.ts';

const QMP = 'qmp:';
const CONNECT_LIMIT_MS = 5000;

export interface ToolResult {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * @param defines macros that conditions see as defined
 * @param dialect the QEMU release whose rules apply to a file
 * @throws QmpSessionError if nothing answers at the socket.
 */
export async function schemaTypes(
  source: string,
  defines: readonly string[],
  dialect: Dialect = '9.0',
): Promise<ToolResult> {
  if (source.startsWith(QMP)) {
    await using session = await connect(source.slice(QMP.length), { timeoutMs: CONNECT_LIMIT_MS });
    const reply = (await session.call('query-qmp-schema')) as JsonValue[];
    return { exit: 0, stdout: emitTypesFromIntrospection(reply), stderr: '' };
  }
  const result = checkSchema(source, readSchemaFile, { defines, dialect });
  if (!result.ok) return { exit: 1, stdout: '', stderr: `${result.error}\n` };
  return { exit: 0, stdout: emitTypes(result.model, 'Schema', defines), stderr: '' };
}
