/**
 * Any bytes into QMP: the reader gives the same documents however the bytes are cut; a session answers every line with
 * valid JSON and is usable again behind a recovery byte; a client survives any peer; command-line JSON gives a value or
 * one error. Nothing throws, hangs or grows.
 */
import { expect, it } from 'vitest';
import { JsonDouble, type JsonObject, type JsonValue, QapiError } from '../src/qapi/index.ts';
import {
  JsonReader,
  openQmpConnection,
  parseJsonText,
  QmpServerSession,
  QmpSessionError,
  SessionTurns,
  writeJson,
} from '../src/qmp/index.ts';
import { fuzzBudget, mutate, pick, seededRandom } from '../tests/kit/mutate.ts';

/** Processor time one input may take; wall time says nothing on a busy machine. */
const SLOWEST_MS = 10_000;
/** What one answer adds around the text it quotes; a quoted byte becomes at most six characters. */
const LONGEST_PER_BYTE = 160;

const encoder = new TextEncoder();

const DOCUMENTS = [
  '{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}',
  '{"execute":"echo","arguments":{"type":"user","id":"u0","hostfwd":[{"str":"tcp::1-:2"}]},"id":1}\r\n',
  "{'execute':'echo','id':{'a':[1,-2.50e-3,18446744073709551615,null,true]}}",
  '{"exec-oob":"echo","id":"\\u00e9\\ud83d\\ude00\\n"}',
  '{"execute":"fail"}[1,2,{"a":{"b":[[]]}}]"x" 12 -0.5e+10 foo ',
  `${'['.repeat(1030)}${']'.repeat(1030)}`,
  `{"id":"${'x'.repeat(3000)}"}`,
].map((text) => encoder.encode(text));

const TOKENS = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  "'",
  '\\',
  '\\u',
  'd83d',
  '0',
  '-',
  '1e',
  '.',
  'true',
  'x',
  ' ',
  '\n',
  '\t',
  '"execute":"echo"',
  '"id":',
];

function randomInput(random: () => number): Uint8Array {
  const kind = random();
  if (kind < 0.2) return Uint8Array.from({ length: pick(200, random) }, () => pick(256, random));
  if (kind < 0.5) {
    return encoder.encode(Array.from({ length: pick(60, random) }, () => TOKENS[pick(TOKENS.length, random)]).join(''));
  }
  const parts = Array.from(
    { length: 1 + pick(3, random) },
    () => DOCUMENTS[pick(DOCUMENTS.length, random)] as Uint8Array,
  );
  const whole = Uint8Array.from(parts.flatMap((part) => [...part]));
  return kind < 0.6 ? whole : mutate(whole, random);
}

/** Cuts at random places, each piece a copy, so that a view kept too long shows. */
function cut(bytes: Uint8Array, random: () => number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const longest = random() < 0.3 ? 1 : 1 + pick(64, random);
  for (let at = 0; at < bytes.length; ) {
    const next = Math.min(bytes.length, at + 1 + pick(longest, random));
    pieces.push(bytes.slice(at, next));
    at = next;
  }
  return pieces;
}

function read(pieces: readonly Uint8Array[]): string[] {
  const out: string[] = [];
  const reader = new JsonReader({
    value: (value) => out.push(`value ${writeJson(value)}`) > 0,
    error: (text) => out.push(`error ${text}`) > 0,
  });
  for (const piece of pieces) {
    expect(reader.feed(piece)).toBe(piece.length);
    piece.fill(0x5b);
  }
  return out;
}

async function runSession(pieces: readonly Uint8Array[]): Promise<string> {
  let text = '';
  let paused = false;
  const target = {
    version: { qemu: { major: 9, minor: 1, micro: 0 }, package: 'fuzz' },
    isKnown: (name: string) => name === 'echo' || name === 'fail',
    allowsOob: () => true,
    subscribe: () => () => {},
    execute: async (name: string, args: unknown) => {
      if (name === 'fail') throw new QapiError('failed');
      return (args ?? {}) as never;
    },
  };
  const transport = {
    send: (more: string) => {
      text += more;
    },
    close: () => {},
    abort: () => {},
    pauseInput: () => {
      paused = true;
    },
    resumeInput: () => {
      paused = false;
    },
    turns: new SessionTurns(
      () => 0,
      (task) => void Promise.resolve().then(task),
    ),
    queuedBytes: 0,
  };
  const closed = new Promise((resolve) => {
    const session = new QmpServerSession(target, transport, {
      onClosed: resolve,
      onDefect: (_, error) => {
        throw error;
      },
    });
    session.start();
    for (const piece of pieces) session.receive(piece);
    session.end();
  });
  expect(await closed).toBe('ended');
  expect(paused).toBe(false);
  return text;
}

