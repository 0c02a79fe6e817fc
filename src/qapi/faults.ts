/** QEMU's texts for input that the schema does not take (qapi/qmp/qerror.h and the visitors). Each throws. */
import { QapiError } from './error.ts';

export function fail(description: string, hint?: string): never {
  throw new QapiError(description, hint === undefined ? {} : { hint });
}

export const expects = (name: string, what: string): never => fail(`Parameter '${name}' expects ${what}`);

export const missing = (name: string): never => fail(`Parameter '${name}' is missing`);

export const wrongType = (name: string, expected: string): never =>
  fail(`Invalid parameter type for '${name}', expected: ${expected}`);

export const notAccepted = (name: string, value: string): never =>
  fail(`Parameter '${name}' does not accept value '${value}'`);
