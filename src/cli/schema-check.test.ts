import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { schemaCheck } from './schema-check.ts';
import { runSubcommand } from './subcommands.ts';

const folder = mkdtempSync(join(tmpdir(), 'netyard-schema-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

it('prints the introspection as JSON', async () => {
  const path = file('good.json', "{ 'command': 'go', 'features': [ { 'name': 'f', 'if': 'CC' } ] }\n");
  const without = await schemaCheck(path, []);
  expect(without).toMatchObject({ exit: 0, stderr: '' });
  expect(JSON.parse(without.stdout)).toEqual([
    { name: 'go', 'meta-type': 'command', 'arg-type': '0', 'ret-type': '0', features: [] },
    { name: '0', 'meta-type': 'object', members: [] },
  ]);
  expect(JSON.parse((await schemaCheck(path, ['CC'])).stdout)[0].features).toEqual(['f']);
});

it('prints the error line', async () => {
  const path = file('bad.json', "{ 'a': 42 }\n");
  expect(await schemaCheck(path, [])).toEqual({ exit: 1, stdout: '', stderr: `${path}:1:8: stray '42'\n` });
});

it('follows includes relative to the file they stand in', async () => {
  mkdirSync(join(folder, 'sub'));
  file('sub/a.json', "{ 'include': '../b.json' }\n");
  file('b.json', "{ 'x' 'y' }\n");
  const path = file('root.json', "{ 'include': 'sub/a.json' }\n");
  expect((await schemaCheck(path, [])).stderr).toBe(
    `In file included from ${path}:1:\nIn file included from ${folder}/sub/a.json:1:\n` +
      `${folder}/sub/../b.json:1:7: expected ':'\n`,
  );
});

it('tells why a file cannot be read', async () => {
  const missing = join(folder, 'missing.json');
  const cases: [string, string][] = [
    [missing, `can't read schema file '${missing}': No such file or directory\n`],
    [folder, `can't read schema file '${folder}': Is a directory\n`],
    ['/dev/null', "can't read schema file '/dev/null': Not a regular file\n"],
  ];
  for (const [path, stderr] of cases) expect(await schemaCheck(path, [])).toEqual({ exit: 1, stdout: '', stderr });
  const path = file('device.json', "\n{ 'include': '/dev/zero' }\n");
  const { stderr } = await schemaCheck(path, []);
  expect(stderr).toBe(`${path}:2: can't read include file '/dev/zero': Not a regular file\n`);
});

it('refuses bytes that are not UTF-8, and takes a byte order mark for what it is', async () => {
  const bytes = file('latin.json', Uint8Array.of(0x23, 0xe9, 0x0a));
  expect((await schemaCheck(bytes, [])).stderr).toContain('Invalid or incomplete multibyte');
  const mark = file('mark.json', '\ufeff{}');
  expect((await schemaCheck(mark, [])).stderr).toBe(`${mark}:1:1: stray '\ufeff'\n`);
});

it('reads other dialects when asked to', async () => {
  const path = file('note.json', "##\n# @go:\n#\n# Note: x\n##\n{ 'command': 'go' }\n");
  expect((await schemaCheck(path, [])).exit).toBe(0);
  expect((await schemaCheck(path, [], '10.2')).stderr).toContain("The 'Note' section is no longer supported");
});

it.each(['check', 'types'])('schema %s --dialect RELEASE', async (command) => {
  const path = file('rst.json', "##\n# Ink\n# =====\n##\n##\n# @go:\n##\n{ 'command': 'go' }\n");
  const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const err = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    expect(await runSubcommand(['schema', command, path])).toBe(1);
    expect(err).toHaveBeenLastCalledWith(`${path}:3:1: '=' heading must come first in a comment block\n`);
    expect(await runSubcommand(['schema', command, path, '--dialect', '10.2'])).toBe(0);
    expect(out).toHaveBeenLastCalledWith(expect.stringContaining('go'));
    expect(await runSubcommand(['schema', command, path, '--dialect', '11'])).not.toBe(0);
    expect(err).toHaveBeenCalledWith(expect.stringContaining('Allowed choices are 7.2, 9.0, 10.0, 10.1, 10.2'));
  } finally {
    out.mockRestore();
    err.mockRestore();
  }
});
