import { describe, expect, it } from 'vitest';
import { JsonDouble, type JsonValue } from '../qapi/index.ts';
import { type JsonLimits, JsonReader } from './json-reader.ts';
import { parseJsonText } from './json-text.ts';
import { writeJson } from './json-writer.ts';

const P = 'JSON parse error, ';

/** Bytes of a text in which \xHH-like code units stand for single bytes. */
function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** Every document and error of the input, in order: values as compact text behind `=`, errors without P. */
function read(input: string | Uint8Array, step = Number.POSITIVE_INFINITY, limits: JsonLimits = {}): string[] {
  const bytes = typeof input === 'string' ? latin1(input) : input;
  const out: string[] = [];
  const reader = new JsonReader(
    {
      value: (value) => {
        out.push(`=${writeJson(value)}`);
        return true;
      },
      error: (text) => {
        out.push(text.replace(P, ''));
        return true;
      },
    },
    limits,
  );
  for (let at = 0; at < bytes.length; at += step) reader.feed(bytes.slice(at, Math.min(at + step, bytes.length)));
  return out;
}

/** Answers of Debian's QEMU 7.2.22 to these bytes; `=` marks a value it took. */
const OBSERVED: readonly [input: string, output: readonly string[]][] = [
  ['foo ', ["invalid keyword 'foo'"]],
  ['TRUE}', ["stray 'T'", 'expecting value']],
  ['{"id":TRUE}', ["stray 'T'", 'expecting value']],
  ['{"id":01}', ["stray '01'", 'expecting value']],
  ['{"id":5.}', ["stray '5.}'"]],
  ['{"id":-a}', ["stray '-a'", 'expecting value']],
  ['{"id":0x10}', ['expected separator in dict']],
  ['{"id":"a\tb"}', ["stray '\"a\t'", 'expecting value']],
  ['{"id":"unterminated\n', ["stray '\"unterminated\n'"]],
  ['#comment\n{"a":1}', ["stray '#'", '={"a": 1}']],
  ['1e}', ["stray '1e}'"]],
  ['{"a"}', ['missing : in object pair']],
  ['{"a" "b"}', ['missing : in object pair']],
  ['{"a" 1}', ['missing : in object pair']],
  ...['{"a":}', '{"a":1,}', '{,}', '[,1]', '[1,]', '{]', '[}', '}', ']', ',', ':', '{"":}', '[{]}'].map(
    (text): [string, string[]] => [text, ['expecting value']],
  ),
  ['{1:2}', ['key is not a string in object']],
  ['{[1,2]:3}', ['key is not a string in object']],
  ['{[1 2]:3}', ['expected separator in list']],
  ['{"a":1 "b":2}', ['expected separator in dict']],
  ['{"a":1]', ['expected separator in dict']],
  ['[1 2]', ['expected separator in list']],
  ['[1}', ['expected separator in list']],
  ['{"a":1,"a":2}', ['duplicate key']],
  ['[{"b":{"a":1,"a":2}}]', ['duplicate key']],
  ['{"a":1,"a":[1 2]}', ['expected separator in list']],
  ['"\\x"', ['invalid escape sequence in string']],
  ['"\\\x80"', ['invalid escape sequence in string']],
  ['"\\u12"', ['\\u12" is not a valid Unicode character']],
  ['["\\u12g4"]', ['\\u12g4 is not a valid Unicode character']],
  ['["\\ud800\\u0041"]', ['\\ud800 is not a valid Unicode character']],
  ['["\\ud800\\ud800"]', ['\\ud800 is not a valid Unicode character']],
  ['["\\ud800x"]', ['\\ud800 is not a valid Unicode character']],
  ['["\\udc00"]', ['\\udc00 is not a valid Unicode character']],
  ['["\\udbff\\udfff"]', ['\\udbff\\udfff is not a valid Unicode character']],
  ['["\\ufffe"]', ['\\ufffe is not a valid Unicode character']],
  ['["\xf0\x80"]', ['invalid UTF-8 sequence in string']],
  ['["\xc1\x80"]', ['invalid UTF-8 sequence in string']],
  ['["\xed\xa0\x80"]', ['invalid UTF-8 sequence in string']],
  ['["\xef\xb7\x90"]', ['invalid UTF-8 sequence in string']],
  ['["\xc0\x80"]', ['=["\\u0000"]']],
  ['["\xf0\x9f\x98\x80"]', ['=["\\uD83D\\uDE00"]']],
  ['\xe2\x82{}', ["stray '\ufffd'", '={}']],
  ['["\xe2\x82\x01"]', ["stray '\"\ufffd\u0001'", 'expecting value']],
  ['"\xf8\x88\x80\x80\x80\x01', ["stray '\"\ufffd\u0001'"]],
  ['"\xed\xa0\x80\xc0\x80\x01', ["stray '\"\ufffd\0\u0001'"]],
  ['"\xff{}', ["stray '\"\ufffd'", '={}']],
  ['\xff\xff{}', ["stray '\ufffd'", "stray '\ufffd'", '={}']],
  ['\xef\xbb\xbf{"a":1}', ["stray '\ufffd'", '={"a": 1}']],
  ['a\x01{}', ["invalid keyword 'a'", "stray '\u0001'", '={}']],
  ['@\x01{}', ["stray '@'", "stray '\u0001'", '={}']],
  ['@\t{}', ["stray '@'", '={}']],
  ['"\\\x01', ["stray '\"\\\u0001'"]],
  ['1 2 ', ['=1', '=2']],
  ['%d ', ["stray '%'"]],
  ['\0', ["stray ''"]],
  ['"a\0b"\n{}', ["stray '\"a'", '={}']],
  ['0e1 ', ['=0', "invalid keyword 'e'", '=1']],
  ['-0e1 ', ['=0', "invalid keyword 'e'", '=1']],
  ['-01 ', ["stray '-01'"]],
  ['1.5e+ ', ["stray '1.5e+ '"]],
  ['1.e5 ', ["stray '1.e'"]],
  ['{"a":tRue}', ["stray 'R'", 'expecting value']],
  ["{'execute':'a\"b', \"c\":\"it's\\'\"}", ['={"execute": "a\\"b", "c": "it\'s\'"}']],
  ['"x"[]', ['="x"', '=[]']],
];

