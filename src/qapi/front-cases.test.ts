/** Cases of the reference's error texts that the golden rows lack; each is named after what is wrong. */
import { describe, expect, it } from 'vitest';
import { checkSchema } from './front.ts';

const check = (files: string | Record<string, string>): string => {
  const byPath = typeof files === 'string' ? { 'main.json': files } : files;
  const result = checkSchema('main.json', (path) => {
    const text = byPath[path as keyof typeof byPath];
    return text === undefined ? { error: 'No such file or directory' } : { text };
  });
  return result.ok ? 'ok' : result.error;
};

/** A one-line schema whose error is inside a definition on line 1. */
const inside = (definition: string, message: string): string => `main.json: In ${definition}:\nmain.json:1: ${message}`;

type Case = readonly [name: string, schema: string | Record<string, string>, error: string];

function all(cases: readonly Case[]): void {
  it.each(cases)('%s', (_name, schema, error) => expect(check(schema)).toBe(error));
}

describe('tokens and syntax', () => {
  all([
    ['stray backslash', "{ 'command': 'a', 'b': \\'c' }\n", "main.json:1:24: stray '\\'"],
    ['unknown escape', "{ 'a': 'b\\n' }", 'main.json:1:8: unknown escape \\n'],
    ['escape of an astral character', "{ 'a': 'b\\😀' }", 'main.json:1:8: unknown escape \\😀'],
    [
      'escaped backslash',
      "{ 'enum': 'Ee', 'data': [ 'a\\\\b' ] }",
      inside("enum 'Ee'", "'data' member 'a\\b' has an invalid name"),
    ],
    ['code point 127', "{ 'a': 'b\x7f' }", 'main.json:1:8: funny character in string'],
    ['code point 31', "{ 'a': 'b\x1f' }", 'main.json:1:8: funny character in string'],
    ['line feed behind an escape', "{ 'a': 'b\\\n' }", 'main.json:1:8: missing terminating "\'"'],
    ['comma first in a list', "{ 'a': [ , 'b' ] }", "main.json:1:10: expected '{', '[', ']', string, or boolean"],
    ['member without value', "{ 'a': }", "main.json:1:8: expected '{', '[', string, or boolean"],
    ['comma last in an object', "{ 'a': 'b', }", 'main.json:1:13: expected string'],
    ['list closed as an object', "{ 'a': [ 'b' }", "main.json:1:14: expected ',' or ']'"],
    ['top-level string', "'command'", 'main.json:1: top-level expression must be an object'],
    ['tab column as the reference counts', "\t{ 'a' 'b' }", "main.json:1:7: expected ':'"],
    ['columns count characters', "# é😀\n{ 'a': é😀 ;}", "main.json:2:8: stray 'é😀'"],
    ['byte order mark', '\ufeff{}', "main.json:1:1: stray '\ufeff'"],
    ['lone carriage return ends a line', "# x\r{ 'a' 'b' }", "main.json:2:7: expected ':'"],
    ['a later token is read first', "{ 'include': 'no.json' }\n;", "main.json:2:1: stray ';'"],
    [
      'member named __proto__',
      "{ '__proto__': {} }",
      "main.json:1: expression must have exactly one key 'enum', 'struct', 'union', 'alternate', 'command', 'event'",
    ],
  ]);
});

describe('directives', () => {
  all([
    ['include with another key', "\n{ 'include': 'a', 'b': 'c' }", "main.json:2: invalid 'include' directive"],
    ['include of a list', "{ 'include': [] }", "main.json:1: value of 'include' must be a string"],
    [
      'include of nothing',
      "{ 'include': 'x/no.json' }",
      "main.json:1: can't read include file 'x/no.json': No such file or directory",
    ],
    ['root file missing', {}, "can't read schema file 'main.json': No such file or directory"],
    [
      'loop by another spelling',
      { 'main.json': "{ 'include': 'a/../main.json' }" },
      'main.json:1: inclusion loop for a/../main.json',
    ],
    ['pragma not an object', "{ 'pragma': [] }", "main.json:1: value of 'pragma' must be an object"],
    [
      'doc-required not boolean',
      "{ 'pragma': { 'doc-required': 'x' } }",
      "main.json:1: pragma 'doc-required' must be boolean",
    ],
    [
      'the last pragma counts, for what stands before it too',
      "{ 'command': 'go' }\n{ 'pragma': { 'doc-required': true } }",
      inside("command 'go'", 'documentation comment required'),
    ],
    [
      'a later list replaces an earlier one',
      "{ 'pragma': { 'command-name-exceptions': [ 'a_b' ] } }{ 'pragma': { 'command-name-exceptions': [] } }{ 'command': 'a_b' }",
      inside("command 'a_b'", "name of command must not use uppercase or '_'"),
    ],
  ]);
});

