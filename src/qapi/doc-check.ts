/** Documentation against the definition it belongs to: everything described exists, everything that exists is described. */
import type { DialectRules } from './dialect.ts';
import type { DocBlock } from './doc-block.ts';
import type { Entity, Feature, ObjectType } from './model.ts';
import type { Pragma } from './pragma.ts';
import { type Origin, semanticError } from './source.ts';

interface Described {
  readonly name: string;
  readonly features?: readonly Feature[];
}

/** Marks what the definition has as described and complains about the first part that is not. */
export function connectDoc(entity: Entity, doc: DocBlock, origin: Origin, pragma: Pragma, rules: DialectRules): void {
  const features = (owner: Described): void => {
    for (const { name } of owner.features ?? []) {
      if (!doc.has('feature', name)) {
        throw semanticError(origin, `feature '${name}' lacks documentation`);
      }
      doc.described.features.add(name);
    }
  };
  features(entity);
  const [role, members] = ownMembers(entity);
  for (const member of members) {
    const excepted = !rules.describeAll || pragma.excepts('documentation-exceptions', doc.symbol);
    if (!doc.has('member', member.name) && !excepted) {
      throw semanticError(origin, `${role} '${member.name}' lacks documentation`);
    }
    doc.described.members.add(member.name);
    features(member);
  }
}

/** Descriptions of what does not exist; the last check of a schema. */
export function checkBogusDoc(doc: DocBlock): void {
  for (const kind of ['member', 'feature'] as const) {
    const bogus = doc.bogus(kind);
    if (bogus === undefined) continue;
    const names = bogus.names.map((name) => `'${name}'`).join(', ');
    const text = bogus.names.length > 1 ? `${kind}s ${names} do` : `${kind} ${names} does`;
    throw semanticError(bogus.location, `documented ${text} not exist`);
  }
}

/** What a definition's documentation describes one by one: not the members of a named base or argument type. */
function ownMembers(entity: Entity): readonly [role: string, members: readonly Described[]] {
  const inline = (type: ObjectType | undefined): readonly Described[] =>
    type?.meta === 'implicit' ? type.localMembers : [];
  switch (entity.kind) {
    case 'enum':
      return ['value', entity.values];
    case 'alternate':
      return ['branch', entity.branches];
    case 'object':
      return ['member', [...inline(entity.base), ...entity.localMembers]];
    case 'command':
    case 'event':
      return ['member', inline(entity.argType)];
    default:
      return ['member', []];
  }
}
