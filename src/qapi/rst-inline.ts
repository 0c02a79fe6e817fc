/** Inline markup of documentation: reStructuredText and QAPI's `@name` to Markdown. */

/** Markdown for a name that documentation refers to, such as a link; undefined for one that is not defined. */
export type NameLink = (name: string) => string | undefined;

/** Literal text is set off first, so nothing inside it is taken for markup. */
export function inlineToMarkdown(text: string, link: NameLink): string {
  const parts = text.split('``');
  return parts
    .map((part, index) => {
      if (index % 2 === 0) return markup(part, link);
      // An opening sign without its partner is text.
      return index === parts.length - 1 ? markup(`\`\`${part}`, link) : code(part);
    })
    .join('');
}

export const code = (text: string): string => (text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``);

/** What would be HTML to Markdown, or an expression to a page that is a Vue template. */
export const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('{{', '&#123;&#123;');

const MARKUP = /(?::[a-zA-Z:+-]{1,32}:)?`([^`]{1,500})`(__?)?|@([A-Za-z_][A-Za-z0-9_-]*)/g;

function markup(text: string, link: NameLink): string {
  let out = '';
  let from = 0;
  for (const match of text.matchAll(MARKUP)) {
    const [whole, quoted, isReference, name] = match;
    const before = text[match.index - 1];
    // `user@host` is no reference.
    if (name !== undefined && before !== undefined && /[A-Za-z0-9]/.test(before)) continue;
    out += escapeText(text.slice(from, match.index));
    from = match.index + whole.length;
    if (name !== undefined) out += link(name) ?? code(name);
    else out += quotedText(quoted ?? '', isReference !== undefined, whole.startsWith(':'), link);
  }
  return out + escapeText(text.slice(from));
}

/** `text`_, `text <target>`_ and :role:`text`. */
function quotedText(quoted: string, isReference: boolean, hasRole: boolean, link: NameLink): string {
  const target = /^(.*?) *<([^<>]+)>$/.exec(quoted);
  if (isReference && target !== null)
    return `[${escapeText(target[1] ?? '')}](${(target[2] ?? '').replaceAll(' ', '')})`;
  const text = target?.[1] || (target?.[2] ?? quoted);
  if (!hasRole) return isReference ? escapeText(text) : code(text);
  const name = text.replace(/^[~!]/, '').split('.').at(-1) ?? text;
  return link(name) ?? escapeText(text);
}
