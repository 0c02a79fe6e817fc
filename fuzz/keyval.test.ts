/** Option strings: any text gets an answer or one of QEMU's errors, soon; well-formed ones mean what the grammar says. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type JsonValue,
  type KeyvalTree,
  parseBool,
  parseInt64,
  parseKeyval,
  parseNetdevArgument,
  parseNumber,
  parseOptionList,
  parseSize,
  parseString,
  parseUint64,
  QapiError,
  Schema,
} from '../src/qapi/index.ts';
import { NETYARD_TABLE } from '../src/schema/net.ts';
import { fuzzBudget, mutate, pick, seededRandom } from '../tests/kit/mutate.ts';

/** One input may take this long on a busy machine; a hang takes for ever. */
const SLOWEST_MS = 2000;

const schema = new Schema(NETYARD_TABLE);
const { ms, seed } = fuzzBudget();
console.log(`keyval: FUZZ_SEED=${seed} FUZZ_MS=${ms}`);

/** Runs a property for its share of the budget, from the printed seed. */
function hold<T extends [unknown, ...unknown[]]>(share: number, property: fc.IProperty<T>): void {
  const report = fc.check(property, {
    seed,
    numRuns: 1 << 20,
    interruptAfterTimeLimit: Math.ceil(ms * share),
    markInterruptAsFailure: false,
  }) as fc.RunDetails<T>;
  // A machine that stalls leaves no time for a single one.
  const isStalled = report.interrupted && report.numRuns === 0;
  if (report.failed && !isStalled) throw new RangeError(fc.defaultReportMessage(report));
}

const SEEDS = [
  'user,id=a,hostfwd=tcp::1-:2,restrict',
  'stream,id=a,addr.type=inet,addr.host=h,addr.port=1,addr.to=70000',
  'list.0=null,list.2=zwei,list.01=eins,a.b.c=1',
  'tap,id=a,sndbuf=1.5M,vnet_hdr=on,,,queues=0x10',
  'id=a,user,,x,help,noid,=5,?',
  'dgram,id=d,local.type=unix,local.path=/a,,b,remote.type=fd',
  '__org.qemu_foo.0.x=1,__org.qemu_foo.1=2',
  '{"type":"user","id":"a"}',
  `user,${'k'.repeat(127)}.${'9'.repeat(30)}=${','.repeat(20)}`,
];

function answer(text: string): void {
  const start = performance.now();
  for (const call of [
    () => parseKeyval(text, 'type'),
    () => parseKeyval(text),
    () => parseOptionList(text, 'type'),
    () => parseNetdevArgument(schema, text, (json) => JSON.parse(json) as JsonValue),
    () => parseNetdevArgument(schema, `listener,${text}`, () => null),
    () => schema.inputKeyval('SocketAddress', text, 'type'),
    () => schema.inputQemuOpts('Netdev', text, 'type'),
    () => parseString(schema, '[int]', text),
    () => parseString(schema, 'size', text),
  ]) {
    try {
      call();
    } catch (error) {
      if (!(error instanceof QapiError) && !(error instanceof SyntaxError && text.startsWith('{'))) throw error;
    }
  }
  for (const parse of [parseBool, parseInt64, parseUint64, parseNumber, parseSize]) parse(text);
  expect(performance.now() - start).toBeLessThan(SLOWEST_MS);
}

describe('hostile texts', { timeout: 600_000 }, () => {
  it('mutated option strings get an answer', () => {
    const random = seededRandom(seed);
    const seeds = SEEDS.map((text) => new TextEncoder().encode(text));
    const decoder = new TextDecoder();
    const end = performance.now() + ms / 2;
    let runs = 0;
    do {
      answer(decoder.decode(mutate(seeds[pick(seeds.length, random)]!, random)));
      runs++;
    } while (performance.now() < end);
    expect(runs).toBeGreaterThan(0);
  });

  it('any text gets an answer', () => {
    hold(0.1, fc.property(fc.string({ unit: fc.constantFrom(...'aZ0_-.=,,,?x:{} \u00e9\0'), maxLength: 60 }), answer));
  });
});

const name = fc
  .tuple(fc.constantFrom('', '__org.example_', '__a-b.c_'), fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9_-]{0,10}$/))
  .map(([prefix, rest]) => prefix + rest);
const value = fc.string({ unit: fc.constantFrom(...'ab,,,=.0 \u00e9'), maxLength: 8 });
type Tree = string | Tree[] | { [key: string]: Tree };
const { tree } = fc.letrec<{ tree: Tree; node: Tree }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    value,
    tie('tree'),
    fc.array(tie('node'), { minLength: 1, maxLength: 4 }),
  ),
  tree: fc.dictionary(name, tie('node'), { minKeys: 1, maxKeys: 4 }) as fc.Arbitrary<Tree>,
}));

function leaves(node: Tree, key: string): [string, string][] {
  if (typeof node === 'string') return [[key, node]];
  return Object.entries(node).flatMap(([step, child]) => leaves(child, key === '' ? step : `${key}.${step}`));
}

const quote = (text: string): string => text.replaceAll(',', ',,');
const plain = (node: unknown): unknown => JSON.parse(JSON.stringify(node));

