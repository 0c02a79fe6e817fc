import { describe, expect, it } from 'vitest';
import { faultOf } from '../../tests/kit/test-schema.ts';
import { parseKeyval } from './keyval.ts';

const plain = (text: string, implied?: string): unknown => JSON.parse(JSON.stringify(parseKeyval(text, implied)));
const K127 = 'k'.repeat(127);

describe('parseKeyval', () => {
  it.each<[string, unknown, string?]>([
    ['', {}],
    ['a=1,b=2,,x,a=3', { a: '3', b: '2,x' }],
    ['id=foo,id=bar', { id: 'bar' }],
    ['a.b.c=1,a.b.c=2,d=3', { a: { b: { c: '2' } }, d: '3' }],
    ['x=y,', { x: 'y' }],
    ['x=,,id=bar', { x: ',id=bar' }],
    ['id=666', { id: '666' }],
    ['an,aus=off,noaus=', { implied: 'an', aus: 'off', noaus: '' }, 'implied'],
    ['val', { eins: { zwei: 'val' } }, 'eins.zwei'],
    ['help=on', { help: 'on' }],
    ['help.abc', { implied: 'help.abc' }, 'implied'],
    ['list.0=null,list.2=zwei,list.1=eins', { list: ['null', 'eins', 'zwei'] }],
    ['list.1=goner,list.0=null,list.01=eins,list.2=zwei', { list: ['null', 'eins', 'zwei'] }],
    ['a.0.b=1,a.1.b=2', { a: [{ b: '1' }, { b: '2' }] }],
    [`${K127}=v`, { [K127]: 'v' }],
    ['X=1,a_b=2,a-b=3,__org.qemu_foo=4', { X: '1', a_b: '2', 'a-b': '3', '__org.qemu_foo': '4' }],
    ['a==x,b==', { a: '=x', b: '=' }],
  ])('%s', (text, expected, implied) => {
    expect(plain(text, implied)).toEqual(expected);
  });

  it.each([
    '=val',
    '.',
    'key.',
    '7up=val',
    'key[0]=val',
    '0=1',
    '_x=1',
    '__x=1',
    'a b=1',
    'a@b=1',
    'ä=1',
    'x..y=1',
    '.x=1',
    'a.-1=1',
    'a.0x1=1',
  ])('refuses the key of %s', (text) => {
    expect(faultOf(() => parseKeyval(text))).toBe(`Invalid parameter '${text.split('=')[0]}'`);
  });

  it.each<[string, string, string?]>([
    [`${K127}k=v`, `Parameter '${K127}k' is too long`],
    [`a.${K127}k=v`, `Parameter fragment '${K127}k' is too long`],
    ['a.b=1,a=2', "Parameters 'a.*' used inconsistently"],
    ['a=2,a.b=1', "Parameters 'a.*' used inconsistently"],
    ['a.b=1,a.b.c=2', "Parameters 'a.b.*' used inconsistently"],
    ['a.b.c=1,a.b.0=2', "Parameters 'a.b.*' used inconsistently"],
    ['a.0.c=1,a.b.c=2', "Parameters 'a.*' used inconsistently"],
    [',', "Invalid parameter ''"],
    [',,,a=1', "Invalid parameter ''"],
    [',,,a=1', "Invalid parameter ''", 'implied'],
    ['val,,ue', "Invalid parameter ''", 'implied'],
    ['=val', "Invalid parameter ''", 'implied'],
    ['an,noaus,noaus=', "Expected '=' after parameter 'an'"],
    ['server', "Expected '=' after parameter 'server'"],
    ['help.abc', "Expected '=' after parameter 'help.abc'"],
    ['help', 'Help is not available for this option'],
    ['?', 'Help is not available for this option', 'implied'],
    ['a=1,help', 'Help is not available for this option'],
    // A fault further on comes first.
    ['help,x', "Expected '=' after parameter 'x'"],
    ['list.1=lonely', "Parameter 'list.0' missing"],
    ['a.2147483648=1', "Parameter 'a.0' missing"],
    ['a.99999999999999999999999=1,a.0=2', "Parameter 'a.1' missing"],
    ['list.0=null,list.2=eins,list.02=zwei', "Parameter 'list.1' missing"],
    // The broken fragment is met only after the one before it was entered.
    ['a=1,a.b.$=2', "Parameters 'a.*' used inconsistently"],
  ])('%s: %s', (text, fault, implied) => {
    expect(faultOf(() => parseKeyval(text, implied))).toBe(fault);
  });

  it('gives objects on which no name is special', () => {
    const tree = parseKeyval('constructor.prototype.x=1,toString=2');
    expect(Object.getPrototypeOf(tree)).toBeNull();
    expect(Object.keys(tree)).toEqual(['constructor', 'toString']);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  it('refuses keys deeper than JSON may nest, and takes long texts in linear time', () => {
    const deep = `${'a.'.repeat(5000)}a=1`;
    expect(faultOf(() => parseKeyval(deep))).toBe(`Invalid parameter '${deep.slice(0, -2)}'`);
    expect(faultOf(() => parseKeyval('a,,'.repeat(1 << 16), 'x'))).toMatch(/^Expected|^Invalid/);
    expect(parseKeyval(`a=${',,'.repeat(1 << 18)}`)['a']).toHaveLength(1 << 18);
  });
});
