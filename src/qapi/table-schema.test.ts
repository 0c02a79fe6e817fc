import { describe, expect, it } from 'vitest';
import { faultOf, schemaOfText } from '../../tests/kit/test-schema.ts';
import { parseString } from './table-schema.ts';
import { JsonDouble, type JsonObject, type JsonValue } from './value.ts';

const schema = schemaOfText(`
{ 'enum': 'Colour', 'data': [ 'red', { 'name': 'blue', 'features': [ 'deprecated' ] }, { 'name': 'grey', 'if': 'GREY' } ] }
{ 'enum': 'Kind', 'data': [ 'none', 'one', 'two' ] }
{ 'struct': 'Base', 'data': { 'b': 'int' } }
{ 'struct': 'Scalars', 'base': 'Base', 'data': {
  '*i8': 'int8', '*i16': 'int16', '*i32': 'int32', '*i64': 'int64', '*u8': 'uint8', '*u16': 'uint16', '*u32': 'uint32',
  '*u64': 'uint64', '*size': 'size', '*num': 'number', '*str': 'str', '*flag': 'bool', '*null': 'null', '*any': 'any',
  '*colour': 'Colour', '*constructor': 'str', '*cond': { 'type': 'str', 'if': 'GREY' } } }
{ 'struct': 'Wrapped', 'data': { 'value': 'int8' } }
{ 'struct': 'Lists', 'data': {
  '*i8': [ 'int8' ], '*u16': [ 'uint16' ], '*strs': [ 'str' ], '*colours': [ 'Colour' ], '*sub': [ 'Base' ],
  '*wrapped': [ 'Wrapped' ], '*alts': [ 'Alt' ] } }
{ 'struct': 'Deep', 'data': { '*deep': 'Deep' } }
{ 'union': 'Inner', 'base': { 'inner-tag': 'Kind' }, 'discriminator': 'inner-tag', 'data': { 'one': 'Wrapped' } }
{ 'union': 'Outer', 'base': { 'tag': 'Kind' }, 'discriminator': 'tag', 'data': { 'one': 'Base', 'two': 'Inner' } }
{ 'alternate': 'Alt', 'data': { 'i': 'int', 'o': 'Base', 'n': 'null', 'f': 'bool', 'l': [ 'int' ] } }
{ 'command': 'scalars', 'data': 'Scalars', 'boxed': true, 'returns': 'Lists' }
{ 'command': 'lists', 'data': 'Lists', 'allow-oob': true }
{ 'command': 'outer', 'data': 'Outer', 'boxed': true, 'returns': 'Scalars', 'features': [ 'unstable' ] }
{ 'command': 'deep', 'data': 'Deep', 'returns': [ 'Outer' ] }
{ 'event': 'HAPPENED', 'data': { 'what': 'str', '*more': 'number' } }
`);

const json = (type: string, value: JsonValue): unknown => schema.inputJson(type, value);
const fault = (type: string, value: JsonValue): string | undefined => faultOf(() => json(type, value));

