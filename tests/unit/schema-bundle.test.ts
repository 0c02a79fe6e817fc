/** What a page loads of the schema: table and engine with JSON, dotted keys, traditional options, output, introspection. */
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, it } from 'vitest';
import { ROOT } from '../kit/test-schema.ts';

const LIMIT_BYTES = 8192;
const ENTRY = `
import { Schema, parseNetdevArgument } from '${ROOT}src/qapi/index.ts';
import { NETYARD_TABLE } from '${ROOT}src/schema/net.ts';
globalThis.netyard = [new Schema(NETYARD_TABLE), parseNetdevArgument];
`;

it('fits into 8 kB, minified and compressed', { timeout: 60_000 }, async () => {
  const result = await build({
    configFile: false,
    root: ROOT,
    logLevel: 'silent',
    build: {
      write: false,
      target: 'es2023',
      minify: true,
      modulePreload: false,
      rollupOptions: { input: 'virtual:entry' },
    },
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === 'virtual:entry' ? id : null),
        load: (id) => (id === 'virtual:entry' ? ENTRY : null),
      },
    ],
  });
  const { output } = (Array.isArray(result) ? result[0] : result) as { output: { code?: string }[] };
  const code = output.map((chunk) => chunk.code ?? '').join('');
  const size = gzipSync(code, { level: 9 }).length;
  console.log(`schema for the browser: ${code.length} bytes, ${size} compressed`);
  expect(code).toContain('short-form boolean option');
  expect(code).not.toContain('node:');
  expect(size).toBeLessThan(LIMIT_BYTES);
  // The compiler half stays out.
  expect(code).not.toContain('missing terminating');
});
