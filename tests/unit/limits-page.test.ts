/** docs/reference/limits.md says what the source says. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const UNITS: Record<string, number> = { MiB: 1 << 20, KiB: 1 << 10, s: 1000 };
const root = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/reference/limits.md', root), 'utf8');
const rows = [...page.matchAll(/^\| (.+?) \| (\d+)(?: (\S+))?.* \| `(\S+)` `([A-Z_]+)` \|$/gm)];

test('rows are found', () => expect(rows.length).toBeGreaterThan(30));

test.each(rows.map((row) => row.slice(1)))('%s', (_, amount, unit, file, name) => {
  const source = readFileSync(new URL(`src/${file}.ts`, root), 'utf8');
  const text = new RegExp(`const ${name} = ([0-9_* ]+);`).exec(source)?.[1];
  expect(text, `${name} in ${file}.ts`).toBeDefined();
  const value = (text ?? '').split('*').reduce((product, part) => product * Number(part.replaceAll('_', '')), 1);
  const scale = unit === 's' && !name?.endsWith('_MS') ? 1 : (UNITS[unit ?? ''] ?? 1);
  expect(value).toBe(Number(amount) * scale);
});
