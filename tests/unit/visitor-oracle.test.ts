/** Every row of the two oracles of input checking: what QEMU 7.2 said to the same text. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compileTable } from '../../src/qapi/compile-table.ts';
import { type JsonObject, type JsonValue, parseNetdevArgument, Schema } from '../../src/qapi/index.ts';
import { parseJsonText } from '../../src/qmp/index.ts';
import { NETYARD_TABLE } from '../../src/schema/net.ts';
import { faultOf, modelOfFile, ROOT } from '../kit/test-schema.ts';

const rows = <T>(name: string): T[] =>
  readFileSync(`${ROOT}tests/vectors/${name}`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

const netyard = new Schema(NETYARD_TABLE);
const foreign = new Schema(compileTable(modelOfFile('tests/kit/oracle-schema.json')));

/** Faults found after or before the arguments are looked at: the arguments themselves are fine. */
const BEYOND_ARGUMENTS =
  /^(QMP input |network backend '.*' is not compiled|Capabilities negotiation is already complete)/;

/** Which of several surplus keys is named is free: QEMU takes hash order, we take the request's. */
const SURPLUS = /^(Parameter '.*' is unexpected|Invalid parameter '.*')$/;

describe('qmp-visitor-oracle.jsonl', () => {
  const all = rows<{ request: string; response: string }>('qmp-visitor-oracle.jsonl');
  let checked = 0;

  it.each(all)('$request', ({ request, response }) => {
    const input = parseJsonText(request) as JsonObject;
    const reply = JSON.parse(response) as { error?: { class: string; desc: string } };
    const expected = reply.error?.desc;
    if (expected?.startsWith('QMP input ')) return;
    checked++;
    const name = input['execute'] as string;
    const schema = netyard.commandInfo(name) === undefined ? foreign : netyard;
    const fault = faultOf(() => schema.inputCommand(name, input['arguments'] as JsonObject | undefined));
    if (expected === undefined || BEYOND_ARGUMENTS.test(expected)) expect(fault).toBeUndefined();
    else if (request.includes('"zzz"')) expect(fault).toMatch(/^Parameter '(zzz|yyy|aaa|b)' is unexpected$/);
    else expect(fault).toBe(expected);
  });

  it('had its arguments checked in all rows but those about the envelope', () => {
    expect([all.length, checked]).toEqual([96, 91]);
  });
});

describe('netdev-cli-oracle.jsonl', () => {
  const all = rows<{ netdev: string; exit: number | null; message: string }>('netdev-cli-oracle.jsonl');

  it.each(all)('$netdev', ({ netdev, exit, message }) => {
    const fault = faultOf(() => parseNetdevArgument(netyard, netdev, parseJsonText as (text: string) => JsonValue));
    if (exit === null) expect(fault).toBeUndefined();
    else if (netdev.includes('zz=3'))
      expect([fault, message]).toEqual([expect.stringMatching(SURPLUS), "Invalid parameter 'y'"]);
    else expect(fault).toBe(message);
  });

  it('has 35 rows', () => {
    expect(all.length).toBe(35);
  });
});
