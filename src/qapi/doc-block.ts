/** A documentation block as parsed: its sections, before anybody knows the definition it belongs to. */
import type { DialectRules } from './dialect.ts';
import type { DefinitionDoc, DocSection, DocTag, Location } from './model.ts';
import { semanticError } from './source.ts';

const ONCE: readonly DocTag[] = ['Returns', 'Errors', 'Since'];

interface OpenSection {
  readonly kind: 'text' | 'member' | 'feature' | 'tag';
  readonly name: string;
  readonly location: Location;
  readonly lines: string[];
}

/** Collects the sections of a definition's documentation in source order. */
export class DocBlock {
  readonly symbol: string;
  readonly location: Location;
  /** Where the definition's members and features were found described. */
  readonly described = { members: new Set<string>(), features: new Set<string>() };
  readonly #open: OpenSection[] = [];
  readonly #names = { member: new Set<string>(), feature: new Set<string>(), tag: new Set<string>() };

  constructor(symbol: string, location: Location) {
    this.symbol = symbol;
    this.location = location;
  }

  get hasFeatures(): boolean {
    return this.#names.feature.size > 0;
  }

  /** Opens the description of a member or feature. */
  describe(kind: 'member' | 'feature', name: string, location: Location): void {
    if (name === '') throw semanticError(location, 'invalid parameter name');
    if (this.#names[kind].has(name)) throw semanticError(location, `'${name}' parameter name duplicated`);
    this.#names[kind].add(name);
    this.#open.push({ kind, name, location, lines: [] });
  }

  tagged(tag: DocTag, location: Location): void {
    if (ONCE.includes(tag) && this.#names.tag.has(tag)) throw semanticError(location, `duplicated '${tag}' section`);
    this.#names.tag.add(tag);
    this.#open.push({ kind: 'tag', name: tag, location, lines: [] });
  }

  /** Opens a plain section, or goes on with the one just before. */
  plain(location: Location): void {
    const last = this.#open.at(-1);
    if (last?.kind === 'text') last.lines.push('');
    else this.#open.push({ kind: 'text', name: '', location, lines: [] });
  }

  append(line: string): void {
    this.#open.at(-1)?.lines.push(line);
  }

  /** The block is complete: descriptions and tagged sections must have text. */
  close(rules: DialectRules): void {
    for (const section of this.#open) {
      if (section.kind === 'text' || textOf(section) !== '') continue;
      throw semanticError(section.location, `text required after '${headOf(section, rules)}:'`);
    }
  }

  firstOf(tag: DocTag): Location | undefined {
    return this.#open.find((section) => section.kind === 'tag' && section.name === tag)?.location;
  }

  /** Descriptions that nothing in the definition claimed. */
  bogus(kind: 'member' | 'feature'): { names: string[]; location: Location } | undefined {
    const claimed = kind === 'member' ? this.described.members : this.described.features;
    const left = this.#open.filter((section) => section.kind === kind && !claimed.has(section.name));
    const first = left[0];
    return first && { names: left.map((section) => section.name), location: first.location };
  }

  has(kind: 'member' | 'feature', name: string): boolean {
    return this.#names[kind].has(name);
  }

  toModel(): DefinitionDoc {
    const members = new Map<string, DocSection>();
    const features = new Map<string, DocSection>();
    const sections: DocSection[] = [];
    let body = '';
    for (const [index, section] of this.#open.entries()) {
      const { kind, name, location } = section;
      const text = textOf(section);
      if (kind === 'text' && index === 0) body = text;
      else if (kind === 'member') members.set(name, { tag: undefined, text, location });
      else if (kind === 'feature') features.set(name, { tag: undefined, text, location });
      else sections.push({ tag: kind === 'tag' ? (name as DocTag) : undefined, text, location });
    }
    return { symbol: this.symbol, location: this.location, body, members, features, sections };
  }
}

function textOf(section: OpenSection): string {
  return section.lines.join('\n').replace(/^\n+/, '').trimEnd();
}

function headOf(section: OpenSection, rules: DialectRules): string {
  if (rules.namesSectionKind) {
    if (section.kind === 'member') return 'Member';
    if (section.kind === 'feature') return 'Feature';
    return section.name === 'TODO' ? 'Todo' : section.name;
  }
  return section.kind === 'tag' ? section.name : `@${section.name}`;
}
