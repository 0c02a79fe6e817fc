import { describe, expect, it } from 'vitest';
import { faultOf } from '../../tests/kit/test-schema.ts';
import { parseOptionList } from './opts.ts';

describe('parseOptionList', () => {
  it.each<[string, string | undefined, [string, string][], string?]>([
    ['', undefined, []],
    ['', undefined, [], 'implied'],
    [
      'a=1,b=2,,x,a=3',
      undefined,
      [
        ['a', '1'],
        ['b', '2,x'],
        ['a', '3'],
      ],
    ],
    ['id=foo,id=bar', 'foo', []],
    ['x=y,', undefined, [['x', 'y']]],
    [',', undefined, [['', 'on']]],
    ['x=,,id=bar', undefined, [['x', ',id=bar']]],
    [
      'an,noaus,noaus=',
      undefined,
      [
        ['an', 'on'],
        ['aus', 'off'],
        ['noaus', ''],
      ],
    ],
    ['no', undefined, [['', 'off']]],
    [
      'an,noaus,noaus=',
      undefined,
      [
        ['implied', 'an'],
        ['aus', 'off'],
        ['noaus', ''],
      ],
      'implied',
    ],
    [',', undefined, [['implied', '']], 'implied'],
    [
      ',,,a=1',
      undefined,
      [
        ['implied', ','],
        ['a', '1'],
      ],
      'implied',
    ],
    ['=val', undefined, [['', 'val']]],
    ['=val', undefined, [['', 'val']], 'implied'],
    ['val,,ue', undefined, [['implied', 'val,ue']], 'implied'],
    ['user,id', 'on', [['implied', 'user']], 'implied'],
    ['user,noid', 'off', [['implied', 'user']], 'implied'],
    ['node', undefined, [['de', 'off']]],
    [
      'help,b=1',
      undefined,
      [
        ['implied', 'help'],
        ['b', '1'],
      ],
      'implied',
    ],
  ])('%s', (text, id, options, implied) => {
    const list = parseOptionList(text, implied);
    expect([list.id, list.options]).toEqual([id, options]);
  });

  it.each(['id=666', 'id=', 'id=a b', 'id=a,,b', 'x,id=_a', 'id=a\n'])('refuses the id of %s', (text) => {
    expect(faultOf(() => parseOptionList(text))).toBe(
      "Parameter 'id' expects an identifier\nIdentifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
    );
    expect(parseOptionList(text, undefined, true).id).toBeDefined();
  });

  it('warns of short forms as QEMU does, but not of help', () => {
    expect(parseOptionList('user,restrict,noipv6,delay,nodelay,help,?,id', 'type').warnings).toEqual([
      "short-form boolean option 'restrict' deprecated\nPlease use restrict=on instead",
      "short-form boolean option 'noipv6' deprecated\nPlease use ipv6=off instead",
      "short-form boolean option 'delay' deprecated\nPlease use nodelay=off instead",
      "short-form boolean option 'nodelay' deprecated\nPlease use nodelay=on instead",
      "short-form boolean option 'id' deprecated\nPlease use id=on instead",
    ]);
  });
});