describe('JsonReader', () => {
  it.each(OBSERVED)('answers %j as QEMU does', (input, output) => {
    expect(read(input)).toEqual(output);
  });

  it('answers the same however the bytes are split', () => {
    for (const [input, output] of OBSERVED) for (const step of [1, 2, 3]) expect(read(input, step)).toEqual(output);
  });

  it('keeps int64, uint64 and double apart', () => {
    const input =
      '[1.0,1e3,0.1,1e-7,1e100,-0,-0.0,18446744073709551616,18446744073709551615,9223372036854775808,' +
      '-9223372036854775809,-9223372036854775808,9007199254740993,1.00000762939453125,1.00002288818359375,5e-324,' +
      '123456789012345678.0,0.0001,0.00001,12.5e0]';
    expect(read(input)).toEqual([
      '=[1, 1000, 0.10000000000000001, 9.9999999999999995e-08, 1e+100, 0, -0, 1.8446744073709552e+19, ' +
        '18446744073709551615, 9223372036854775808, -9.2233720368547758e+18, -9223372036854775808, 9007199254740993, ' +
        '1.0000076293945312, 1.0000228881835938, 4.9406564584124654e-324, 1.2345678901234568e+17, 0.0001, ' +
        '1.0000000000000001e-05, 12.5]',
    ]);
    const [one, int, big, over] = parseJsonText('[1.0, 1, 9007199254740993, 18446744073709551616]') as JsonValue[];
    expect(one).toEqual(new JsonDouble(1));
    expect(int).toBe(1);
    expect(big).toBe(9007199254740993n);
    expect(over).toBeInstanceOf(JsonDouble);
  });

  it('refuses a number that overflows a double, where QEMU would print inf', () => {
    expect(read('[1e400]')).toEqual(["number '1e400' is out of range"]);
    expect(read(`[${'9'.repeat(400)}]`)).toHaveLength(1);
  });

  it('takes 1024 levels and refuses the next one', () => {
    expect(read('['.repeat(1024) + ']'.repeat(1024))).toEqual([`=${'['.repeat(1024)}${']'.repeat(1024)}`]);
    const answers = read('['.repeat(1025) + ']'.repeat(1025));
    expect(answers[0]).toBe('JSON nesting depth limit exceeded');
    expect(answers).toHaveLength(1026);
    expect(new Set(answers.slice(1))).toEqual(new Set(['expecting value']));
  });

  it('limits tokens and bytes of a document', () => {
    expect(read('[1,1,1]{}', 4, { tokens: 6 })).toEqual(['JSON token count limit exceeded', '={}']);
    expect(read('[1,1,1]', 4, { tokens: 7 })).toEqual(['=[1, 1, 1]']);
    expect(read('["aaaa","aaaa","aaaa"]', 4, { bytes: 16 })[0]).toBe('JSON token size limit exceeded');
    expect(read(`"${'a'.repeat(100)}"\n`, 10, { bytes: 40 })).toEqual([
      'JSON token size limit exceeded',
      'JSON token size limit exceeded',
      "invalid keyword 'a'",
      "stray '\"\n'",
    ]);
  });

  it('cuts long error texts', () => {
    expect(read(`${'k'.repeat(5000)} `)[0]).toBe(`invalid keyword '${'k'.repeat(1023 - 17)}`);
    expect(read(`"${'k'.repeat(100_000)}\n`)[0]?.length).toBeLessThan(66_000);
  });

  it('makes objects without prototype, so every member name is ordinary', () => {
    const value = parseJsonText('{"__proto__":{"a":1},"constructor":2,"toString":3}') as Record<string, JsonValue>;
    expect(Object.getPrototypeOf(value)).toBeNull();
    expect(writeJson(value)).toBe('{"__proto__": {"a": 1}, "constructor": 2, "toString": 3}');
  });

  it('stops behind a document when told to and goes on there', () => {
    const seen: string[] = [];
    const reader = new JsonReader({
      value: (value) => seen.push(writeJson(value)) < 0,
      error: (text) => seen.push(text) < 0,
    });
    const bytes = latin1('{"a":1}{"a":2} @ 7 {"a":3}');
    let at = 0;
    const stops: number[] = [];
    while (at < bytes.length) {
      at = reader.feed(bytes, at);
      stops.push(at);
    }
    expect(stops).toEqual([7, 14, 16, 26]);
    expect(seen).toEqual(['{"a": 1}', '{"a": 2}', `${P}stray '@'`, '{"a": 3}']);
  });

  it('forgets a partial document on reset', () => {
    const seen: string[] = [];
    const reader = new JsonReader({
      value: (value) => seen.push(writeJson(value)) > 0,
      error: (text) => seen.push(text) > 0,
    });
    reader.feed(latin1('{"a":[1,"x'));
    reader.reset();
    reader.feed(latin1('{"b":2}'));
    expect(seen).toEqual(['{"b": 2}']);
  });
});

describe('parseJsonText', () => {
  it.each([
    ['{"a":1} x', 'Expecting at most one JSON value'],
    ['{"a":1}{"a":1}', 'Expecting at most one JSON value'],
    ['{"a":1}}', 'Expecting at most one JSON value'],
    ['{"a":1', `${P}premature EOI`],
    ['{"a"', `${P}premature EOI`],
    ['{"a" 1', `${P}missing : in object pair`],
    ['{"a":"x', `${P}stray '"x'`],
    ['{"a":1.', `${P}stray '1.'`],
    ['', 'Expecting a JSON value'],
  ])('refuses %j', (text, message) => {
    expect(() => parseJsonText(text)).toThrow(expect.objectContaining({ message }));
  });

  it.each(['{"a": 1} \n', ' 12', 'null', "'x'", '1.5', '1e5', 'true'])('takes %j', (text) => {
    expect(() => parseJsonText(text)).not.toThrow();
  });
});
