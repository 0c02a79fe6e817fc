import { describe, expect, it } from 'vitest';
import { parseBool, parseInt64, parseNumber, parseSize, parseUint64 } from './size.ts';

describe('parseSize', () => {
  it.each<[string, number | bigint]>([
    ['0', 0],
    ['1024', 1024],
    ['1b', 1],
    ['1k', 1024],
    ['1K', 1024],
    ['1.5k', 1536],
    ['1.5M', 1572864],
    ['1.', 1],
    ['1.k', 1024],
    ['1.0', 1],
    ['0x10', 16],
    ['010', 10],
    ['+1', 1],
    [' \t1', 1],
    ['.5M', 524288],
    ['.5k', 512],
    ['0.1G', 107374182],
    ['0.00001k', 0],
    ['12.345M', 12944671],
    ['1E', 2n ** 60n],
    ['15E', 15n * 2n ** 60n],
    ['15.9999999999999999999E', 2n ** 64n - 1n],
    ['16777215T', 16777215n * 2n ** 40n],
    ['18446744073709551615', 2n ** 64n - 1n],
    ['00000000000000000000000000000000001', 1],
  ])('%s', (text, value) => {
    expect(parseSize(text)).toBe(value);
  });

  it.each([
    '',
    ' ',
    '1kb',
    '1KiB',
    '1e3',
    '1kk',
    '16E',
    '16777216T',
    '18446744073709551616',
    '-0',
    '-1',
    '1 ',
    '1.5',
    '1.5b',
    'inf',
    'nan',
    '1_000',
    '0Z',
    '1Q',
    '0x1k',
    '0x',
    '1.5e1M',
    '.',
    '.k',
    'k',
    '0x1.8',
    `${'9'.repeat(50)}`,
  ])('refuses %j', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });
});

describe('parseInt64', () => {
  it.each<[string, bigint]>([
    ['0x10', 16n],
    ['010', 8n],
    ['052', 42n],
    ['-3', -3n],
    [' 5', 5n],
    ['\t42', 42n],
    ['+7', 7n],
    ['0', 0n],
    ['-0', 0n],
    ['9223372036854775807', 2n ** 63n - 1n],
    ['-9223372036854775808', -(2n ** 63n)],
    ['-0x8000000000000000', -(2n ** 63n)],
    ['0777777777777777777777', 2n ** 63n - 1n],
  ])('%s', (text, value) => {
    expect(parseInt64(text)).toBe(value);
  });

  it.each([
    '',
    ' ',
    '-',
    'x',
    '5 ',
    '08',
    '3.14',
    '0 ',
    '0x',
    '1-2',
    '5k',
    '- 1',
    '0o7',
    '9223372036854775808',
    '-9223372036854775809',
    '9'.repeat(1000),
  ])('refuses %j', (text) => {
    expect(parseInt64(text)).toBeUndefined();
  });
});

describe('parseUint64', () => {
  it('wraps negative numbers as strtoull does', () => {
    expect(parseUint64('-1')).toBe(2n ** 64n - 1n);
    expect(parseUint64('18446744073709551615')).toBe(2n ** 64n - 1n);
    expect(parseUint64('01777777777777777777777')).toBe(2n ** 64n - 1n);
    expect(parseUint64('-18446744073709551615')).toBe(1n);
    expect(parseUint64('18446744073709551616')).toBeUndefined();
    expect(parseUint64('-18446744073709551616')).toBeUndefined();
  });
});

describe('parseBool and parseNumber', () => {
  it('know QEMU\u2019s words only', () => {
    expect(['on', 'yes', 'true', 'y'].map(parseBool)).toEqual([true, true, true, true]);
    expect(['off', 'no', 'false', 'n'].map(parseBool)).toEqual([false, false, false, false]);
    expect(['ON', '1', '', 'on '].map(parseBool)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('take finite decimal numbers', () => {
    expect(['1', '-1.5', '.5', '1.', ' 1e3'].map(parseNumber)).toEqual([1, -1.5, 0.5, 1, 1000]);
    expect(['', 'inf', 'nan', '1e999', '1 ', '0x'].map(parseNumber)).toEqual(new Array(6).fill(undefined));
  });
});
