import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonDouble } from '../qapi/index.ts';
import { formatDouble } from './json-number.ts';
import { parseJsonText } from './json-text.ts';
import { writeJson, writeJsonPretty } from './json-writer.ts';

describe('writeJson', () => {
  it('writes ASCII with upper-case escapes and QEMU separators', () => {
    expect(writeJson({ a: [1, 'x"\\\b\f\n\r\t\u0001\u007f\u0080\u{1f600}/', null, true], b: {}, c: [] })).toBe(
      '{"a": [1, "x\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u007F\\u0080\\uD83D\\uDE00/", null, true], "b": {}, "c": []}',
    );
  });

  it('replaces lone surrogates', () => {
    expect(writeJson('a\ud800b\udc00')).toBe('"a\\uFFFDb\\uFFFD"');
  });

  it('leaves out absent members and takes all integers exactly', () => {
    expect(writeJson({ a: undefined, b: 2n ** 64n - 1n, c: -0, d: 2 ** 53, e: 0.1, f: new JsonDouble(1) })).toBe(
      '{"b": 18446744073709551615, "c": 0, "d": 9007199254740992, "e": 0.10000000000000001, "f": 1}',
    );
  });

  it('refuses what JSON has no form for', () => {
    expect(() => writeJson([Number.NaN])).toThrow(TypeError);
    expect(() => writeJson({ f: () => 0 })).toThrow(TypeError);
  });

  it('breaks containers over lines in the pretty form', () => {
    expect(writeJsonPretty({ return: {}, id: [], x: [1, { y: 2 }] })).toBe(
      '{\n    "return": {\n    },\n    "id": [\n    ],\n    "x": [\n        1,\n        {\n            "y": 2\n        }\n    ]\n}',
    );
  });

  it('writes integers of 64 bits as such, others as doubles', () => {
    expect(writeJson([-(2 ** 63), 2 ** 63, -(2 ** 63) - 2048, 2 ** 64])).toBe(
      '[-9223372036854775808, 9223372036854775808, -9.2233720368547779e+18, 1.8446744073709552e+19]',
    );
  });

  it('writes minus zero as QEMU does, which reads it as the integer 0', () => {
    expect(writeJson([new JsonDouble(-0), parseJsonText('-0.0')])).toBe('[-0, -0]');
    expect(writeJson(parseJsonText('[-0, -0]'))).toBe('[0, 0]');
  });

  it('is read back as the same value, by us and by JSON.parse', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        for (const text of [writeJson(value), writeJsonPretty(value)]) {
          expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
          expect(writeJson(parseJsonText(text))).toBe(writeJson(value));
        }
      }),
    );
  });
});

describe('formatDouble', () => {
  it('keeps every double apart', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => Object.is(Number(formatDouble(x)), x)),
    );
  });

  it.each([
    [1e16, '10000000000000000'],
    [1e17, '1e+17'],
    [-1234.5, '-1234.5'],
    [0.0001, '0.0001'],
    [-0.00001, '-1.0000000000000001e-05'],
    [1e22, '1e+22'],
    [1.7976931348623157e308, '1.7976931348623157e+308'],
    [0.5, '0.5'],
    [100, '100'],
  ])('formats %d as C does', (value, text) => {
    expect(formatDouble(value)).toBe(text);
  });
});
