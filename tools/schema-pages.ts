/**
 * Writes what the documentation takes from the schema into docs/reference/schema/: a page per module, and for each
 * netdev the table of its options that its page includes. Built, not committed.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REFUSALS } from '../src/netdevs/refused-options.ts';
import { emitMarkdown } from '../src/qapi/emit-markdown.ts';
import { checkSchema, conditionHolds, type Member, type SchemaType } from '../src/qapi/front.ts';

const root = new URL('..', import.meta.url).pathname;
const target = join(root, 'docs/reference/schema');
/** The schema as the program is built: with what QEMU does not have. */
const defines = new Set(['NETYARD', 'CONFIG_POSIX', 'CONFIG_LINUX']);

function main(): void {
  const result = checkSchema(
    'qapi-schema.json',
    (path) => {
      try {
        return { text: readFileSync(join(root, 'schema', path), 'utf8') };
      } catch {
        return { error: 'No such file or directory' };
      }
    },
    { defines },
  );
  if (!result.ok) {
    process.stderr.write(`${result.error}\n`);
    process.exitCode = 1;
    return;
  }
  rmSync(target, { recursive: true, force: true });
  mkdirSync(join(target, 'options'), { recursive: true });
  for (const page of emitMarkdown(result.model)) writeFileSync(join(target, page.name), page.text);
  const netdev = result.model.types.get('Netdev');
  if (netdev?.kind !== 'object') throw new TypeError('the schema has no union Netdev');
  for (const branch of netdev.variants?.branches ?? []) {
    writeFileSync(
      join(target, 'options', `${branch.name}.md`),
      optionTable(branch.name, branch.type.members, branch.type.doc),
    );
  }
}

function optionTable(
  netdev: string,
  members: readonly Member[],
  doc: { members: ReadonlyMap<string, { text: string }> } | undefined,
): string {
  const rows = members
    .filter((member) => member.condition === undefined || conditionHolds(member.condition, defines))
    .map((member) => {
      const refused = REFUSALS[netdev]?.[member.name];
      const mark = refused === undefined ? '' : `**${refused}.** `;
      const text = doc?.members.get(member.name)?.text ?? '';
      return `| \`${member.name}\`${member.optional ? '' : ' (needed)'} | ${typeText(member.type)} | ${mark}${oneLine(text)} |`;
    });
  return rows.length === 0 ? 'None.\n' : ['| option | type | meaning |', '|---|---|---|', ...rows, ''].join('\n');
}

function typeText(type: SchemaType): string {
  switch (type.kind) {
    case 'array':
      return `list of ${typeText(type.element)}`;
    case 'enum':
      return type.values.map(({ name }) => `\`${name}\``).join(', ');
    case 'object':
      // What -netdev takes as a repeated key: a list of texts.
      return type.name === 'String'
        ? 'text'
        : `[${type.name}](/reference/schema/${type.module.replace(/\.json$/, '')}#${type.name})`;
    case 'builtin':
      return { string: 'text', number: 'number', int: 'integer', boolean: 'on or off', value: 'any', null: 'null' }[
        type.jsonType
      ];
    case 'alternate':
      return type.branches.map((branch) => typeText(branch.type)).join(' or ');
  }
}

/** reStructuredText as the schema uses it, for a cell of a Markdown table. */
const oneLine = (text: string): string =>
  text
    .trim()
    .replaceAll(/``([^`]*)``/g, '`$1`')
    .replaceAll(/(^|[\s(])@([A-Za-z0-9_.-]*[A-Za-z0-9])/g, '$1`$2`')
    .replaceAll(/\s+/g, ' ')
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;');

main();
