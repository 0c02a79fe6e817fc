import type { Yard } from '../yard.ts';

export function queryName(yard: Yard): { name?: string | undefined } {
  return { name: yard.settings.name };
}
