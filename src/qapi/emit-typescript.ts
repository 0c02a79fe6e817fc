/**
 * TypeScript types for a schema: an interface usable as QmpSchema (schema-types.ts) and everything it names.
 *
 * Integers are `number | bigint` where a program gives them and `number` where it gets them; a type that goes both ways
 * and has integers is written twice, the second one named `...Output`. Optional members also take `undefined`.
 */

import { graphOfIntrospection } from './emit-typescript-introspection.ts';
import { graphOfModel } from './emit-typescript-model.ts';
import type { Schema as SchemaModel } from './model.ts';
import {
  type AlternateDef,
  type Doc,
  NamePool,
  type ObjectDef,
  pascalCase,
  type TypeDef,
  type TypeGraph,
  type TypeRef,
} from './type-graph.ts';
import type { JsonValue } from './value.ts';

type Direction = 'input' | 'output';

const WIDTH = 116;

/**
 * Types from schema files. What a build may leave out is there, and says on which macros it depends; conditions that
 * `defines` fulfil go without saying.
 */
export function emitTypes(model: SchemaModel, interfaceName = 'Schema', defines: Iterable<string> = []): string {
  return new Emitter(graphOfModel(model, interfaceName, new Set(defines)), interfaceName).text();
}

/**
 * Types from a live monitor's reply to query-qmp-schema.
 * @throws QapiError when it is no such reply.
 */
export function emitTypesFromIntrospection(schemaInfo: readonly JsonValue[], interfaceName = 'QemuSchema'): string {
  return new Emitter(graphOfIntrospection(schemaInfo, interfaceName), interfaceName).text();
}

class Emitter {
  private readonly graph: TypeGraph;
  private readonly interfaceName: string;
  private readonly names = new NamePool();
  private readonly reached: Record<Direction, Set<string>> = { input: new Set(), output: new Set() };
  private readonly withIntegers: ReadonlySet<string>;
  private readonly outputNames = new Map<string, string>();
  private readonly lines: string[] = [];

  constructor(graph: TypeGraph, interfaceName: string) {
    this.graph = graph;
    this.interfaceName = interfaceName;
    this.names.take(interfaceName);
    for (const name of graph.types.keys()) this.names.take(name);
    for (const command of graph.commands) {
      if (command.argument !== undefined) this.reach({ kind: 'named', name: command.argument }, 'input');
      if (command.result !== undefined) this.reach(command.result, 'output');
    }
    for (const { data } of graph.events) if (data !== undefined) this.reach({ kind: 'named', name: data }, 'output');
    this.withIntegers = typesWithIntegers(graph);
    for (const name of this.reached.input) {
      if (this.isTwofold(name)) this.outputNames.set(name, this.names.take(`${name}Output`));
    }
  }

  text(): string {
    for (const [name, definition] of this.graph.types) {
      if (this.reached.input.has(name)) this.definition(definition, 'input');
      if (this.reached.output.has(name) && (!this.reached.input.has(name) || this.isTwofold(name))) {
        this.definition(definition, 'output');
      }
    }
    this.schema();
    return `${this.lines.join('\n')}\n`;
  }

  private isTwofold(name: string): boolean {
    return this.reached.input.has(name) && this.reached.output.has(name) && this.withIntegers.has(name);
  }

