/** Documentation comments: errors by dialect, and what ends up in the model. */
import { describe, expect, it } from 'vitest';
import { type CheckResult, checkSchema, type Dialect } from './front.ts';
import type { Schema } from './model.ts';

const run = (text: string, dialect: Dialect = '9.0'): CheckResult =>
  checkSchema('main.json', () => ({ text }), { dialect });

const check = (text: string, dialect?: Dialect): string => {
  const result = run(text, dialect);
  return result.ok ? 'ok' : result.error;
};

function modelOf(text: string, dialect?: Dialect): Schema {
  const result = run(text, dialect);
  if (!result.ok) throw new TypeError(result.error);
  return result.model;
}

/** A documented command; the lines are the block's content behind the symbol and a blank line, from line 4 on. */
const go = (lines: string, definition = "{ 'command': 'go', 'data': { 'a': 'int' } }"): string =>
  ['##', '# @go:', '#', ...lines.split('\n').map((line) => `# ${line}`.trimEnd()), '##', definition].join('\n');

const plain = "{ 'command': 'go' }";

describe('errors of a block', () => {
  it.each([
    ['text behind the opening sign', '## x\n##\n', "main.json:1:1: junk after '##' at start of documentation comment"],
    ['blank behind the opening sign', '## \n##\n', "main.json:1:1: junk after '##' at start of documentation comment"],
    [
      'symbol of another definition',
      `##\n# @food:\n##\n${plain}`,
      "main.json: In command 'go':\nmain.json:4: documentation comment is for 'food'",
    ],
    [
      'empty line before the symbol',
      `##\n#\n# @go:\n##\n${plain}`,
      "main.json:3:1: '@go:' not allowed in free-form documentation",
    ],
    [
      'directive behind',
      "##\n# @go:\n##\n{ 'pragma': {} }",
      "main.json:1: documentation for 'go' is not followed by the definition",
    ],
    [
      'another block behind',
      `##\n# @go:\n##\n##\n# @go:\n##\n${plain}`,
      "main.json:1: documentation for 'go' is not followed by the definition",
    ],
    [
      'free-form text between',
      `##\n# @go:\n##\n##\n# x\n##\n${plain}`,
      "main.json:1: documentation for 'go' is not followed by the definition",
    ],
    ['features twice', go('Features:\n@f: x\n\nFeatures:\n@g: x', plain), "main.json:7:1: duplicated 'Features:' line"],
    ['Since twice', go('Since: 1\n\nSince: 2', plain), "main.json:6: duplicated 'Since' section"],
    ['description without name', go('@: x', plain), 'main.json:4: invalid parameter name'],
    [
      'description behind a tag',
      go('@a: x\n\nSince: 1\n\n@b: y'),
      "main.json:8:1: description of '@b:' follows a section",
    ],
    ['description behind text', go('@a: x\n\nwords\n\n@b: y'), "main.json:8:1: description of '@b:' follows a section"],
    [
      'de-indent of the second line',
      go('@a: x\n    y\n  z'),
      'main.json:6:1: unexpected de-indent (expected at least 4 spaces)',
    ],
    [
      'description of a feature that is not',
      go('Features:\n\n@f: x', plain),
      "main.json:6: documented feature 'f' does not exist",
    ],
    [
      'feature without description',
      go('text', "{ 'command': 'go', 'features': [ 'f' ] }"),
      "main.json: In command 'go':\nmain.json:6: feature 'f' lacks documentation",
    ],
    [
      'argument without description',
      go('text'),
      "main.json: In command 'go':\nmain.json:6: member 'a' lacks documentation",
    ],
    [
      'members of a boxed type',
      `{ 'struct': 'Ss', 'data': { 'a': 'int' } }\n${go('@a: x', "{ 'command': 'go', 'boxed': true, 'data': 'Ss' }")}`,
      "main.json:5: documented member 'a' does not exist",
    ],
    [
      'Returns of an event',
      "##\n# @GO:\n#\n# Returns: x\n##\n{ 'event': 'GO' }",
      "main.json:4: 'Returns' section is only valid for commands",
    ],
    [
      'Errors of a struct',
      "##\n# @Ss:\n#\n# Errors: x\n##\n{ 'struct': 'Ss', 'data': {} }",
      "main.json:4: 'Errors' section is only valid for commands",
    ],
    [
      'Returns of nothing',
      go('Returns: x', plain),
      "main.json:4: 'Returns' section, but command doesn't return anything",
    ],
    [
      'empty feature',
      go('Features:\n@f:', "{ 'command': 'go', 'features': [ 'f' ] }"),
      "main.json:5: text required after '@f:'",
    ],
    ['empty Note', go('Note:', plain), "main.json:4: text required after 'Note:'"],
    [
      'plain comment between',
      `##\n# @go:\n##\n# hm\n${plain}`,
      "main.json:1: documentation for 'go' is not followed by the definition",
    ],
    [
      'heading in a definition',
      go('= Title', plain),
      "main.json:4:1: unexpected '=' markup in definition documentation",
    ],
    [
      'heading behind other text',
      '##\n# text\n# = Title\n##\n',
      "main.json:3:1: '=' heading must come first in a comment block",
    ],
    ['not closed at the end', '##\n# text\n', "main.json:2:7: documentation comment must end with '##'"],
  ])('%s', (_name, text, error) => expect(check(text)).toBe(error));

  it.each([
    ['blank source lines in a block', `##\n\n# @go:\n\n#\n##\n${plain}`],
    ['indentation before the sign', `  ##\n  # @go:\n  ##\n${plain}`],
    ['comment behind free-form text', '##\n# text\n##\n# hm\n'],
    ['a tag in the middle of a paragraph', go('text\nSince: 1', plain)],
    ['de-indent of the third line', go('@a: x\n    y\n    z\n  w')],
    ['description at once behind the symbol', "##\n# @go:\n# @a: x\n##\n{ 'command': 'go', 'data': { 'a': 'int' } }"],
    ['heading alone', '##\n# = Title\n##\n'],
  ])('accepted: %s', (_name, text) => expect(check(text)).toBe('ok'));
});