function fuzz(name: string, run: (input: Uint8Array, random: () => number) => void | Promise<void>): void {
  it(name, { timeout: 600_000 }, async () => {
    const { ms, seed } = fuzzBudget();
    console.log(`qmp-lexer, ${name}: FUZZ_SEED=${seed} FUZZ_MS=${ms}`);
    const random = seededRandom(seed);
    let rounds = 0;
    const end = performance.now() + ms / 4;
    do {
      const input = randomInput(random);
      const before = process.cpuUsage();
      try {
        await run(input, random);
        const { user, system } = process.cpuUsage(before);
        expect((user + system) / 1000).toBeLessThan(SLOWEST_MS);
      } catch (error) {
        console.log(`qmp-lexer, ${name}: round ${rounds}, input ${Buffer.from(input).toString('base64')}`);
        throw error;
      }
      rounds++;
    } while (performance.now() < end);
  });
}

fuzz('the reader, cut anywhere', (input, random) => {
  const marker = encoder.encode('\n{"marker":1}');
  // 0xFF ends whatever is open; it is itself one error.
  const bytes = Uint8Array.from([...input, 0xff, ...marker]);
  const whole = read([bytes.slice()]);
  expect(whole.at(-1)).toBe('value {"marker": 1}');
  expect(whole.at(-2)).toMatch(/^error JSON parse error, stray '/);
  expect(read(cut(bytes, random))).toEqual(whole);
});

fuzz('a session, usable behind a recovery byte', async (input, random) => {
  const requests = [0, 1, 2].map(
    (id) => `{"execute":"${pick(2, random) === 0 ? 'echo' : 'nope'}","id":"marker ${id}"}`,
  );
  const negotiate = encoder.encode('{"execute":"qmp_capabilities"}');
  const bytes = Uint8Array.from([
    ...(random() < 0.5 ? negotiate : []),
    ...input,
    ...[0xff, 0x0a],
    ...encoder.encode(requests.join('')),
  ]);
  const text = await runSession(cut(bytes, random));
  expect(text.length).toBeLessThan(500 + bytes.length * LONGEST_PER_BYTE);
  const lines = text.split('\r\n');
  expect(lines.pop()).toBe('');
  const ids: unknown[] = [];
  for (const line of lines) {
    expect(line).toMatch(/^[\x20-\x7e]*$/);
    ids.push((JSON.parse(line) as { id?: unknown }).id);
  }
  expect(ids.filter((id) => typeof id === 'string' && id.startsWith('marker'))).toEqual([
    'marker 0',
    'marker 1',
    'marker 2',
  ]);
});

fuzz('a client, whatever its peer says', async (input, random) => {
  const greeting = encoder.encode(
    '{"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 9}, "package": ""}, "capabilities": []}}',
  );
  const transport = {
    send: () => {},
    close: () => void Promise.resolve().then(() => transport.onClosed()),
    onData: (_: Uint8Array): void => {},
    onClosed: (): void => {},
  };
  const opening = openQmpConnection(transport).then(
    (session) => session.close(),
    (error: unknown) => expect(error).toBeInstanceOf(QmpSessionError),
  );
  if (random() < 0.7) transport.onData(greeting);
  await Promise.resolve();
  await Promise.resolve();
  if (random() < 0.5) transport.onData(encoder.encode('{"return": {}, "id": 1}'));
  for (const piece of cut(input, random)) transport.onData(piece);
  transport.onClosed();
  await opening;
});

fuzz('JSON of the command line', (input) => checkText(Buffer.from(input).toString('utf8')));

it.each(['-0.0', '[-1e-400]', '{"id": {"a": [1, -0.0e1]}}'])('a double that is minus zero: %s', (text) => {
  expect(() => parseJsonText(text)).not.toThrow();
  checkText(text);
});

/** A value or one error; a value is written so that it is read back as the same. */
function checkText(text: string): void {
  let value: JsonValue;
  try {
    value = parseJsonText(text);
  } catch (error) {
    expect(error).toBeInstanceOf(QapiError);
    return;
  }
  expect(writeJson(parseJsonText(writeJson(value)))).toBe(writeJson(withoutMinusZero(value)));
}

/** QEMU writes this double as `-0`, and reads that as the integer 0. */
function withoutMinusZero(value: JsonValue): JsonValue {
  if (value instanceof JsonDouble) return Object.is(value.value, -0) ? 0 : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutMinusZero);
  const copy = Object.create(null) as JsonObject;
  for (const key of Object.keys(value)) copy[key] = withoutMinusZero(value[key]!);
  return copy;
}