  private reach(ref: TypeRef, direction: Direction): void {
    const pending = [ref];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (next.kind === 'list') pending.push(next.element);
      if (next.kind !== 'named' || this.reached[direction].has(next.name)) continue;
      this.reached[direction].add(next.name);
      const definition = this.graph.types.get(next.name);
      if (definition !== undefined) pending.push(...referencesOf(definition));
    }
  }

  private definition(definition: TypeDef, direction: Direction): void {
    if (definition.kind === 'enum') this.enumeration(definition.name, definition.doc, definition.values);
    else if (definition.kind === 'alternate') this.alternate(definition, direction);
    else if (definition.union === undefined) this.object(definition, direction);
    else this.union(definition, definition.union, direction);
    this.lines.push('');
  }

  private enumeration(name: string, doc: Doc, values: readonly { name: string; doc: Doc }[]): void {
    const described = values.flatMap((value) =>
      value.doc.length === 0 ? [] : [`- \`${value.name}\`: ${value.doc.join(' ')}`],
    );
    this.comment([...doc, ...described], '');
    this.lines.push(`export type ${name} =`);
    if (values.length === 0) this.lines.push('  never;');
    for (const [index, value] of values.entries()) {
      this.lines.push(`  | '${value.name}'${index === values.length - 1 ? ';' : ''}`);
    }
  }

  private alternate(definition: AlternateDef, direction: Direction): void {
    this.comment(definition.doc, '');
    const branches = definition.branches.map((branch) => this.ref(branch, direction)).join(' | ');
    this.lines.push(`export type ${this.name(definition.name, direction)} = ${branches === '' ? 'never' : branches};`);
  }

  private object(definition: ObjectDef, direction: Direction): void {
    const bases = definition.base === undefined ? [] : [this.name(definition.base, direction)];
    this.comment(definition.doc, '');
    this.open(this.name(definition.name, direction), bases);
    this.members(definition, direction);
    this.lines.push('}');
  }

  private union(definition: ObjectDef, union: NonNullable<ObjectDef['union']>, direction: Direction): void {
    const name = this.name(definition.name, direction);
    const base = this.names.take(`${name}Base`);
    const branches = union.cases.map((branch) => ({
      ...branch,
      name: this.names.take(name + pascalCase(branch.value), 'Branch'),
    }));
    this.comment([`What every ${name} has.`], '');
    this.open(base, definition.base === undefined ? [] : [this.name(definition.base, direction)]);
    this.members(definition, direction);
    this.lines.push('}', '');
    const tag = property(union.tag);
    for (const branch of branches) {
      this.comment([`${name} with ${union.tag} '${branch.value}'.`, ...branch.doc], '');
      const more = branch.type === undefined ? undefined : this.name(branch.type, direction);
      if (more !== undefined && this.isUnion(branch.type)) {
        this.lines.push(`export type ${branch.name} = ${base} & { ${tag}: '${branch.value}' } & ${more};`, '');
      } else {
        this.open(branch.name, more === undefined ? [base] : [base, more]);
        this.lines.push(`  ${tag}: '${branch.value}';`, '}', '');
      }
    }
    this.comment(definition.doc, '');
    this.lines.push(`export type ${name} =`);
    if (branches.length === 0) this.lines.push('  never;');
    for (const [index, branch] of branches.entries()) {
      this.lines.push(`  | ${branch.name}${index === branches.length - 1 ? ';' : ''}`);
    }
  }

  private isUnion(name: string | undefined): boolean {
    const definition = name === undefined ? undefined : this.graph.types.get(name);
    return definition?.kind === 'object' && definition.union !== undefined;
  }

  private open(name: string, bases: readonly string[]): void {
    this.lines.push(`export interface ${name}${bases.length === 0 ? '' : ` extends ${bases.join(', ')}`} {`);
  }

  private members(definition: ObjectDef, direction: Direction): void {
    for (const member of definition.members) {
      this.comment(member.doc, '  ');
      const type = this.ref(member.type, direction);
      this.lines.push(`  ${property(member.name)}${member.optional ? `?: ${orUndefined(type)}` : `: ${type}`};`);
    }
    if (definition.open) this.lines.push('  [property: string]: unknown;');
  }

  private schema(): void {
    this.comment(['Commands with their arguments and results, and events with their data, by name.'], '');
    this.lines.push(`export interface ${this.interfaceName} {`, '  commands: {');
    for (const command of this.graph.commands) {
      this.comment(command.doc, '    ');
      const args = command.argument === undefined ? EMPTY : this.name(command.argument, 'input');
      const result = command.result === undefined ? EMPTY : this.ref(command.result, 'output');
      this.lines.push(`    ${property(command.name)}: { arguments: ${args}; returns: ${result} };`);
    }
    this.lines.push('  };', '  events: {');
    for (const event of this.graph.events) {
      this.comment(event.doc, '    ');
      this.lines.push(
        `    ${property(event.name)}: ${event.data === undefined ? EMPTY : this.name(event.data, 'output')};`,
      );
    }
    this.lines.push('  };', '}');
  }

  private name(name: string, direction: Direction): string {
    return direction === 'output' ? (this.outputNames.get(name) ?? name) : name;
  }

  private ref(ref: TypeRef, direction: Direction): string {
    if (ref.kind === 'named') return this.name(ref.name, direction);
    if (ref.kind === 'list') {
      const element = this.ref(ref.element, direction);
      return element.includes(' ') ? `(${element})[]` : `${element}[]`;
    }
    if (ref.json === 'value') return 'unknown';
    return ref.json === 'int' ? (direction === 'input' ? 'number | bigint' : 'number') : ref.json;
  }

  private comment(doc: Doc, indent: string): void {
    const lines = doc.flatMap((paragraph, index) => {
      const text = wrap(paragraph.replaceAll('*/', '* /'), WIDTH - indent.length);
      return index > 0 && !/^[@-]/.test(paragraph) ? ['', ...text] : text;
    });
    if (lines.length === 0) return;
    if (lines.length === 1) this.lines.push(`${indent}/** ${lines[0]} */`);
    else this.lines.push(`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`.trimEnd()), `${indent} */`);
  }
}

const EMPTY = 'Record<string, never>';

const property = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : `'${name}'`);

const orUndefined = (type: string): string => (type === 'unknown' ? type : `${type} | undefined`);

function referencesOf(definition: TypeDef): TypeRef[] {
  if (definition.kind === 'enum') return [];
  if (definition.kind === 'alternate') return [...definition.branches];
  const named = [definition.base, ...(definition.union?.cases.map((branch) => branch.type) ?? [])];
  return [
    ...definition.members.map((member) => member.type),
    ...named.flatMap((name): TypeRef[] => (name === undefined ? [] : [{ kind: 'named', name }])),
  ];
}

/** Types in which, at any depth, there is an integer. */
function typesWithIntegers(graph: TypeGraph): ReadonlySet<string> {
  const found = new Set<string>();
  const has = (ref: TypeRef): boolean => {
    if (ref.kind === 'list') return has(ref.element);
    return ref.kind === 'named' ? found.has(ref.name) : ref.json === 'int';
  };
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const [name, definition] of graph.types) if (referencesOf(definition).some(has)) found.add(name);
  }
  return found;
}

function wrap(paragraph: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of paragraph.split(/\s+/)) {
    if (line !== '' && line.length + word.length + 4 > width) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}
