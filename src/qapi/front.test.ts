import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkSchema, introspect, type ReadFile } from './front.ts';

interface Row {
  name: string;
  files: Record<string, string>;
  ok: boolean;
  error?: string;
  defines?: string[];
  introspect?: unknown[];
  introspect_nodefs?: unknown[];
  names?: Record<string, string>;
}

const rows = readFileSync(new URL('../../tests/vectors/qapi-oracle.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Row);

const reader =
  (files: Record<string, string>): ReadFile =>
  (path) => {
    const text = files[path];
    return text === undefined ? { error: 'No such file or directory' } : { text };
  };

describe('the reference front end’s verdicts', () => {
  it('covers every row', () => expect(rows).toHaveLength(178));

  it.each(rows.map((row) => [row.name, row] as const))('%s', (_name, row) => {
    const result = checkSchema('main.json', reader(row.files), { defines: row.defines ?? [] });
    if (!row.ok) {
      expect(result).toEqual({ ok: false, error: row.error });
      return;
    }
    if (!result.ok) throw new TypeError(result.error);
    expect(result.introspect()).toEqual(row.introspect);
    expect(Object.fromEntries(introspect(result.model).names)).toEqual(row.names);
    if (row.introspect_nodefs) expect(introspect(result.model).entries).toEqual(row.introspect_nodefs);
  });
});
