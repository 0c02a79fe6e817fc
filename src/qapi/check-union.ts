/** Unions: the tag among the base's members, one branch per value, no branch that repeats a member of the base. */
import type { CheckContext } from './check-context.ts';
import { describePart, describeType, isObjectEntry, type ObjectEntry } from './entry.ts';
import { addMember, type MemberSet } from './member-set.ts';
import type { EnumType, Member, ObjectType, UnionBranch } from './model.ts';
import { cName } from './names.ts';
import { type Origin, semanticError } from './source.ts';

/**
 * Checks the union's own part and writes its variants.
 * @param outer the members of its base
 */
export function checkUnion(
  context: CheckContext,
  entry: ObjectEntry,
  union: NonNullable<ObjectEntry['union']>,
  origin: Origin,
  outer: MemberSet,
  depth: number,
): void {
  const { tag, tagType } = findTag(entry.entity, union.discriminator, origin);
  const { branches: definitions } = union;
  context.count(tagType.values.length, origin);
  if (tagType.values.length === 0 && definitions.length === 0) throw semanticError(origin, 'union has no branches');
  const left = new Map(tagType.values.map((value) => [value.name, value]));
  const branches: UnionBranch[] = [];
  const branchEntries = new Set<ObjectEntry>();
  for (const { name, type, condition } of definitions) {
    const what = describePart('branch', name, entry.entity.name, origin);
    const branch = context.resolve(type.name, origin, what);
    if (!left.delete(name)) {
      throw semanticError(origin, `branch '${name}' is not a value of enum type '${tagType.name}'`);
    }
    if (!isObjectEntry(branch)) throw semanticError(origin, `${what} cannot use ${describeType(branch)}`);
    context.object(branch, depth + 1);
    branchEntries.add(branch);
    branches.push({ name, type: branch.entity, condition, explicit: true });
  }
  for (const { name, condition } of left.values()) {
    branches.push({ name, type: context.empty.entity, condition, explicit: false });
  }
  const reachable = new Set(outer.keys());
  for (const branch of branchEntries) {
    context.count(branch.reachable.size, origin);
    let clash = false;
    for (const name of branch.reachable) {
      clash ||= outer.has(name);
      reachable.add(name);
    }
    if (clash) reportClash(branch.entity, outer, origin, new Set());
  }
  entry.reachable = reachable;
  entry.entity.variants = { tag, tagType, branches };
}

function findTag(entity: ObjectType, discriminator: string, origin: Origin): { tag: Member; tagType: EnumType } {
  const tag = entity.members.find((member) => member.name === discriminator);
  if (tag === undefined) throw semanticError(origin, `discriminator '${discriminator}' is not a member of 'base'`);
  const base = tag.definedIn.startsWith('q_obj_') ? "'base'" : `base type '${tag.definedIn}'`;
  const what = `discriminator member '${tag.name}' of ${base}`;
  if (tag.type.kind !== 'enum') throw semanticError(origin, `${what} must be of enum type`);
  if (tag.optional) throw semanticError(origin, `${what} must not be optional`);
  if (tag.condition !== undefined) throw semanticError(origin, `${what} must not be conditional`);
  return { tag, tagType: tag.type };
}

/**
 * Names the first member of a branch, or of its branches if it is a union itself, that repeats one of the outer base.
 * The branch is sound by itself, so each type needs to be looked at once, not once per path that leads to it.
 */
function reportClash(type: ObjectType, outer: MemberSet, origin: Origin, done: Set<ObjectType>): void {
  if (done.has(type)) return;
  done.add(type);
  for (const { name, definedIn } of type.members) {
    if (outer.has(cName(name))) addMember(outer, 'member', name, definedIn, origin);
  }
  for (const branch of type.variants?.branches ?? []) reportClash(branch.type, outer, origin, done);
}
