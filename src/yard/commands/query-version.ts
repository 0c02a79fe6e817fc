import type { Yard } from '../yard.ts';

export function queryVersion(yard: Yard): Yard['version'] {
  return yard.version;
}
