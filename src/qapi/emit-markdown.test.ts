import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emitMarkdown } from './emit-markdown.ts';
import { checkSchema } from './front.ts';
import { rstToMarkdown } from './rst-markdown.ts';

const link = (name: string): string | undefined => (name === 'Known' ? '[`Known`](#Known)' : undefined);
const convert = (...lines: string[]): string => rstToMarkdown(lines.join('\n'), link);

describe('reStructuredText to Markdown', () => {
  it.each<[name: string, rst: string[], markdown: string]>([
    ['names', ['see @Known, @other, a@b and ``@lit``'], 'see [`Known`](#Known), `other`, a@b and `@lit`'],
    ['roles', [':qapi:cmd:`Known` :doc:`/x/y` `plain`'], '[`Known`](#Known) /x/y `plain`'],
    ['references', ['`Text <https://example.org/a>`__ and `bare`_'], '[Text](https://example.org/a) and bare'],
    ['what would be HTML or a template', ['a < b & {{ c }}'], 'a &lt; b &amp; &#123;&#123; c }}'],
    ['an opening sign alone', ['a ``b'], 'a ``b'],
    ['old headings', ['= One', '', '== Two'], '## One\n\n### Two'],
    ['underlined heading', ['Title', '*****', 'text'], '## Title\n\ntext'],
    ['overlined heading', ['=====', 'Title', '=====', '', 'text'], '## Title\n\ntext'],
    ['bullets', ['* one', '  goes on', '* two', '', '  more', 'after'], '- one\n  goes on\n- two\n\n  more\nafter'],
    ['numbers', ['1. one', '2) two', '#. three'], '1. one\n2. two\n1. three'],
    ['literal block', ['before::', '', '  a', '    b', '', 'after'], 'before:\n\n```\na\n  b\n```\n\nafter'],
    ['literal block of its own', ['::', '', '  a ``` b'], '````\na ``` b\n````'],
    ['block quote', ['text', '', '  indented'], 'text\n\n> indented'],
    ['note', ['.. note:: First', '   second', '', '   third'], '> **Note**\n>\n> First\n> second\n>\n> third'],
    ['admonition', ['.. admonition:: Title', '', '   text'], '> **Title**\n>\n> text'],
    [
      'example',
      ['.. qmp-example::', '   :title: T', '', '   -> { }', '   <- { }'],
      '**Example: T**\n\n```\n-> { }\n<- { }\n```',
    ],
    [
      'annotated example',
      ['.. qmp-example::', '   :annotated:', '', '   Send::', '', '     -> { }'],
      '**Example**\n\nSend:\n\n```\n-> { }\n```',
    ],
    ['comment', ['a', '', '.. hidden', '   too', '', 'b'], 'a\n\nb'],
    ['unknown directive', ['.. strange:: x', '   y'], '```\n.. strange:: x\n   y\n```'],
    [
      'simple table',
      [
        '.. table:: Title',
        '   :widths: auto',
        '',
        '   ====  ===',
        '   a     b',
        '   ====  ===',
        '   x|y   z',
        '   ====  ===',
      ],
      '**Title**\n\n| a | b |\n| --- | --- |\n| x\\|y | z |',
    ],
    ['grid table', ['+---+', '| a |', '+---+'], '```\n+---+\n| a |\n+---+\n```'],
  ])('%s', (_name, rst, markdown) => expect(convert(...rst)).toBe(markdown));

  it('takes any text, soon', () => {
    const piece = fc.constantFrom(
      '- ',
      '  ',
      '\n',
      '\n\n',
      '::',
      '.. note:: ',
      '`',
      '``',
      '@x',
      '= ',
      '====',
      '=== ===',
      'a',
      '<',
      ':doc:',
      '+--+',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
        expect(typeof rstToMarkdown(pieces.join(''), link)).toBe('string');
      }),
    );
    const start = performance.now();
    for (const unit of ['- ', '`', '@', '= ', '== ', ':a:`', ' ', '.. ', '1. '])
      rstToMarkdown(unit.repeat(100_000), link);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

const files: Record<string, string> = {
  'main.json': `##
# = Title
#
# See @Uu.
##

{ 'include': 'sub/types.json' }

##
# @go:
#
# Goes to @Ee.
#
# @a: first
#
# @b:
#     - one
#     - two
#
# Features:
#
# @fast: quick
#
# Returns: a @Ss
#
# TODO: hidden
#
# Example:
#
#     -> { "execute": "go" }
#
# Since: 1.0
##
{ 'command': 'go', 'data': { 'a': 'uint16', '*b': [ 'str' ] }, 'returns': 'Ss', 'if': 'CC',
  'features': [ { 'name': 'fast', 'if': 'FF' } ] }

##
# @run:
#
# Runs.
##
{ 'command': 'run', 'boxed': true, 'data': 'Uu' }

##
# @HALT:
##
{ 'event': 'HALT', 'data': 'Ss' }
`,
  'sub/types.json': `##
# @Ee:
#
# @x: ex
#
# @y: why
##
{ 'enum': 'Ee', 'data': [ 'x', { 'name': 'y', 'if': { 'not': 'CC' } } ] }

##
# @Base:
#
# @t: the tag
##
{ 'struct': 'Base', 'data': { 't': 'Ee' } }

##
# @Ss:
#
# @n: number, see @go
#
# Features:
#
# @fine: yes
##
{ 'struct': 'Ss', 'base': 'Base', 'data': { 'n': { 'type': 'int', 'features': [ 'fine' ] } } }

##
# @Br:
#
# @m: in the branch
##
{ 'struct': 'Br', 'data': { '*m': 'bool' } }

##
# @Uu:
##
{ 'union': 'Uu', 'base': 'Base', 'discriminator': 't', 'data': { 'x': { 'type': 'Br', 'if': 'CC' } } }

##
# @Al:
#
# @s: text
#
# @o: object
##
{ 'alternate': 'Al', 'data': { 's': 'str', 'o': 'Ss' } }
`,
};

it('makes a page of every file', () => {
  const result = checkSchema('main.json', (path) => {
    const text = files[path];
    return text === undefined ? { error: 'No such file or directory' } : { text };
  });
  if (!result.ok) throw new TypeError(result.error);
  const pages = emitMarkdown(result.model);
  expect(pages.map((page) => page.name)).toEqual(['main.md', 'sub/types.md']);
  expect(pages[0]?.text).toBe(`# main.json

## Title

See [\`Uu\`](sub/types.md#Uu).

<a id="go"></a>

## go (Command)

Goes to [\`Ee\`](sub/types.md#Ee).

**Arguments**

- \`a\` (int, uint16): first
- \`b\` (array of string, optional)

  - one
  - two

**Features**

- \`fast\` (if \`FF\`): quick

**Returns ([\`Ss\`](sub/types.md#Ss)):** a [\`Ss\`](sub/types.md#Ss)

**Example**

\`\`\`
-> { "execute": "go" }
\`\`\`

**Since:** 1.0

**If:** \`CC\`

<a id="run"></a>

## run (Command)

Runs.

**Arguments:** the members of [\`Uu\`](sub/types.md#Uu)

<a id="HALT"></a>

## HALT (Event)

**Arguments**

- \`t\` ([\`Ee\`](sub/types.md#Ee)): the tag
- \`n\` (int, fine): number, see [\`go\`](#go)
`);
  expect(pages[1]?.text).toContain(`## Uu (Union)

**Members**

- \`t\` ([\`Ee\`](#Ee)): the tag

**Further members when \`t\` is \`x\`** (if \`CC\`), from [\`Br\`](#Br):

- \`m\` (boolean, optional): in the branch
`);
  expect(pages[1]?.text).toContain('- `y` (if `not CC`): why');
  expect(pages[1]?.text).toContain('**Alternatives**\n\n- `s` (string): text\n- `o` ([`Ss`](#Ss)): object\n');
  expect(pages[1]?.text).toContain('number, see [`go`](../main.md#go)');
});
