import type { SchemaInfo } from '../../schema/net.ts';
import type { Yard } from '../yard.ts';

export function queryQmpSchema(yard: Yard): SchemaInfo[] {
  return yard.schema.introspect() as unknown as SchemaInfo[];
}
