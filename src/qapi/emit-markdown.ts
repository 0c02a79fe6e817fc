/**
 * Reference pages from a checked schema, one per file. Each definition has an anchor of its own name; the members of
 * bases, of branches and of a command's named argument type are shown in place, each with its own documentation.
 */
import { conditionText } from './condition.ts';
import type {
  AlternateType,
  Command,
  DefinitionDoc,
  DocSection,
  Entity,
  EnumType,
  Feature,
  Member,
  Module,
  ObjectType,
  Schema,
  SchemaEvent,
  SchemaType,
} from './model.ts';
import { code, escapeText } from './rst-inline.ts';
import { rstToMarkdown } from './rst-markdown.ts';

export interface MarkdownPage {
  /** The module's path with `.md` in place of its suffix, relative to the root file's folder. */
  readonly name: string;
  readonly text: string;
}

/** The pages of all files that define or say something, in the order of the schema. */
export function emitMarkdown(schema: Schema): MarkdownPage[] {
  const pages = new Map<string, string>();
  for (const module of schema.modules) {
    for (const item of module.content) if ('name' in item) pages.set(item.name, pagePath(module.name));
  }
  return schema.modules
    .filter((module) => module.content.some((item) => item.kind !== 'include'))
    .map((module) => new PageEmitter(schema, pages, module).emit());
}

const pagePath = (module: string): string => `${module.replace(/\.[^./]*$/, '')}.md`;

class PageEmitter {
  readonly #schema: Schema;
  /** The page of every definition. */
  readonly #pages: ReadonlyMap<string, string>;
  readonly #module: Module;
  readonly #path: string;
  readonly #out: string[] = [];

  constructor(schema: Schema, pages: ReadonlyMap<string, string>, module: Module) {
    this.#schema = schema;
    this.#pages = pages;
    this.#module = module;
    this.#path = pagePath(module.name);
  }

  emit(): MarkdownPage {
    this.#out.push(`# ${escapeText(this.#module.name)}`, '');
    for (const item of this.#module.content) {
      if (item.kind === 'free-form') this.#block(this.#markdown(item.text));
      else if (item.kind !== 'include') this.#definition(item);
    }
    return {
      name: this.#path,
      text: `${this.#out
        .join('\n')
        .replace(/\n{3,}/g, '\n\n')
        .trim()}\n`,
    };
  }

