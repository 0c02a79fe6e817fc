/** A definition whose shape has been checked: keys, names and value kinds are right, type names are not yet looked up. */
import type { DocBlock } from './doc-block.ts';
import type { Condition, EnumValue, Feature } from './model.ts';
import type { Meta, Origin } from './source.ts';

/** A type as written: `'T'` or `['T']`. */
export interface TypeRef {
  readonly name: string;
  readonly isArray: boolean;
}

export interface MemberDefinition {
  readonly name: string;
  readonly optional: boolean;
  readonly type: TypeRef;
  readonly condition: Condition | undefined;
  readonly features: readonly Feature[];
}

export interface BranchDefinition {
  readonly name: string;
  readonly type: TypeRef;
  readonly condition: Condition | undefined;
}

interface Common {
  readonly name: string;
  readonly origin: Origin;
  readonly doc: DocBlock | undefined;
  readonly inModule: string;
  readonly condition: Condition | undefined;
  readonly features: readonly Feature[];
}

interface EnumDefinition extends Common {
  readonly meta: 'enum';
  readonly values: readonly EnumValue[];
  readonly prefix: string | undefined;
}

interface StructDefinition extends Common {
  readonly meta: 'struct';
  readonly base: string | undefined;
  readonly members: readonly MemberDefinition[];
}

interface UnionDefinition extends Common {
  readonly meta: 'union';
  readonly base: string | readonly MemberDefinition[];
  readonly discriminator: string;
  readonly branches: readonly BranchDefinition[];
}

export interface AlternateDefinition extends Common {
  readonly meta: 'alternate';
  readonly branches: readonly BranchDefinition[];
}

interface CommandDefinition extends Common {
  readonly meta: 'command';
  readonly data: string | readonly MemberDefinition[] | undefined;
  readonly boxed: boolean;
  readonly returns: TypeRef | undefined;
  readonly gen: boolean;
  readonly successResponse: boolean;
  readonly allowOob: boolean;
  readonly allowPreconfig: boolean;
  readonly coroutine: boolean;
}

interface EventDefinition extends Common {
  readonly meta: 'event';
  readonly data: string | readonly MemberDefinition[] | undefined;
  readonly boxed: boolean;
}

export type Definition =
  | EnumDefinition
  | StructDefinition
  | UnionDefinition
  | AlternateDefinition
  | CommandDefinition
  | EventDefinition;

/** Every feature a definition lists, its own and those of its parts. */
export function featuresOf(definition: Definition): readonly Feature[] {
  const parts: readonly (readonly { readonly features: readonly Feature[] }[] | string | undefined)[] = [
    [definition],
    definition.meta === 'enum' ? definition.values : undefined,
    definition.meta === 'struct' ? definition.members : undefined,
    definition.meta === 'union' ? definition.base : undefined,
    'data' in definition ? definition.data : undefined,
  ];
  return parts.flatMap((part) => (typeof part === 'object' ? part.flatMap((owner) => owner.features) : []));
}

/** Keys of each kind of definition besides `if` and `features`: the required ones first. */
export const DEFINITION_KEYS: Readonly<Record<Meta, { required: readonly string[]; optional: readonly string[] }>> = {
  enum: { required: ['enum', 'data'], optional: ['if', 'features', 'prefix'] },
  struct: { required: ['struct', 'data'], optional: ['base', 'if', 'features'] },
  union: { required: ['union', 'base', 'discriminator', 'data'], optional: ['if', 'features'] },
  alternate: { required: ['alternate', 'data'], optional: ['if', 'features'] },
  command: {
    required: ['command'],
    optional: [
      'data',
      'returns',
      'boxed',
      'if',
      'features',
      'gen',
      'success-response',
      'allow-oob',
      'allow-preconfig',
      'coroutine',
    ],
  },
  event: { required: ['event'], optional: ['data', 'boxed', 'if', 'features'] },
};
