/** One JSON value out of a text, as the command line gives it (QEMU qobject/qjson.c: qobject_from_json). */

import type { JsonValue } from '../qapi/index.ts';
import { QapiError } from '../qapi/index.ts';
import { JsonReader } from './json-reader.ts';

const encoder = new TextEncoder();

/**
 * Parses text that holds exactly one value; white space may surround it.
 * @throws QapiError with QEMU's text: `JSON parse error, ...`, `Expecting at most one JSON value`.
 * @example parseJsonText("{'type': 'user', 'id': 'n0'}")
 */
export function parseJsonText(text: string): JsonValue {
  let result: JsonValue | undefined;
  let error: string | undefined;
  const onlyOne = (): void => {
    if (result === undefined) return;
    result = undefined;
    error = 'Expecting at most one JSON value';
  };
  const reader = new JsonReader({
    value(value) {
      onlyOne();
      if (error === undefined) result = value;
      return true;
    },
    error(found) {
      onlyOne();
      error ??= found;
      return true;
    },
  });
  reader.feed(encoder.encode(text));
  reader.end();
  if (error !== undefined) throw new QapiError(error);
  if (result === undefined) throw new QapiError('Expecting a JSON value');
  return result;
}