/** The grammar, read naively: items by one expression, keys by another, then a tree of maps. */
function reference(text: string): KeyvalTree | undefined {
  type Node = Map<string, Node | string>;
  const root: Node = new Map();
  let rest = text;
  while (rest !== '') {
    const item = /^([^=,]*)=((?:[^,]|,,)*)(?:,(?!,)|$)/s.exec(rest);
    const fragment = '(?:__[A-Za-z0-9.-]+_)?[A-Za-z][A-Za-z0-9_-]*';
    if (item === null || !new RegExp(`^${fragment}(\\.([0-9]+|${fragment}))*$`).test(item[1]!)) return undefined;
    rest = rest.slice(item[0].length);
    const steps = item[1]!.match(new RegExp(`${fragment}|[0-9]+`, 'g'))!;
    if (steps.some((step) => step.length > 127)) return undefined;
    let node = root;
    for (const step of steps.slice(0, -1)) {
      const next = node.get(step) ?? new Map();
      if (typeof next === 'string') return undefined;
      node.set(step, next);
      node = next;
    }
    if (node.get(steps.at(-1)!) instanceof Map) return undefined;
    node.set(steps.at(-1)!, item[2]!.replaceAll(',,', ','));
  }
  let sound = true;
  const build = (node: Node | string): unknown => {
    if (typeof node === 'string') return node;
    const keys = [...node.keys()];
    const indices = keys.filter((key) => /^[0-9]/.test(key));
    if (indices.length === 0) return Object.fromEntries([...node].map(([key, child]) => [key, build(child)]));
    const list: unknown[] = [];
    for (const [key, child] of node) {
      const built = build(child);
      if (Number(key) < keys.length) list[Number(key)] = built;
    }
    const largest = Math.max(...indices.map(Number));
    if (indices.length < keys.length || largest >= keys.length) sound = false;
    for (let index = 0; index <= Math.min(largest, keys.length); index++) if (list[index] === undefined) sound = false;
    return list;
  };
  const result = build(root) as KeyvalTree;
  return sound ? result : undefined;
}

describe('dotted keys', { timeout: 600_000 }, () => {
  it('give back every tree that can be written', () => {
    hold(
      0.1,
      fc.property(tree, fc.boolean(), (node, backwards) => {
        const items = leaves(node, '').map(([key, text]) => `${key}=${quote(text)}`);
        const text = (backwards ? items.reverse() : items).join(',');
        expect(plain(parseKeyval(text))).toEqual(plain(node));
      }),
    );
  });

  it('agree with the grammar on what is well-formed, and on what it means', () => {
    const key = fc.oneof(
      fc
        .array(fc.oneof(fc.constantFrom('a', 'b', '0', '1', '01', '2'), name), { minLength: 1, maxLength: 3 })
        .map((steps) => steps.join('.')),
      fc.string({ unit: fc.constantFrom(...'ab01._-'), maxLength: 6 }),
    );
    const items = fc.array(fc.tuple(key, value), { maxLength: 6 });
    hold(
      0.1,
      fc.property(items, fc.constantFrom('', ','), (pairs, tail) => {
        const text = pairs.map(([k, v]) => `${k}=${quote(v)}`).join(',') + (pairs.length > 0 ? tail : '');
        const expected = reference(text);
        let actual: unknown;
        try {
          actual = plain(parseKeyval(text));
        } catch (error) {
          if (!(error instanceof QapiError)) throw error;
        }
        expect([text, actual]).toEqual([text, expected === undefined ? undefined : plain(expected)]);
      }),
    );
  });
});

describe('traditional options', { timeout: 600_000 }, () => {
  it('give back every list that can be written', () => {
    const key = fc.string({ unit: fc.constantFrom(...'ab0.!- '), maxLength: 5 }).filter((text) => text !== 'id');
    hold(
      0.1,
      fc.property(fc.array(fc.tuple(key, value), { maxLength: 8 }), (pairs) => {
        const text = pairs.map(([k, v]) => `${k}=${quote(v)}`).join(',');
        expect(parseOptionList(text, 'implied').options).toEqual(pairs);
      }),
    );
  });
});

describe('numbers', { timeout: 600_000 }, () => {
  it('are read as C reads them', () => {
    const big = fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n });
    hold(
      0.05,
      fc.property(
        big,
        fc.constantFrom('', '0', '0x', '0X'),
        fc.constantFrom('', ' ', '\t+'),
        (number, base, before) => {
          const radix = base === '' ? 10 : base === '0' ? 8 : 16;
          const magnitude = number < 0 ? -number : number;
          const sign = number < 0 ? '-' : '';
          fc.pre(!(before.endsWith('+') && sign === '-'));
          const text = `${before}${sign}${base}${magnitude.toString(radix)}`;
          expect(parseInt64(text)).toBe(BigInt.asIntN(64, number) === number ? number : undefined);
          expect(parseUint64(text)).toBe(magnitude < 2n ** 64n ? BigInt.asUintN(64, number) : undefined);
        },
      ),
    );
  });

  it('of bytes are within half a byte of what was written', () => {
    hold(
      0.05,
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 40n }),
        fc.stringMatching(/^[0-9]{1,12}$/),
        fc.constantFrom(...'kKmMgGtT'),
        (whole, digits, suffix) => {
          const unit = 2n ** (10n * BigInt(1 + 'kmgt'.indexOf(suffix.toLowerCase())));
          const scale = 10n ** BigInt(digits.length);
          const exact = (whole * scale + BigInt(digits)) * unit;
          const size = parseSize(`${whole}.${digits}${suffix}`);
          if (whole * unit >= 2n ** 64n) expect(size).toBeUndefined();
          else if (exact < (2n ** 64n - 1n) * scale) {
            const error = 2n * (BigInt(size!) * scale - exact);
            expect(error <= scale && error >= -scale).toBe(true);
          }
        },
      ),
    );
  });
});
