/** Hostile schemas: whatever their shape, an answer comes soon and in little memory. */
import { expect, it } from 'vitest';
import { checkSchema, conditionText } from './front.ts';

function check(text: string): string {
  const start = performance.now();
  const result = checkSchema('main.json', () => ({ text }));
  if (result.ok) result.introspect();
  expect(performance.now() - start).toBeLessThan(5000);
  return result.ok ? 'ok' : result.error;
}

const repeat = (count: number, make: (index: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join('');

it('brackets nested too deeply', () => {
  expect(check(`{ 'a': ${'['.repeat(100_000)}`)).toBe('main.json:1:108: nested too deeply (limit 100)');
  expect(check("{ 'a': ".repeat(100_000))).toContain('nested too deeply (limit 100)');
  const deep = `${"{ 'not': ".repeat(97)}'X'${' }'.repeat(97)}`;
  expect(check(`{ 'command': 'go', 'if': ${deep} }`)).toBe('ok');
});

it('a chain of bases, backwards', () => {
  const chain = (count: number) =>
    repeat(
      count,
      (i) => `{ 'struct': 'Ss${i}', ${i < count - 1 ? `'base': 'Ss${i + 1}', ` : ''}'data': { 'm${i}': 'int' } }\n`,
    );
  expect(check(chain(100))).toBe('ok');
  expect(check(chain(20_000))).toBe(
    "main.json: In struct 'Ss101':\nmain.json:102: object Ss101 is nested too deeply (limit 100)",
  );
});

it('unions in unions whose paths double at every level', () => {
  const unions = repeat(
    60,
    (i) =>
      `{ 'union': 'Uu${i}', 'base': { 't${i}': 'Ee' }, 'discriminator': 't${i}', 'data': { ${i > 0 ? `'x': 'Uu${i - 1}', 'y': 'Uu${i - 1}'` : ''} } }\n`,
  );
  expect(
    check(`{ 'enum': 'Ee', 'data': [ 'x', 'y' ] }\n${unions}{ 'command': 'go', 'boxed': true, 'data': 'Uu59' }`),
  ).toBe('ok');
});

it('a wide base with many heirs', () => {
  const members = Array.from({ length: 20_000 }, (_, i) => `'m${i}': 'int'`).join(', ');
  const heirs = repeat(10_000, (i) => `{ 'struct': 'Ss${i}', 'base': 'Bb', 'data': {} }\n`);
  expect(check(`{ 'struct': 'Bb', 'data': { ${members} } }\n${heirs}`)).toContain(
    'schema has more than 500000 members',
  );
});

it('many unions over a long enum', () => {
  const values = Array.from({ length: 20_000 }, (_, i) => `'v${i}'`).join(', ');
  const unions = repeat(
    10_000,
    (i) => `{ 'union': 'Uu${i}', 'base': { 't': 'Ee' }, 'discriminator': 't', 'data': {} }\n`,
  );
  expect(check(`{ 'enum': 'Ee', 'data': [ ${values} ] }\n${unions}`)).toContain('schema has more than 500000 members');
});

it('includes without end', () => {
  const result = checkSchema('x.json', () => ({ text: "{ 'include': 'sub/x.json' }" }));
  expect(result).toMatchObject({ ok: false });
  expect(result.ok ? '' : result.error).toMatch(/includes nested too deeply \(limit 64\)$/);
  let count = 0;
  const wide = checkSchema('x.json', (path) => ({
    text: path === 'x.json' ? repeat(5000, (i) => `{ 'include': '${i}.json' }\n`) : `# ${count++}`,
  }));
  expect(wide).toEqual({ ok: false, error: 'x.json:4096: too many files (limit 4096)' });
});

it('more text than any schema has', () => {
  expect(check(`# ${'x'.repeat(33 << 20)}`)).toBe('main.json: schema text exceeds 33554432 characters');
});

it('long names and long stray words', () => {
  const long = 'A'.repeat(200_000);
  expect(check(`{ 'struct': '${long}', 'data': {} }`)).toContain('name of struct must use CamelCase');
  expect(check(`{ 'struct': '__${'a_'.repeat(100_000)}', 'data': {} }`)).toContain('struct');
  expect(check(`{ ${long}`)).toBe(`main.json:1:3: stray '${long}'`);
});

it('conditions in words', () => {
  expect(conditionText({ all: ['A', { not: { any: ['B', 'C'] } }] })).toBe('A and (not (B or C))');
  expect(conditionText({ any: ['A'] })).toBe('A');
});