describe('names', () => {
  all([
    ['definition name a boolean', "{ 'struct': true, 'data': {} }", "main.json:1: 'struct' requires a string name"],
    ['definition name an object', "{ 'command': {} }", "main.json:1: 'command' requires a string name"],
    [
      'two kinds',
      "{ 'command': 'a', 'event': 'B' }",
      "main.json:1: expression must have exactly one key 'enum', 'struct', 'union', 'alternate', 'command', 'event'",
    ],
    [
      'lower-case type',
      "{ 'struct': 'not-camel', 'data': {} }",
      inside("struct 'not-camel'", 'name of struct must use CamelCase'),
    ],
    [
      'no lower-case letter in a type',
      "{ 'enum': 'AB', 'data': [] }",
      inside("enum 'AB'", 'name of enum must use CamelCase'),
    ],
    ['q- in a command', "{ 'command': 'q-unix' }", inside("command 'q-unix'", 'command has an invalid name')],
    [
      'q- in a value',
      "{ 'enum': 'Ee', 'data': [ 'q-x' ] }",
      inside("enum 'Ee'", "'data' member 'q-x' has an invalid name"),
    ],
    ['empty value', "{ 'enum': 'Ee', 'data': [ '' ] }", inside("enum 'Ee'", "'data' member '' has an invalid name")],
    ['digit first in a value', "{ 'enum': 'Ee', 'data': [ '9p' ] }", 'ok'],
    [
      'digit first in a member',
      "{ 'struct': 'Aa', 'data': { '9p': 'str' } }",
      inside("struct 'Aa'", "'data' member '9p' has an invalid name"),
    ],
    [
      'has- in a member',
      "{ 'command': 'go', 'data': { 'has-a': 'str' } }",
      inside("command 'go'", "'data' member 'has-a' uses reserved name"),
    ],
    [
      'underscore first',
      "{ 'struct': 'Aa', 'data': { '_o': 'str' } }",
      inside("struct 'Aa'", "'data' member '_o' has an invalid name"),
    ],
    [
      'two stars',
      "{ 'struct': 'Aa', 'data': { '**o': 'str' } }",
      inside("struct 'Aa'", "'data' member '**o' has an invalid name"),
    ],
    [
      'upper case in an argument',
      "{ 'command': 'go', 'data': { 'Arg': 'int' } }",
      inside("command 'go'", "name of 'data' member 'Arg' must not use uppercase or '_'"),
    ],
    [
      'exceptions of a union cover its inline base',
      "{ 'pragma': { 'member-name-exceptions': [ 'Uu' ] } } { 'enum': 'Ee', 'data': [ 'x' ] } { 'union': 'Uu', 'base': { 'T_t': 'Ee' }, 'discriminator': 'T_t', 'data': {} }",
      'ok',
    ],
    ['array type name', "{ 'struct': 'Aa', 'data': { 'm': 'strList' } }", 'ok'],
    [
      'array of an array',
      "{ 'struct': 'Aa', 'data': { 'm': [ 'strList' ] } }",
      inside("struct 'Aa'", "array type ['str'] cannot be an array element"),
    ],
    [
      'implicit type by hand',
      "{ 'command': 'go', 'data': { 'a': 'int' } } { 'command': 'run', 'data': 'q_obj_go-arg' }",
      inside("command 'run'", "command's 'data' uses unknown type 'q_obj_go-arg'"),
    ],
    [
      'redefined command',
      "{ 'command': 'go', 'data': { 'a': 'int' } }\n{ 'command': 'go', 'data': { 'a': 'int' } }",
      "main.json: In command 'go':\nmain.json:2: 'go' is already defined\nmain.json: In command 'go':\nmain.json:1: previous definition",
    ],
    [
      'redefined type',
      "{ 'struct': 'Foo', 'data': {} }\n{ 'enum': 'Foo', 'data': [] }",
      "main.json: In enum 'Foo':\nmain.json:2: 'Foo' is already defined\nmain.json: In struct 'Foo':\nmain.json:1: previous definition",
    ],
    [
      'command named as a predefined type',
      "{ 'command': 'int' }",
      inside("command 'int'", "built-in type 'int' is already defined"),
    ],
  ]);
});