describe('JSON input', () => {
  it('gives numbers where they are exact, bigints beyond, and wraps negative 64-bit unsigned values', () => {
    const value = {
      b: 2n ** 63n - 1n,
      i8: -128,
      u8: 255,
      u64: -1,
      size: -(2n ** 63n),
      num: new JsonDouble(1),
      i64: -0,
    };
    expect(json('Scalars', value)).toEqual({
      b: 2n ** 63n - 1n,
      i8: -128,
      i64: 0,
      u8: 255,
      u64: 2n ** 64n - 1n,
      size: 2n ** 63n,
      num: 1,
    });
    expect(json('Scalars', { b: 5n, u64: 2n ** 64n - 1n, num: 2n ** 64n })).toEqual({
      b: 5,
      u64: 2n ** 64n - 1n,
      num: 2 ** 64,
    });
  });

  it('takes what a program hands in: integral numbers are integers, absent and undefined are alike', () => {
    expect(json('Scalars', { b: 1, str: undefined, surplus: undefined } as unknown as JsonObject)).toEqual({ b: 1 });
    expect(json('Scalars', { b: 2 ** 60 })).toEqual({ b: 2n ** 60n });
    expect(json('Scalars', { b: 1, any: [new JsonDouble(1)] })).toEqual({ b: 1, any: [new JsonDouble(1)] });
  });

  it.each<[JsonObject, string]>([
    [{}, "Parameter 'b' is missing"],
    [{ b: 1.5 }, "Invalid parameter type for 'b', expected: integer"],
    [{ b: new JsonDouble(1) }, "Invalid parameter type for 'b', expected: integer"],
    [{ b: 2n ** 63n }, "Invalid parameter type for 'b', expected: integer"],
    [{ b: null }, "Invalid parameter type for 'b', expected: integer"],
    [{ b: 1, i8: 128 }, "Parameter 'i8' expects int8_t"],
    [{ b: 1, i16: -32769 }, "Parameter 'i16' expects int16_t"],
    [{ b: 1, i32: 2n ** 62n }, "Parameter 'i32' expects int32_t"],
    [{ b: 1, u8: -1 }, "Parameter 'u8' expects uint8_t"],
    [{ b: 1, u16: 65536 }, "Parameter 'u16' expects uint16_t"],
    [{ b: 1, u32: 2n ** 64n }, "Parameter 'u32' expects uint64"],
    [{ b: 1, u64: -(2n ** 63n) - 1n }, "Parameter 'u64' expects uint64"],
    [{ b: 1, size: '1k' }, "Parameter 'size' expects uint64"],
    [{ b: 1, num: '1' }, "Invalid parameter type for 'num', expected: number"],
    [{ b: 1, str: 1 }, "Invalid parameter type for 'str', expected: string"],
    [{ b: 1, flag: 'on' }, "Invalid parameter type for 'flag', expected: boolean"],
    [{ b: 1, null: 0 }, "Invalid parameter type for 'null', expected: null"],
    [{ b: 1, colour: 'Red' }, "Parameter 'colour' does not accept value 'Red'"],
    [{ b: 1, colour: 'grey' }, "Parameter 'colour' does not accept value 'grey'"],
    [{ b: 1, cond: 'x' }, "Parameter 'cond' is unexpected"],
    [{ x: 1, b: 1, y: 2 }, "Parameter 'x' is unexpected"],
  ])('%o: %s', (value, text) => {
    expect(fault('Scalars', value)).toBe(text);
  });

  it('names paths in full and, where QEMU does, only their end', () => {
    expect(fault('Lists', { i8: [1, 'x'] })).toBe("Invalid parameter type for 'i8[1]', expected: integer");
    expect(fault('Lists', { i8: [128] })).toBe("Parameter 'null' expects int8_t");
    expect(fault('Lists', { colours: ['red', 'x'] })).toBe("Parameter 'null' does not accept value 'x'");
    expect(fault('Lists', { sub: [{ b: 1 }, { b: 1, z: 1 }] })).toBe("Parameter 'sub[1].z' is unexpected");
    expect(fault('Lists', { alts: ['x'] })).toBe("Invalid parameter type for 'null', expected: Alt");
    expect(fault('Lists', { alts: [1.5] })).toBe("Invalid parameter type for 'alts[0]', expected: integer");
    expect(fault('Lists', { alts: [{}] })).toBe("Parameter 'alts[0].b' is missing");
    expect(fault('Lists', 1)).toBe("Invalid parameter type for '<anonymous>', expected: object");
    expect(fault('[int]', [1, 'x'])).toBe("Invalid parameter type for '[1]', expected: integer");
    expect(json('Lists', { alts: [1, { b: 2 }, null, true, [3]] })).toEqual({ alts: [1, { b: 2 }, null, true, [3]] });
  });

  it('walks unions of unions, and finds surplus keys after everything else', () => {
    expect(json('Outer', { tag: 'two', 'inner-tag': 'one', value: 1 })).toEqual({
      tag: 'two',
      'inner-tag': 'one',
      value: 1,
    });
    expect(json('Outer', { tag: 'none' })).toEqual({ tag: 'none' });
    expect(fault('Outer', { tag: 'two', 'inner-tag': 'none', value: 1 })).toBe("Parameter 'value' is unexpected");
    expect(fault('Outer', { a: 1, tag: 'two', 'inner-tag': 'one', value: 1000 })).toBe(
      "Parameter 'value' expects int8_t",
    );
  });

  it('is not fooled by names that objects inherit', () => {
    expect(json('Scalars', { b: 1 })).toEqual({ b: 1 });
    expect(json('Scalars', { b: 1, constructor: 'x' } as unknown as JsonObject)).toEqual({ b: 1, constructor: 'x' });
    expect(fault('Scalars', JSON.parse('{"b":1,"__proto__":{}}') as JsonObject)).toBe(
      "Parameter '__proto__' is unexpected",
    );
    expect(fault('Scalars', Object.assign(Object.create({ b: 1 }), {}) as JsonObject)).toBe("Parameter 'b' is missing");
    expect(faultOf(() => schema.inputCommand('toString', {}))).toBe('The command toString has not been found');
    expect(fault('Scalars', { b: 1, colour: 'constructor' })).toBe(
      "Parameter 'colour' does not accept value 'constructor'",
    );
  });

  it('ends on values without end', () => {
    const loop: JsonObject = {};
    loop['deep'] = loop;
    expect(fault('Deep', loop)).toBe('JSON nesting depth limit exceeded');
  });
});