describe('dialects', () => {
  it('7.2 lets members go without description and finds tags on any line', () => {
    expect(check(go('text'), '7.2')).toBe('ok');
    const model = modelOf(go('text\n@a: x\ny\n\nExample:\n\n-> { }\n<- { }\nSince: 1'), '7.2');
    const doc = model.commands.get('go')?.doc;
    expect(doc?.body).toBe('text');
    expect(doc?.members.get('a')?.text).toBe('x\ny');
    expect(doc?.sections.map(({ tag, text }) => [tag, text])).toEqual([
      ['Example', '-> { }\n<- { }'],
      ['Since', '1'],
    ]);
    expect(check("{ 'command': 'go', 'data': { 'm': { 'type': 'int', 'if': 'X' } } }", '7.2')).toBe('ok');
    expect(check('##\n# text\n# = Title\n##\n', '7.2')).toBe('ok');
  });

  it('10.2 refuses Note and Example and reads headings and `Tag::` as text', () => {
    expect(check(go('Notes: x', plain), '10.2')).toBe(
      "main.json:4:1: The 'Notes' section is no longer supported. Please use rST's '.. note::' or '.. admonition:: " +
        "notes' directives, or another suitable admonition instead.",
    );
    expect(check(go('Example:\n  x', plain), '10.2')).toBe(
      "main.json:4:1: The 'Example' section is no longer supported. Please use the '.. qmp-example::' directive, or " +
        'other suitable markup instead.',
    );
    expect(check(go('= Title\n\nExample::\n\n  x', plain), '10.2')).toBe('ok');
    expect(check('##\n# text\n# = Title\n##\n', '10.2')).toBe('ok');
    expect(check(`##\n# @go:\n##\n# hm\n${plain}`, '10.2')).toBe('ok');
  });

  it('10.2 names the kind of an empty section', () => {
    expect(check(go('@a:'), '10.2')).toBe("main.json:4: text required after 'Member:'");
    expect(check(go('Features:\n@f:', plain), '10.2')).toBe("main.json:5: text required after 'Feature:'");
    expect(check(go('TODO:', plain), '10.2')).toBe("main.json:4: text required after 'Todo:'");
    expect(check(go('TODO:', plain), '9.0')).toBe("main.json:4: text required after 'TODO:'");
  });

  it('10.2 has rules of style, outside literal blocks', () => {
    const long = 'x'.repeat(69);
    const tooLong = 'main.json:4:1: documentation line longer than 70 characters';
    const spaces = 'Use two spaces between sentences\nIf this not the end of a sentence, please report a bug.';
    expect(check(go(long, plain), '10.2')).toBe(tooLong);
    expect(check(go(long.slice(1), plain), '10.2')).toBe('ok');
    expect(check(go(`https://example.org/${long}`, plain), '10.2')).toBe('ok');
    expect(check(go(`see https://example.org/${long}`, plain), '10.2')).toBe(tooLong);
    expect(check(go('One. Two', plain), '10.2')).toBe(`main.json:4:7: ${spaces}`);
    expect(check(go('One.  Two', plain), '10.2')).toBe('ok');
    expect(check(go('1. Two, e.g. Three', plain), '10.2')).toBe('ok');
    expect(check(go(`::\n\n  ${long}\n  One. Two\n\nend`, plain), '10.2')).toBe('ok');
    expect(check(go('::\n\n  x\n\nOne. Two', plain), '10.2')).toBe(`main.json:8:7: ${spaces}`);
    expect(check(go(`.. qmp-example::\n\n  ${long}`, plain), '10.2')).toBe('ok');
    expect(check(go(long, plain), '9.0')).toBe('ok');
  });

  it('each release of 10.x has its own headings and style', () => {
    const long = 'x'.repeat(69);
    const rst = ['##', '# *****', '# Paper', '# *****', '#', '# Ink', '# =====', '#', '# text', '##', ''].join('\n');
    const late = '##\n# text\n# = Title\n##\n';
    expect(check(rst, '9.0')).toContain("'=' heading must come first in a comment block");
    expect(check(rst, '10.0')).toContain("'=' heading must come first in a comment block");
    for (const dialect of ['10.1', '10.2'] as const) {
      expect(check(rst, dialect)).toBe('ok');
      expect(check(late, dialect)).toBe('ok');
    }
    for (const dialect of ['10.0', '10.1'] as const) {
      expect(check(go(`${long}. One. Two`, plain), dialect)).toBe('ok');
      expect(check(go('Note: x', plain), dialect)).toContain("The 'Note' section is no longer supported");
      expect(check(go('@a:'), dialect)).toBe("main.json:4: text required after 'Member:'");
    }
  });

  it('10.2 reads what its documentation is made of', () => {
    const lines = [
      '    Does something.  As said in :doc:`the guide </about/go>`, and in',
      '    `go`.',
      '',
      '.. caution:: Slow.',
      '',
      '@a: how far, see',
      '    https://example.org/a/path/that/is/longer/than/seventy/characters/in/all.html#there',
      '',
      'Features:',
      '',
      '@unstable: May change.',
      '',
      'Errors:',
      '    - If @a is too far, GenericError',
      '',
      'Since: 10.2',
      '',
      '.. qmp-example::',
      '    :title: Going',
      '    :annotated:',
      '',
      '    First::',
      '',
      '     -> { "execute": "go", "arguments": { "a": 1 } }',
      '     <- { "return": {} }',
    ];
    const command = "{ 'command': 'go', 'data': { 'a': 'int' }, 'features': [ 'unstable' ] }";
    expect(check(go(lines.join('\n'), command), '10.2')).toBe('ok');
  });

  it('10.2 allows 64 names of features', () => {
    const features = (count: number) =>
      `{ 'command': 'go', 'features': [ ${Array.from({ length: count }, (_, i) => `'f${i}'`).join(', ')} ] }`;
    expect(check(features(62), '10.2')).toBe('ok');
    expect(check(features(63), '10.2')).toBe(
      "main.json: In command 'go':\nmain.json:1: Maximum of 64 schema features is permitted",
    );
    expect(check(features(63), '9.0')).toBe('ok');
  });
});

