/** Values of the schema language as parsed. Member order is kept. */
export type Value = string | boolean | readonly Value[] | ValueMap;
export type ValueMap = ReadonlyMap<string, Value>;
