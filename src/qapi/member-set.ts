/** Sets of members in which no two names may be equal as identifiers of C. */
import { describePart } from './entry.ts';
import type { Feature } from './model.ts';
import { cName } from './names.ts';
import { type Origin, semanticError } from './source.ts';

/** Members by the C form of their name, with what describes them in a clash. */
export type MemberSet = Map<string, { readonly role: string; readonly name: string; readonly definedIn: string }>;

/** Adds a name to a set, or complains about the one it clashes with. */
export function addMember(set: MemberSet, role: string, name: string, definedIn: string, origin: Origin): void {
  const key = cName(name);
  const other = set.get(key);
  if (other !== undefined) {
    const left = describePart(role, name, definedIn, origin);
    throw semanticError(
      origin,
      `${left} collides with ${describePart(other.role, other.name, other.definedIn, origin)}`,
    );
  }
  set.set(key, { role, name, definedIn });
}

/** `owner` is the definition or the member that lists them. */
export function checkDistinctFeatures(features: readonly Feature[], owner: string, origin: Origin): void {
  const set: MemberSet = new Map();
  for (const feature of features) addMember(set, 'feature', feature.name, owner, origin);
}
