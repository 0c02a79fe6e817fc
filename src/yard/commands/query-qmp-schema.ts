import type { JsonValue } from '../../qapi/index.ts';
import type { Yard } from '../yard.ts';

export function queryQmpSchema(yard: Yard): JsonValue[] {
  return yard.schema.introspect();
}