describe('shapes', () => {
  all([
    [
      'features not a list',
      "{ 'command': 'go', 'features': 'f' }",
      inside("command 'go'", "'features' must be an array"),
    ],
    [
      'feature with another key',
      "{ 'command': 'go', 'features': [ { 'name': 'f', 'colour': 'red' } ] }",
      inside("command 'go'", "'features' member has unknown key 'colour'\nValid keys are 'if', 'name'."),
    ],
    ['gen true', "{ 'command': 'go', 'gen': true }", inside("command 'go'", "flag 'gen' may only use false value")],
    [
      'boxed false with inline data',
      "{ 'command': 'go', 'boxed': false, 'data': { 'a': 'int' } }",
      inside("command 'go'", "flag 'boxed' may only use true value"),
    ],
    [
      'keys before flags',
      "{ 'command': 'go', 'gen': true, 'zap': 'x' }",
      inside(
        "command 'go'",
        "command has unknown key 'zap'\nValid keys are 'allow-oob', 'allow-preconfig', 'boxed', 'command', 'coroutine', 'data', 'features', 'gen', 'if', 'returns', 'success-response'.",
      ),
    ],
    [
      'two keys missing',
      "{ 'union': 'Uu', 'data': {} }",
      inside("union 'Uu'", "union misses keys 'base', 'discriminator'"),
    ],
    [
      'branch of a list',
      "{ 'union': 'Uu', 'base': 'Bb', 'discriminator': 't', 'data': { 'x': [ 'Ss' ] } }",
      inside("union 'Uu'", "'data' member 'x' should be a type name"),
    ],
    [
      'empty condition of a branch',
      "{ 'union': 'Uu', 'base': 'Bb', 'discriminator': 't', 'data': { 'x': { 'type': 'Ss', 'if': '' } } }",
      inside("union 'Uu'", "'if' condition '' of 'data' member 'x' is not a valid identifier"),
    ],
    [
      'condition of a value',
      "{ 'enum': 'Ee', 'data': [ { 'name': 'a', 'if': { 'val': 'x' } } ] }",
      inside(
        "enum 'Ee'",
        "'if' condition of 'data' member 'a' has unknown key 'val'\nValid keys are 'all', 'any', 'not'.",
      ),
    ],
    [
      'condition of a base member',
      "{ 'union': 'Uu', 'base': { 'b': { 'type': 'int', 'if': [] } }, 'discriminator': 't', 'data': {} }",
      inside("union 'Uu'", "'if' condition of 'base' member 'b' must be a string or an object"),
    ],
    [
      'all of no list',
      "{ 'struct': 'Ss', 'data': {}, 'if': { 'all': 'X' } }",
      inside("struct 'Ss'", "'all' condition of struct must be an array"),
    ],
    [
      'if before features',
      "{ 'struct': 'Ss', 'data': {}, 'features': 'x', 'if': 'y' }",
      inside("struct 'Ss'", "'if' condition 'y' of struct is not a valid identifier"),
    ],
    [
      'empty array type',
      "{ 'command': 'go', 'data': { 'm': [] } }",
      inside("command 'go'", "'data' member 'm': array type must contain single type name"),
    ],
    [
      'array type of two',
      "{ 'command': 'go', 'data': { 'm': [ 'a', 'b' ] } }",
      inside("command 'go'", "'data' member 'm': array type must contain single type name"),
    ],
  ]);
});