it('keeps the text of every section', () => {
  const text = `##
# = Head
#
# Free @text.
##

##
# @go:
#
# First paragraph
# goes on.
#
# Second.
#
# @a: one
#     two
#
#       deeper
#
# @b:
#     only below
#
# Features:
#
# @f: feature text
#
# Returns:
#     - a list
#     - of things
#
# after
#
# TODO: later
#
# Since: 1.0
##
{ 'command': 'go', 'data': { 'a': 'int', '*b': 'str' }, 'returns': 'Ss', 'features': [ 'f' ] }
{ 'struct': 'Ss', 'data': {} }
`;
  const model = modelOf(text);
  const doc = model.commands.get('go')?.doc;
  expect(doc?.symbol).toBe('go');
  expect(doc?.location.line).toBe(7);
  expect(doc?.body).toBe('First paragraph\ngoes on.\n\nSecond.');
  expect([...(doc?.members ?? [])].map(([name, section]) => [name, section.text])).toEqual([
    ['a', 'one\ntwo\n\n  deeper'],
    ['b', 'only below'],
  ]);
  expect(doc?.features.get('f')?.text).toBe('feature text');
  expect(doc?.sections.map((section) => [section.tag, section.text])).toEqual([
    ['Returns', '- a list\n- of things'],
    [undefined, 'after'],
    ['TODO', 'later'],
    ['Since', '1.0'],
  ]);
  const content = model.modules.find((module) => module.name === 'main.json')?.content ?? [];
  expect(content.map((item) => (item.kind === 'free-form' ? item.text : 'name' in item ? item.name : ''))).toEqual([
    '= Head\n\nFree @text.',
    'go',
    'Ss',
  ]);
});
