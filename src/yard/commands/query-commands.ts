import type { Yard } from '../yard.ts';

export function queryCommands(yard: Yard): { name: string }[] {
  return yard.schema
    .commandNames()
    .filter((name) => yard.isKnown(name))
    .map((name) => ({ name }));
}
