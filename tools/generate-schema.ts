/**
 * Writes src/schema/net.ts from schema/: the TypeScript types and the compiled table.
 *
 *     npx tsx tools/generate-schema.ts            write it
 *     npx tsx tools/generate-schema.ts --check    exit 1 when the committed file differs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compileTable } from '../src/qapi/compile-table.ts';
import { emitTypes } from '../src/qapi/emit-typescript.ts';
import { checkSchema } from '../src/qapi/front.ts';

/** What this program has: our extensions, Linux's unix sockets, MPTCP, AF_XDP. Not macOS's vmnet. */
export const NETYARD_DEFINES = ['NETYARD', 'CONFIG_AF_XDP', 'CONFIG_LINUX', 'HAVE_IPPROTO_MPTCP'] as const;

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const TARGET = `${ROOT}src/schema/net.ts`;

export function generate(): string {
  const result = checkSchema('schema/qapi-schema.json', (path) => ({ text: readFileSync(ROOT + path, 'utf8') }), {
    dialect: '10.2',
  });
  if (!result.ok) throw new TypeError(result.error);
  const table = compileTable(result.model, NETYARD_DEFINES);
  return [
    '/* Generated from schema/ by tools/generate-schema.ts: do not edit. */',
    "import type { SchemaTable } from '../qapi/index.ts';",
    '',
    emitTypes(result.model, 'NetyardSchema', NETYARD_DEFINES),
    '/** The compiled table, for `new Schema(...)`. */',
    'export const NETYARD_TABLE: SchemaTable = [',
    ...table.map((line) => `  '${line}',`),
    '];',
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = generate();
  if (process.argv.includes('--check')) {
    if (readFileSync(TARGET, 'utf8') !== text) {
      process.stderr.write('src/schema/net.ts is not what schema/ gives: run npx tsx tools/generate-schema.ts\n');
      process.exitCode = 1;
    }
  } else {
    writeFileSync(TARGET, text);
  }
}
