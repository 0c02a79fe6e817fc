/** Any bytes into the schema front end: it answers with a model or one error text, soon, whatever it is given. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { emitMarkdown } from '../src/qapi/emit-markdown.ts';
import { checkSchema, type Dialect } from '../src/qapi/front.ts';
import { fuzzBudget, mutate, pick, seededRandom } from '../tests/kit/mutate.ts';

const DIALECTS: readonly Dialect[] = ['7.2', '9.0', '10.2'];
/** One input may take this long on a busy machine; a hang takes for ever. */
const SLOWEST_MS = 10_000;

const seeds = readFileSync(new URL('../tests/vectors/qapi-oracle.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => (JSON.parse(line) as { files: Record<string, string> }).files);

function check(files: Readonly<Record<string, string>>, dialect: Dialect): void {
  const start = performance.now();
  const result = checkSchema(
    'main.json',
    (path) => {
      const text = Object.hasOwn(files, path) ? files[path] : undefined;
      return text === undefined ? { error: 'No such file or directory' } : { text };
    },
    { dialect },
  );
  if (result.ok) {
    result.introspect();
    emitMarkdown(result.model);
  }
  if (!result.ok) expect(result.error).toMatch(/^(In file included from )?[^\n]*\.json/);
  expect(performance.now() - start).toBeLessThan(SLOWEST_MS);
}

it('mutated schemas', { timeout: 600_000 }, () => {
  const { ms, seed } = fuzzBudget();
  console.log(`schema-parser: FUZZ_SEED=${seed} FUZZ_MS=${ms}`);
  const random = seededRandom(seed);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const end = performance.now() + ms * 0.7;
  while (performance.now() < end) {
    const files = { ...seeds[pick(seeds.length, random)] };
    const other = { ...seeds[pick(seeds.length, random)] };
    // Two schemas in one file meet as includes, pragmas and redefinitions of each other.
    if (random() < 0.3) files['main.json'] = `${files['main.json'] ?? ''}${other['main.json'] ?? ''}`;
    for (const [path, text] of Object.entries(files)) {
      files[path] = decoder.decode(mutate(encoder.encode(text), random));
    }
    check(files, DIALECTS[pick(DIALECTS.length, random)] ?? '9.0');
  }
});

it('schemas put together from their words', { timeout: 600_000 }, () => {
  const { ms, seed } = fuzzBudget();
  console.log(`schema-parser: FUZZ_SEED=${seed} FUZZ_MS=${ms}`);
  const name = fc.constantFrom(
    'Aa',
    'Bb',
    'Cc',
    'go',
    'run',
    'BOOM',
    'int',
    'str',
    'any',
    'x',
    't',
    '*t',
    'a-b',
    'deprecated',
  );
  const word = fc.oneof(
    name.map((text) => `'${text}'`),
    fc.constantFrom(
      "'data'",
      "'base'",
      "'if'",
      "'features'",
      "'type'",
      "'name'",
      "'boxed'",
      'true',
      'false',
      '{}',
      '[]',
    ),
  );
  const { value } = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      word,
      fc
        .array(fc.tuple(word, tie('value')), { maxLength: 4 })
        .map((members) => `{ ${members.map(([k, v]) => `${k}: ${v}`).join(', ')} }`),
      fc.array(tie('value'), { maxLength: 4 }).map((elements) => `[ ${elements.join(', ')} ]`),
    ),
  }));
  const members = fc
    .array(fc.tuple(fc.constantFrom('data', 'base', 'discriminator', 'returns', 'if', 'features', 'boxed'), value), {
      maxLength: 5,
    })
    .map((list) => list.map(([key, v]) => `, '${key}': ${v}`).join(''));
  const meta = fc.constantFrom('enum', 'struct', 'union', 'alternate', 'command', 'event');
  const docLine = fc.constantFrom(
    '# @Aa:',
    '# @go:',
    '#',
    '# text',
    '# @t: x',
    '#     y',
    '# Since: 1',
    '# Features:',
    '# @x:',
    '##',
    '#z',
  );
  const doc = fc.array(docLine, { maxLength: 8 }).map((lines) => ['##', ...lines, '##', ''].join('\n'));
  const definition = fc
    .tuple(fc.option(doc, { nil: '' }), meta, name, members)
    .map(([text, kind, what, rest]) => `${text}{ '${kind}': '${what}'${rest} }\n`);
  fc.assert(
    fc.property(fc.array(definition, { maxLength: 6 }), fc.constantFrom(...DIALECTS), (definitions, dialect) => {
      check({ 'main.json': definitions.join('') }, dialect);
    }),
    { seed, numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: ms * 0.3 },
  );
});
