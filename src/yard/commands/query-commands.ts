import type { Yard } from '../yard.ts';

/** A monitor's session answers it itself; it is one of the commands all the same. */
const OF_SESSIONS = 'qmp_capabilities';

export function queryCommands(yard: Yard): { name: string }[] {
  return yard.schema
    .commandNames()
    .filter((name) => yard.isKnown(name) || name === OF_SESSIONS)
    .map((name) => ({ name }));
}