describe('dotted keys', () => {
  const keyval = (type: string, text: string): unknown => schema.inputKeyval(type, text);
  const keyvalFault = (type: string, text: string): string | undefined => faultOf(() => keyval(type, text));

  it('converts scalars', () => {
    expect(keyval('Scalars', 'b=0x10,i8=-8,u64=-1,size=1.5k,num=1e1,str=,flag=off,colour=red,any.x=1')).toEqual({
      b: 16,
      i8: -8,
      u64: 2n ** 64n - 1n,
      size: 1536,
      num: 10,
      str: '',
      flag: false,
      colour: 'red',
      any: { x: '1' },
    });
    expect(keyval('Lists', 'sub.0.b=1,sub.1.b=2,i8.0=3')).toEqual({ i8: [3], sub: [{ b: 1 }, { b: 2 }] });
  });

  it.each([
    ['b=x', "Parameter 'b' expects integer"],
    ['b=1,u8=256', "Parameter 'u8' expects uint8_t"],
    ['b=1,u8=-1', "Parameter 'u8' expects uint8_t"],
    ['b=1,size=1kb', "Parameter 'size' expects size"],
    ['b=1,flag=ON', "Parameter 'flag' expects 'on' or 'off'"],
    ['b=1,num=inf', "Invalid parameter type for 'num', expected: number"],
    ['b=1,null=', "Invalid parameter type for 'null', expected: null"],
    ['b.x=1', "Parameters 'b.*' are unexpected"],
    ['b=1,colour.0=red', "Parameters 'colour.*' are unexpected"],
    ['b=1,zz.y=1', "Parameter 'zz' is unexpected"],
  ])('%s: %s', (text, expected) => {
    expect(keyvalFault('Scalars', text)).toBe(expected);
  });

  it('shows list elements with a dot, and refuses what is no list or object', () => {
    expect(keyvalFault('Lists', 'sub.0.b=x')).toBe("Parameter 'sub.0.b' expects integer");
    expect(keyvalFault('Lists', 'sub=x')).toBe("Invalid parameter type for 'sub', expected: array");
    expect(keyvalFault('Lists', 'sub.0=x')).toBe("Invalid parameter type for 'sub.0', expected: object");
    expect(keyvalFault('Lists', 'alts.0=1')).toBe("Invalid parameter type for 'null', expected: Alt");
  });
});

