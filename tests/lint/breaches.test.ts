/**
 * Each file under breaches/ breaks one rule and names, in `// expect: TOOL RULE` lines, who must catch it. The tools run
 * with the project's own settings over a copy, and must find exactly what is expected: nothing missed, nothing more.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;
const run = promisify(execFile);
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'netyard-breaches-'));
  const settings = ['.dependency-cruiser.mjs', 'biome.json', 'package.json', 'tools/lint', 'src/portable.d.ts'];
  for (const path of [...settings, 'tsconfig.base.json', 'tsconfig.json', 'tsconfig.portable.json']) {
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  cpSync(join(root, 'tests/lint/breaches'), folder, { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a breach of each kind is caught', () => {
  test('by dependency-cruiser', async () => {
    const output = await stdout('depcruise', ['--config', '.dependency-cruiser.mjs', '--output-type', 'json', 'src']);
    const result = JSON.parse(output) as { summary: { violations: { from: string; rule: { name: string } }[] } };
    expect(unique(result.summary.violations.map(({ from, rule }) => `${from} ${rule.name}`))).toEqual(
      expected('depcruise'),
    );
  });

  test('by Biome', async () => {
    const output = await stdout('biome', ['lint', '--reporter=json', '--max-diagnostics=none', 'src']);
    const result = JSON.parse(output) as {
      diagnostics: { category: string; severity: string; location: { path: string | { file: string } } }[];
    };
    const found = result.diagnostics
      .filter(({ severity }) => severity === 'error')
      .map(({ category, location: { path } }) => `${typeof path === 'string' ? path : path.file} ${category}`);
    expect(unique(found)).toEqual(expected('biome'));
  });

  test('by the compiler with the portable settings', async () => {
    const output = await stdout('tsc', ['-p', 'tsconfig.portable.json', '--pretty', 'false']);
    const found = [...output.matchAll(/^(src\/\S+?)\(\d+,\d+\): error (TS\d+)/gm)].map(
      ([, path, code]) => `${path} ${code}`,
    );
    expect(unique(found)).toEqual(expected('tsc'));
  });
});

/** What a tool printed; it exits with an error status because it found something. */
async function stdout(tool: string, parameters: readonly string[]): Promise<string> {
  try {
    const { stdout: text } = await run(join(root, 'node_modules/.bin', tool), parameters, {
      cwd: folder,
      maxBuffer: 64 << 20,
    });
    return text;
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout);
  }
}

function expected(tool: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(folder, 'src'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    for (const [, who, rule] of readFileSync(path, 'utf8').matchAll(/^\/\/ expect: (\S+) (\S+)$/gm)) {
      if (who === tool) found.push(`${relative(folder, path)} ${rule}`);
    }
  }
  return unique(found);
}

const unique = (lines: readonly string[]): string[] => [...new Set(lines)].sort();
