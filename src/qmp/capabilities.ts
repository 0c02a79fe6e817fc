/** Arguments of qmp_capabilities. The session answers this command itself, as its state belongs to the session. */

import type { JsonObject, JsonValue } from '../qapi/index.ts';
import { QapiError } from '../qapi/index.ts';

export const CAPABILITIES_COMMAND = 'qmp_capabilities';

/** What a client may enable (QEMU qapi/control.json, QMPCapability). */
export type Capability = 'oob';
const KNOWN: readonly string[] = ['oob'];

/**
 * Reads `enable`.
 * @throws QapiError with the texts of QEMU's visitor
 */
export function requestedCapabilities(args: JsonObject | undefined): ReadonlySet<Capability> {
  const enable = args?.['enable'];
  const wanted = new Set<Capability>();
  if (enable !== undefined)
    for (const [index, value] of arrayOf(enable).entries()) wanted.add(capability(value, index));
  for (const key of Object.keys(args ?? {})) {
    if (key !== 'enable') throw new QapiError(`Parameter '${key}' is unexpected`);
  }
  return wanted;
}

function arrayOf(value: JsonValue): readonly JsonValue[] {
  if (!Array.isArray(value)) throw new QapiError("Invalid parameter type for 'enable', expected: array");
  return value;
}

/** A list's element has no name: QEMU prints `null` for it in enum errors. */
function capability(value: JsonValue, index: number): Capability {
  if (typeof value !== 'string') {
    throw new QapiError(`Invalid parameter type for 'enable[${index}]', expected: string`);
  }
  if (!KNOWN.includes(value)) throw new QapiError(`Parameter 'null' does not accept value '${value}'`);
  return value as Capability;
}

/**
 * Refuses what was not offered.
 * @throws QapiError
 */
export function checkOffered(wanted: ReadonlySet<Capability>, offered: readonly Capability[]): void {
  const missing = [...wanted].filter((name) => !offered.includes(name));
  if (missing.length > 0) throw new QapiError(`Capability ${missing.join(', ')} not available`);
}
