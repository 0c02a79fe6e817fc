/**
 * JSON values with QEMU's three kinds of number kept apart (qobject/qnum.c): an integer is a `number` when it is safe
 * and a `bigint` beyond 2^53 (int64 or uint64); a double read from JSON text is a JsonDouble, so that 1.0 stays
 * different from 1. Values handed in by a program may hold plain numbers: an integral one is an integer, another a double.
 * Objects made by the reader have a null prototype, so member names such as `__proto__` are ordinary.
 */
export class JsonDouble {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export type JsonValue = null | boolean | number | bigint | string | JsonDouble | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue;
}
