/**
 * The part of reStructuredText that QAPI documentation uses, as Markdown: paragraphs, lists, literal blocks, headings,
 * notes and admonitions, QMP examples. What is not known passes through as a literal block.
 */
import { inlineToMarkdown, type NameLink } from './rst-inline.ts';

/** Blocks in blocks; deeper ones are kept as they are. */
const MAX_DEPTH = 12;

const ITEM = /^([-*+]|\d{1,3}[.)]|#\.) +/;
const DIRECTIVE = /^\.\. +([a-zA-Z0-9:+-]+):: *(.*)$/;
const UNDERLINE = /^([=\-~^*#"'+`.:_])\1{2,}$/;
const GRID_TABLE = /^\+-[-+=]*\+$/;
const SIMPLE_TABLE = /^={2,} [= ]*=$/;
const NOTES: ReadonlySet<string> = new Set([
  'note',
  'tip',
  'hint',
  'important',
  'warning',
  'caution',
  'attention',
  'danger',
  'admonition',
  'seealso',
]);

/** @param link finds the definition an `@name` means */
export function rstToMarkdown(text: string, link: NameLink): string {
  return blocks(text.split('\n'), link, 0)
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

function blocks(lines: readonly string[], link: NameLink, depth: number): string[] {
  if (depth > MAX_DEPTH) return fence(lines);
  const out: string[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] ?? '';
    const directive = DIRECTIVE.exec(line);
    if (line === '') {
      out.push('');
      at++;
    } else if (line.startsWith(' ')) {
      const [body, next] = indentedBlock(lines, at);
      out.push('', ...blocks(body, link, depth + 1).map(quote), '');
      at = next;
    } else if (directive !== null) {
      const [body, next] = indentedBlock(lines, at + 1);
      out.push('', ...renderDirective(directive[1] ?? '', directive[2] ?? '', body, link, depth), '');
      at = next;
    } else if (line === '..' || line.startsWith('.. ')) {
      at = indentedBlock(lines, at + 1)[1];
    } else if (ITEM.test(line)) {
      at = listItem(lines, at, link, depth, out);
    } else if (GRID_TABLE.test(line) || SIMPLE_TABLE.test(line)) {
      const end = endOfParagraph(lines, at);
      const table = lines.slice(at, end);
      out.push('', ...(SIMPLE_TABLE.test(line) ? simpleTable(table, link) : fence(table)), '');
      at = end;
    } else {
      at = paragraph(lines, at, link, out);
    }
  }
  return out;
}

/** A paragraph, a heading, or what introduces a literal block. Returns where it ends. */
function paragraph(lines: readonly string[], start: number, link: NameLink, out: string[]): number {
  const first = lines[start] ?? '';
  const oldHeading = /^(={1,4}) +(.+)$/.exec(first);
  if (oldHeading !== null) {
    out.push('', `${'#'.repeat(1 + (oldHeading[1]?.length ?? 1))} ${inlineToMarkdown(oldHeading[2] ?? '', link)}`, '');
    return start + 1;
  }
  const overlined = UNDERLINE.test(first) && lines[start + 2] === first;
  if (overlined || UNDERLINE.test(lines[start + 1] ?? '')) {
    out.push('', `## ${inlineToMarkdown((overlined ? lines[start + 1] : first)?.trim() ?? '', link)}`, '');
    return start + (overlined ? 3 : 2);
  }
  const end = endOfParagraph(lines, start);
  const text = lines.slice(start, end);
  const last = text.at(-1) ?? '';
  if (!last.endsWith('::')) {
    out.push(...inlineToMarkdown(text.join('\n'), link).split('\n'));
    return end;
  }
  text[text.length - 1] = last === '::' ? '' : last.slice(0, -1).replace(/ :$/, '');
  out.push(...inlineToMarkdown(text.join('\n'), link).split('\n'), '');
  const [body, next] = indentedBlock(lines, end);
  out.push(...fence(body), '');
  return next;
}

function listItem(lines: readonly string[], start: number, link: NameLink, depth: number, out: string[]): number {
  const first = lines[start] ?? '';
  const marker = ITEM.exec(first)?.[0] ?? '';
  const body = [first.slice(marker.length)];
  let at = start + 1;
  for (; at < lines.length; at++) {
    const line = lines[at] ?? '';
    if (line !== '' && !line.startsWith(' ')) break;
    body.push(line.slice(Math.min(marker.length, indentOf(line))));
  }
  const bullet = /^\d/.test(marker) ? `${Number.parseInt(marker, 10)}. ` : marker.startsWith('#') ? '1. ' : '- ';
  const pad = ' '.repeat(bullet.length);
  const trailing = body.findLastIndex((line) => line !== '') + 1;
  const inner = trimBlank(blocks(body.slice(0, trailing), link, depth + 1));
  out.push(...inner.map((line, index) => (index === 0 ? bullet + line : line === '' ? '' : pad + line)));
  if (trailing < body.length) out.push('');
  return at;
}

function renderDirective(name: string, argument: string, body: string[], link: NameLink, depth: number): string[] {
  if (name === 'qmp-example') return qmpExample(argument, body, link, depth);
  if (name === 'table') {
    const content = body.filter((line) => !/^:[a-z]+:/.test(line));
    return [
      ...(argument === '' ? [] : [`**${inlineToMarkdown(argument, link)}**`, '']),
      ...blocks(content, link, depth + 1),
    ];
  }
  if (!NOTES.has(name))
    return fence([`.. ${name}:: ${argument}`.trimEnd(), ...body.map((line) => `   ${line}`.trimEnd())]);
  const isTitle = name === 'admonition';
  const title = isTitle ? argument : name === 'seealso' ? 'See also' : name.charAt(0).toUpperCase() + name.slice(1);
  const content = blocks(isTitle || argument === '' ? body : [argument, ...body], link, depth + 1);
  return [`**${inlineToMarkdown(title, link)}**`, '', ...trimBlank(content)].map(quote);
}

/** A transcript, or with `:annotated:` text that has transcripts in literal blocks. */
function qmpExample(argument: string, body: string[], link: NameLink, depth: number): string[] {
  let title = argument;
  let annotated = false;
  let at = 0;
  for (; at < body.length; at++) {
    const option = /^:([a-z]+): *(.*)$/.exec(body[at] ?? '');
    if (option === null) break;
    if (option[1] === 'title') title = option[2] ?? '';
    if (option[1] === 'annotated') annotated = true;
  }
  const rest = trimBlank(body.slice(at));
  const head = title === '' ? 'Example' : `Example: ${inlineToMarkdown(title, link)}`;
  return [`**${head}**`, '', ...(annotated ? blocks(rest, link, depth + 1) : fence(rest))];
}

/** Columns stand under runs of `=`; the second such line ends the header. */
function simpleTable(lines: readonly string[], link: NameLink): string[] {
  const columns = [...(lines[0] ?? '').matchAll(/=+/g)].map((run) => run.index);
  const borders = lines.flatMap((line, index) => (SIMPLE_TABLE.test(line) ? [index] : []));
  const row = (line: string): string => {
    const cells = columns.map((from, index) => line.slice(from, columns[index + 1]).trim());
    return `| ${cells.map((cell) => inlineToMarkdown(cell, link).replaceAll('|', '\\|')).join(' | ')} |`;
  };
  const [, header, end] = borders;
  if (header === undefined) return fence(lines);
  const hasHeader = end !== undefined;
  const head = hasHeader ? lines.slice(1, header).map(row) : [row('')];
  const rows = hasHeader ? lines.slice(header + 1, end) : lines.slice(1, header);
  return [...head.slice(0, 1), `|${' --- |'.repeat(columns.length)}`, ...head.slice(1), ...rows.map(row)];
}

/** The lines from `start` on that are blank or indented, without their common indentation, and where they end. */
function indentedBlock(lines: readonly string[], start: number): [body: string[], next: number] {
  let at = start;
  let indent = Number.POSITIVE_INFINITY;
  for (; at < lines.length; at++) {
    const line = lines[at] ?? '';
    if (line === '') continue;
    if (!line.startsWith(' ')) break;
    indent = Math.min(indent, indentOf(line));
  }
  return [trimBlank(lines.slice(start, at).map((line) => line.slice(Math.min(indent, line.length)))), at];
}

function endOfParagraph(lines: readonly string[], start: number): number {
  let end = start + 1;
  while (end < lines.length && lines[end] !== '') end++;
  return end;
}

function fence(lines: readonly string[]): string[] {
  const content = trimBlank(lines);
  if (content.length === 0) return [];
  const longest = content.reduce((most, line) => Math.max(most, /`{3,}/.exec(line)?.[0].length ?? 0), 2);
  const sign = '`'.repeat(longest + 1);
  return [sign, ...content, sign];
}

function trimBlank(lines: readonly string[]): string[] {
  const first = lines.findIndex((line) => line !== '');
  return first < 0 ? [] : lines.slice(first, lines.findLastIndex((line) => line !== '') + 1);
}

const indentOf = (line: string): number => line.length - line.trimStart().length;
const quote = (line: string): string => (line === '' ? '>' : `> ${line}`);
