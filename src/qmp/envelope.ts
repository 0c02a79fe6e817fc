/** The request object around a command (QEMU qapi/qmp-dispatch.c): what is checked, in which order, with which text. */

import type { JsonObject, JsonValue } from '../qapi/index.ts';
import { QapiError } from '../qapi/index.ts';

export interface Request {
  readonly command: string;
  readonly args: JsonObject | undefined;
  readonly oob: boolean;
}

/** True for a JSON object (arrays, JsonDouble and null are none). */
export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null;
}

/** QEMU runs a request at once, past the queue, if it has `exec-oob` and no `execute`. */
export function wantsOob(request: JsonValue): boolean {
  return isObject(request) && 'exec-oob' in request && !('execute' in request);
}

/**
 * Checks a request.
 * @param oob whether out-of-band execution was negotiated; otherwise `exec-oob` is an unexpected member
 * @throws QapiError
 */
export function parseRequest(request: JsonValue, oob: boolean): Request {
  if (!isObject(request)) throw new QapiError('QMP input must be a JSON object');
  const keys = Object.keys(request);
  if (!keys.every((key) => isRight(key, request, oob)) || ('exec-oob' in request && 'execute' in request)) {
    throw firstOffence(keys, request, oob);
  }
  const command = (request['execute'] ?? request['exec-oob']) as string | undefined;
  if (command === undefined) throw new QapiError("QMP input lacks member 'execute'");
  return { command, args: request['arguments'] as JsonObject | undefined, oob: 'exec-oob' in request };
}

function isRight(key: string, request: JsonObject, oob: boolean): boolean {
  if (key === 'id') return true;
  if (key === 'execute' || (key === 'exec-oob' && oob)) return typeof request[key] === 'string';
  return key === 'arguments' && isObject(request[key]);
}

/** Members are judged in the order of QEMU's hash table, and the first offence is the one reported. */
function firstOffence(keys: readonly string[], request: JsonObject, oob: boolean): QapiError {
  const order = keys.map((key, index) => ({ key, index, bucket: dictBucket(key) }));
  order.sort((a, b) => a.bucket - b.bucket || b.index - a.index);
  let command: string | undefined;
  for (const { key } of order) {
    const value = request[key];
    if (key === 'execute' || (key === 'exec-oob' && oob)) {
      if (typeof value !== 'string') return new QapiError(`QMP input member '${key}' must be a string`);
      if (command !== undefined) return new QapiError(`QMP input member '${key}' clashes with '${command}'`);
      command = key;
    } else if (key === 'arguments') {
      if (!isObject(value)) return new QapiError("QMP input member 'arguments' must be an object");
    } else if (key !== 'id') {
      return new QapiError(`QMP input member '${key}' is unexpected`);
    }
  }
  return new QapiError("QMP input lacks member 'execute'");
}

const encoder = new TextEncoder();
const BUCKETS = 512;

/** The bucket of a key in QEMU's dictionary (qobject/qdict.c); iteration goes by bucket, newest first inside one. */
export function dictBucket(key: string): number {
  const bytes = encoder.encode(key);
  let value = Math.imul(0x238f13af, bytes.length);
  for (let i = 0; i < bytes.length; i++) value = (value + (bytes[i]! << ((i * 5) % 24))) | 0;
  return ((Math.imul(1103515243, value) + 12345) >>> 0) % BUCKETS;
}
