/** The pragmas of a schema: one record for all its files, where the last word on each setting counts everywhere. */

import { type Origin, semanticError } from './source.ts';
import type { Value } from './syntax.ts';

const LISTS = [
  'command-name-exceptions',
  'command-returns-exceptions',
  'documentation-exceptions',
  'member-name-exceptions',
] as const;
type ListPragma = (typeof LISTS)[number];

export class Pragma {
  docRequired = false;
  readonly #lists = new Map<string, ReadonlySet<string>>();

  /** Whether a list pragma names this definition. */
  excepts(list: ListPragma, name: string): boolean {
    return this.#lists.get(list)?.has(name) ?? false;
  }

  exceptions(list: ListPragma): ReadonlySet<string> {
    return this.#lists.get(list) ?? new Set();
  }

  set(name: string, value: Value, origin: Origin): void {
    if (name === 'doc-required') {
      if (typeof value !== 'boolean') throw semanticError(origin, `pragma 'doc-required' must be boolean`);
      this.docRequired = value;
      return;
    }
    if (!(LISTS as readonly string[]).includes(name)) throw semanticError(origin, `unknown pragma '${name}'`);
    if (!Array.isArray(value)) throw semanticError(origin, `pragma ${name} must be a list of strings`);
    const names = new Set<string>();
    for (const element of value) {
      if (typeof element !== 'string') throw semanticError(origin, `pragma ${name} must be a list of strings`);
      names.add(element);
    }
    this.#lists.set(name, names);
  }
}