describe('traditional options', () => {
  const opts = (type: string, text: string): unknown => schema.inputQemuOpts(type, text).value;
  const optsFault = (type: string, text: string): string | undefined => faultOf(() => opts(type, text));

  it('takes the last of a scalar, and all of a list, ranges spread out', () => {
    expect(opts('Scalars', 'b=1,b=2,flag,size=1k,str=')).toEqual({ b: 2, flag: true, size: 1024, str: '' });
    expect(opts('Lists', 'i8=3-6,i8=-5--4,i8=9,strs=a,strs=b,wrapped=1,wrapped=2')).toEqual({
      i8: [3, 4, 5, 6, -5, -4, 9],
      strs: ['a', 'b'],
      wrapped: [{ value: 1 }, { value: 2 }],
    });
    expect(opts('Outer', 'tag=two,inner-tag=one,value=7')).toEqual({ tag: 'two', 'inner-tag': 'one', value: 7 });
  });

  it.each([
    ['Scalars', 'b=', "Parameter 'b' expects an int64 value"],
    ['Scalars', 'b=1-2', "Parameter 'b' expects an int64 value"],
    ['Scalars', 'b=1,u8=-1', "Parameter 'u8' expects a uint64 value"],
    ['Scalars', 'b=1,u8=256', "Parameter 'u8' expects uint8_t"],
    ['Scalars', 'b=1,size=x', "Parameter 'size' expects a size value"],
    ['Scalars', 'b=1,flag=', "Parameter 'flag' expects 'on' or 'off'"],
    ['Scalars', 'b=1,colour=', "Parameter 'colour' does not accept value ''"],
    ['Scalars', 'x=1', "Parameter 'b' is missing"],
    ['Scalars', 'b=1,x=1,y=2', "Invalid parameter 'x'"],
    ['Lists', 'i8=x', "Parameter 'i8' expects an int64 value or range"],
    ['Lists', 'i8=6-3', "Parameter 'i8' expects an int64 value or range"],
    ['Lists', 'i8=0-65536', "Parameter 'i8' expects an int64 value or range"],
    ['Lists', 'i8=126-128', "Parameter 'null' expects int8_t"],
    ['Lists', 'u16=x', "Parameter 'u16' expects a uint64 value or range"],
    ['Lists', 'colours=x', "Parameter 'null' does not accept value 'x'"],
    ['Lists', 'wrapped=x', "Parameter 'wrapped' expects an int64 value or range"],
    ['Lists', 'wrapped=200', "Parameter 'value' expects int8_t"],
    ['Lists', 'alts=x', "Invalid parameter type for 'null', expected: Alt"],
  ])('%s %s: %s', (type, text, expected) => {
    expect(optsFault(type, text)).toBe(expected);
  });
});

describe('property texts', () => {
  const text = (type: string, value: string): unknown => parseString(schema, type, value, 'p');

  it('reads scalars and lists of integers', () => {
    expect(text('[int]', '1,2,0,2-4,20,5-9,1-8')).toEqual([
      1, 2, 0, 2, 3, 4, 20, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8,
    ]);
    expect(text('[int]', '')).toEqual([]);
    expect(text('[int]', '-3--1,')).toEqual([-3, -2, -1]);
    expect(text('size', '1k')).toBe(1024);
    expect(text('bool', 'yes')).toBe(true);
    expect(text('null', '')).toBeNull();
    expect(text('Colour', 'red')).toBe('red');
    expect(text('uint64', '-1')).toBe(2n ** 64n - 1n);
  });

  it.each([
    ['int', 'x', "Parameter 'p' expects int64"],
    ['uint8', 'x', "Parameter 'p' expects uint64"],
    ['uint8', '256', "Parameter 'p' expects uint8_t"],
    ['[int]', '1,,2', "Parameter 'p' expects list of int64 values or ranges"],
    ['[uint8]', '2-1', "Parameter 'p' expects list of uint64 values or ranges"],
    ['[uint8]', '255-256', "Parameter 'null' expects uint8_t"],
    ['[int]', '0-65536', "Parameter 'p' expects list of int64 values or ranges"],
    ['size', '16E', "Value '16E' is out of range for parameter 'p'"],
    ['bool', '', "Parameter 'p' expects 'on' or 'off'"],
    ['number', 'x', "Invalid parameter type for 'p', expected: number"],
    ['null', 'x', "Invalid parameter type for 'p', expected: null"],
    ['Colour', 'x', "Parameter 'p' does not accept value 'x'"],
    ['Base', 'x', "Invalid parameter type for 'p', expected: Base"],
  ])('%s %s: %s', (type, value, expected) => {
    expect(faultOf(() => text(type, value))).toBe(expected);
  });

  it('gives the advice on sizes as a hint', () => {
    expect(faultOf(() => text('size', '1x'))).toBe(
      "Parameter 'p' expects a non-negative number below 2^64\n" +
        'Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.',
    );
  });
});