  #definition(entity: Entity): void {
    this.#block(`<a id="${entity.name}"></a>`);
    this.#block(`## ${escapeText(entity.name)} (${kindName(entity)})`);
    if (entity.doc !== undefined) this.#block(this.#markdown(entity.doc.body));
    switch (entity.kind) {
      case 'enum':
        this.#values(entity);
        break;
      case 'alternate':
        this.#alternatives(entity);
        break;
      case 'object':
        this.#object(entity, 'Members');
        break;
      case 'command':
      case 'event':
        this.#arguments(entity);
        break;
    }
    this.#features(entity);
    if (entity.kind === 'command') this.#returns(entity);
    for (const section of entity.doc?.sections ?? []) this.#section(section);
    if (entity.condition !== undefined) this.#block(`**If:** ${code(conditionText(entity.condition))}`);
  }

  #values(type: EnumType): void {
    if (type.values.length === 0) return;
    this.#block('**Values**');
    for (const value of type.values) {
      const notes = [...featureNames(value.features), ...ifNote(value.condition)];
      this.#item(code(value.name), notes, type.doc?.members.get(value.name));
    }
    this.#out.push('');
  }

  #alternatives(type: AlternateType): void {
    this.#block('**Alternatives**');
    for (const branch of type.branches) {
      const notes = [this.#type(branch.type), ...ifNote(branch.condition)];
      this.#item(code(branch.name), notes, type.doc?.members.get(branch.name));
    }
    this.#out.push('');
  }

  #arguments(entity: Command | SchemaEvent): void {
    const { argType } = entity;
    if (argType === undefined) return;
    if (argType.variants !== undefined) this.#block(`**Arguments:** the members of ${this.#type(argType)}`);
    else if (argType.meta === 'implicit') this.#members(argType, 'Arguments', entity.doc);
    else this.#members(argType, 'Arguments');
  }

  #object(type: ObjectType, heading: string): void {
    this.#members(type, heading, type.doc);
    const { variants } = type;
    if (variants === undefined) return;
    for (const branch of variants.branches) {
      if (branch.type.members.length === 0) continue;
      const condition = ifNote(branch.condition).map((note) => ` (${note})`);
      this.#block(
        `**Further members when ${code(variants.tag.name)} is ${code(branch.name)}**${condition.join('')}, ` +
          `from ${this.#type(branch.type)}:`,
      );
      this.#memberList(branch.type, undefined);
      const inner = branch.type.variants;
      // Only a link: unions in unions would otherwise be repeated once per way that leads to them.
      if (inner !== undefined) this.#block(`More depend on ${code(inner.tag.name)}: see ${this.#type(branch.type)}.`);
    }
  }

  #members(type: ObjectType, heading: string, doc?: DefinitionDoc): void {
    if (type.members.length === 0) return;
    this.#block(`**${heading}**`);
    this.#memberList(type, doc);
  }

  #memberList(type: ObjectType, doc: DefinitionDoc | undefined): void {
    for (const member of type.members) {
      const notes = [
        this.#type(member.type),
        ...(member.optional ? ['optional'] : []),
        ...featureNames(member.features),
        ...ifNote(member.condition),
      ];
      this.#item(code(member.name), notes, this.#memberDoc(member, doc));
    }
    this.#out.push('');
  }

  /** Inherited members are described where they are declared; inline ones in the documentation of the whole. */
  #memberDoc(member: Member, doc: DefinitionDoc | undefined): DocSection | undefined {
    const owner = member.definedIn.replace(/^q_obj_(.*)-(?:arg|base)$/, '$1');
    const declared =
      this.#schema.types.get(owner) ?? this.#schema.commands.get(owner) ?? this.#schema.events.get(owner);
    return (declared?.doc ?? doc)?.members.get(member.name);
  }

  #features(entity: Entity): void {
    if (entity.features.length === 0) return;
    this.#block('**Features**');
    for (const feature of entity.features) {
      this.#item(code(feature.name), ifNote(feature.condition), entity.doc?.features.get(feature.name));
    }
    this.#out.push('');
  }

  #returns(command: Command): void {
    if (command.returnType === undefined) return;
    const text = command.doc?.sections.find((section) => section.tag === 'Returns')?.text ?? '';
    this.#titled(`Returns (${this.#type(command.returnType)})`, this.#markdown(text));
  }

  #section(section: DocSection): void {
    switch (section.tag) {
      case 'TODO':
      case 'Returns':
        break;
      case 'Example':
      case 'Examples':
        // Transcripts, written as they are.
        this.#titled(section.tag, this.#markdown(`::\n\n${section.text.replace(/^(?=.)/gm, '  ')}`));
        break;
      case undefined:
        this.#block(this.#markdown(section.text));
        break;
      default:
        this.#titled(section.tag, this.#markdown(section.text));
    }
  }

  /** A list item: `name` (notes): text. */
  #item(name: string, notes: readonly string[], doc: DocSection | undefined): void {
    const head = notes.length > 0 ? `${name} (${notes.join(', ')})` : name;
    const text = this.#markdown(doc?.text ?? '');
    const lines = text === '' ? [] : text.split('\n');
    const first = isPlainLine(lines[0]) ? lines.shift() : undefined;
    this.#out.push(`- ${head}${first === undefined ? '' : `: ${first}`}`);
    if (first === undefined && lines.length > 0) this.#out.push('');
    for (const line of lines) this.#out.push(line === '' ? '' : `  ${line}`);
  }

  #titled(title: string, text: string): void {
    const isPlain = isPlainLine(text.split('\n', 1)[0]);
    this.#block(isPlain ? `**${title}:** ${text}` : `**${title}**`);
    if (!isPlain && text !== '') this.#block(text);
  }

  #type(type: SchemaType): string {
    if (type.kind === 'array') return `array of ${this.#type(type.element)}`;
    if (type.kind === 'builtin') {
      return type.jsonType === 'int' && type.name !== 'int' ? `int, ${type.name}` : type.jsonType;
    }
    return this.#link(type.name) ?? code(type.name);
  }

  #link(name: string): string | undefined {
    const page = this.#pages.get(name);
    if (page === undefined) return undefined;
    return `[${code(name)}](${page === this.#path ? '' : relativePath(this.#path, page)}#${name})`;
  }

  #markdown(text: string): string {
    return rstToMarkdown(text, (name) => this.#link(name));
  }

  #block(text: string): void {
    if (text !== '') this.#out.push(text, '');
  }
}

function kindName(entity: Entity): string {
  if (entity.kind === 'object') return entity.variants === undefined ? 'Object' : 'Union';
  return entity.kind.charAt(0).toUpperCase() + entity.kind.slice(1);
}

const featureNames = (features: readonly Feature[]): string[] => features.map((feature) => feature.name);

const ifNote = (condition: Entity['condition']): string[] =>
  condition === undefined ? [] : [`if ${code(conditionText(condition))}`];

/** Whether a line of Markdown can stand behind other text in a paragraph. */
const isPlainLine = (line: string | undefined): boolean =>
  line !== undefined && line !== '' && !/^(- |\d+\. |>|```|#+ )/.test(line);

function relativePath(from: string, to: string): string {
  const base = from.split('/').slice(0, -1);
  const target = to.split('/');
  let common = 0;
  while (common < base.length && common < target.length - 1 && base[common] === target[common]) common++;
  return [...base.slice(common).map(() => '..'), ...target.slice(common)].join('/');
}