describe('meaning', () => {
  const enumE = "{ 'enum': 'Ee', 'data': [ 'x', 'on', '4' ] }";
  all([
    [
      'str next to bool',
      "{ 'alternate': 'Al', 'data': { 'one': 'bool', 'two': 'str' } }",
      inside("alternate 'Al'", "branch 'two' can't be distinguished from 'one'"),
    ],
    [
      'str next to int',
      "{ 'alternate': 'Al', 'data': { 'one': 'int', 'two': 'str' } }",
      inside("alternate 'Al'", "branch 'two' can't be distinguished from 'one'"),
    ],
    [
      'enum with on next to bool',
      `${enumE}{ 'alternate': 'Al', 'data': { 'one': 'bool', 'two': 'Ee' } }`,
      inside("alternate 'Al'", "branch 'two' can't be distinguished from 'one'"),
    ],
    [
      'any as argument type',
      "{ 'command': 'go', 'data': 'any' }",
      inside("command 'go'", "command's 'data' cannot take built-in type 'any'"),
    ],
    [
      'alternate as argument type',
      "{ 'alternate': 'Al', 'data': { 'i': 'int' } } { 'command': 'go', 'data': 'Al' }",
      inside("command 'go'", "command's 'data' cannot take alternate type 'Al'"),
    ],
    [
      'array as argument type',
      "{ 'command': 'go', 'data': 'strList' }",
      inside("command 'go'", "command's 'data' cannot take array type ['str']"),
    ],
    [
      'list of an unknown type',
      "{ 'command': 'go', 'data': { 'm': [ 'No' ] } }",
      inside("command 'go'", "command uses unknown type 'No'"),
    ],
    [
      'argument of an unknown type',
      "{ 'command': 'go', 'data': { 'm': 'No' } }",
      inside("command 'go'", "parameter 'm' uses unknown type 'No'"),
    ],
    [
      'inline base of an unknown type',
      `{ 'union': 'Uu', 'base': { 'm': 'No' }, 'discriminator': 'm', 'data': {} }`,
      inside("union 'Uu'", "base member 'm' uses unknown type 'No'"),
    ],
    [
      'conditional inline argument',
      "{ 'command': 'go', 'data': { 'm': { 'type': 'int', 'if': 'X' } } }",
      inside("command 'go'", "conditional command arguments require 'boxed': true"),
    ],
    [
      'conditional member of a base',
      "{ 'struct': 'Bb', 'data': { 'm': { 'type': 'int', 'if': 'X' } } } { 'struct': 'Ss', 'base': 'Bb', 'data': {} } { 'event': 'GO', 'data': 'Ss' }",
      inside("event 'GO'", "conditional event arguments require 'boxed': true"),
    ],
    [
      'own base',
      "{ 'struct': 'Loopy', 'base': 'Loopy', 'data': {} }",
      inside("struct 'Loopy'", 'object Loopy contains itself'),
    ],
    [
      'own branch',
      `${enumE}{ 'union': 'Uu', 'base': { 't': 'Ee' }, 'discriminator': 't', 'data': { 'x': 'Uu' } }`,
      inside("union 'Uu'", 'object Uu contains itself'),
    ],
    [
      'union without values',
      "{ 'enum': 'Ee', 'data': [] }{ 'union': 'Uu', 'base': { 't': 'Ee' }, 'discriminator': 't', 'data': {} }",
      inside("union 'Uu'", 'union has no branches'),
    ],
    [
      'tag of type str',
      "{ 'struct': 'Bb', 'data': { 't': 'str' } }{ 'union': 'Uu', 'base': 'Bb', 'discriminator': 't', 'data': {} }",
      inside("union 'Uu'", "discriminator member 't' of base type 'Bb' must be of enum type"),
    ],
    [
      'tag in no base',
      `{ 'union': 'Uu', 'base': { 'a': 'int' }, 'discriminator': 't', 'data': {} }`,
      inside("union 'Uu'", "discriminator 't' is not a member of 'base'"),
    ],
    [
      'branch repeats a named base',
      `${enumE}{ 'struct': 'Bb', 'data': { 't': 'Ee', 'name': 'str' } }{ 'struct': 'Br', 'data': { 'name': 'str' } }{ 'union': 'Uu', 'base': 'Bb', 'discriminator': 't', 'data': { 'x': 'Br' } }`,
      inside("union 'Uu'", "member 'name' of type 'Br' collides with member 'name' of type 'Bb'"),
    ],
    [
      'tag of a nested union repeats the outer base',
      `${enumE}{ 'union': 'In', 'base': { 'type': 'Ee' }, 'discriminator': 'type', 'data': {} }{ 'union': 'Uu', 'base': { 'type': 'Ee' }, 'discriminator': 'type', 'data': { 'x': 'In' } }`,
      inside("union 'Uu'", "base member 'type' of type 'In' collides with base member 'type'"),
    ],
    [
      'branches may share a member',
      `${enumE}{ 'struct': 'Br', 'data': { 'n': 'str' } }{ 'struct': 'Bs', 'data': { 'n': 'int' } }{ 'union': 'Uu', 'base': { 't': 'Ee' }, 'discriminator': 't', 'data': { 'x': 'Br', 'on': 'Bs' } }`,
      'ok',
    ],
    [
      'argument clash of an event',
      "{ 'pragma': { 'member-name-exceptions': [ 'Ss' ] } }{ 'struct': 'Ss', 'data': { 'a-b': 'int', 'a_b': 'int' } }",
      inside("struct 'Ss'", "member 'a_b' collides with member 'a-b'"),
    ],
    [
      'feature twice on a member',
      "{ 'struct': 'Ss', 'data': { 'm': { 'type': 'int', 'features': [ 'f', 'f' ] } } }",
      inside("struct 'Ss'", "feature 'f' of type 'm' collides with feature 'f' of type 'm'"),
    ],
    ['feature twice on a value', "{ 'enum': 'Ee', 'data': [ { 'name': 'm', 'features': [ 'f', 'f' ] } ] }", 'ok'],
    [
      'returns excepted',
      "{ 'pragma': { 'command-returns-exceptions': [ 'go' ] } }{ 'command': 'go', 'returns': [ 'int' ] }",
      'ok',
    ],
    [
      'returns an array by name before its turn',
      "{ 'command': 'go', 'returns': 'SsList' } { 'struct': 'Ss', 'data': {} } { 'command': 'run', 'returns': [ 'Ss' ] }",
      'ok',
    ],
  ]);
});