describe('output', () => {
  it('has schema order and no absent members', () => {
    const value = { str: 's', b: 1, num: 2, cond: 'not in this build', colour: undefined, any: { z: 1 } };
    const result = schema.output('Scalars', value) as JsonObject;
    expect(Object.entries(result)).toEqual([
      ['b', 1],
      ['num', new JsonDouble(2)],
      ['str', 's'],
      ['any', { z: 1 }],
    ]);
    expect(schema.outputCommand('deep', [{ inner: 1, value: 3, 'inner-tag': 'one', tag: 'two' }])).toEqual([
      { tag: 'two', 'inner-tag': 'one', value: 3 },
    ]);
    expect(schema.outputCommand('lists', undefined)).toEqual({});
    expect(schema.output(schema.eventInfo('HAPPENED')!.data, { what: 'x' })).toEqual({ what: 'x' });
    expect(schema.output('Lists', { alts: [1, { b: 2, z: 1 }, null] })).toEqual({ alts: [1, { b: 2 }, null] });
  });

  it('refuses a value that lacks what the schema promises', () => {
    expect(faultOf(() => schema.output('Base', {}))).toBe("Internal error: 'b' of type 'int' has no value");
  });
});

describe('what the schema says about itself', () => {
  it('lists commands, events and values', () => {
    expect(schema.commandNames()).toEqual(['scalars', 'lists', 'outer', 'deep']);
    expect(schema.eventInfo('HAPPENED')?.data.members).toHaveLength(2);
    expect(schema.commandInfo('lists')).toMatchObject({ allowOob: true, result: undefined });
    expect(schema.commandInfo('outer')?.features).toEqual(['unstable']);
    expect(schema.commandInfo('nope')).toBeUndefined();
    expect(schema.enumValues('Colour')).toEqual(['red', 'blue']);
  });

  it('introspects with numbers in the order of first use', () => {
    const entries = schema.introspect() as JsonObject[];
    expect(entries.slice(0, 3)).toEqual([
      { name: 'scalars', 'meta-type': 'command', 'arg-type': '0', 'ret-type': '1' },
      { name: 'lists', 'meta-type': 'command', 'arg-type': '1', 'ret-type': '2', 'allow-oob': true },
      { name: 'outer', 'meta-type': 'command', 'arg-type': '3', 'ret-type': '0', features: ['unstable'] },
    ]);
    expect(entries.find((entry) => entry['name'] === '3')).toEqual({
      name: '3',
      'meta-type': 'object',
      members: [{ name: 'tag', type: expect.any(String) }],
      tag: 'tag',
      variants: [
        { case: 'one', type: expect.any(String) },
        { case: 'two', type: expect.any(String) },
        { case: 'none', type: '2' },
      ],
    });
    expect(entries).toContainEqual({
      name: expect.any(String),
      'meta-type': 'enum',
      members: [{ name: 'red' }, { name: 'blue', features: ['deprecated'] }],
      values: ['red', 'blue'],
    });
    expect(entries).toContainEqual({ name: '[int]', 'meta-type': 'array', 'element-type': 'int' });
    const names = entries.map((entry) => entry['name']);
    expect(new Set(names).size).toBe(names.length);
  });
});
