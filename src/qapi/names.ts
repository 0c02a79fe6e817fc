/** The rules for names (QEMU docs/devel/qapi-code-gen.rst, "Naming rules and reserved names"). */
import { type Meta, type Origin, semanticError } from './source.ts';

/** Optional `__RFQDN_`, optional `x-`, then the stem that the style rules look at. */
const NAME = /^(?:__[a-z0-9.-]+_)?(?:x-)?([a-z][a-z0-9_-]*)$/i;

/** A name as an identifier of C: names that are equal there clash. */
export const cName = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, '_');

interface Permit {
  readonly upper?: boolean;
  readonly underscore?: boolean;
}

/** Members, enum values, branches, features, commands: lower case with hyphens. `checked` differs for digits in front. */
export function checkLowerName(name: string, origin: Origin, source: string, permit: Permit = {}): void {
  const stem = stemOf(name, origin, source);
  if ((!permit.upper && /[A-Z]/.test(stem)) || (!permit.underscore && stem.includes('_'))) {
    throw semanticError(origin, `name of ${source} must not use uppercase or '_'`);
  }
}

/** A member's name without its `*`; `source` names it as written. */
export function checkMemberName(name: string, origin: Origin, source: string, permissive: boolean): void {
  checkLowerName(name, origin, source, { upper: permissive, underscore: permissive });
  const c = cName(name);
  if (c === 'u' || c.startsWith('has_')) throw semanticError(origin, `${source} uses reserved name`);
}

export function checkDefinitionName(name: string, origin: Origin, meta: Meta, commandExceptions: ReadonlySet<string>) {
  if (meta === 'command') {
    checkLowerName(name, origin, meta, { underscore: commandExceptions.has(name) });
    return;
  }
  const stem = stemOf(name, origin, meta);
  if (meta === 'event') {
    if (/[a-z-]/.test(stem)) throw semanticError(origin, `name of event must not use lowercase or '-'`);
    return;
  }
  if (!/^[A-Z][A-Za-z0-9]*$/.test(stem) || !/[a-z]/.test(stem)) {
    throw semanticError(origin, `name of ${meta} must use CamelCase`);
  }
  if (name.endsWith('List')) throw semanticError(origin, `${meta} name should not end in 'List'`);
}

function stemOf(name: string, origin: Origin, source: string): string {
  const stem = NAME.exec(name)?.[1];
  if (stem === undefined || cName(name).startsWith('q_')) throw semanticError(origin, `${source} has an invalid name`);
  return stem;
}
