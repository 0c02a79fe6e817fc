import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Schema } from '../qapi/index.ts';
import { NETYARD_TABLE } from '../schema/net.ts';
import { dictBucket } from './envelope.ts';
import { QmpServerSession } from './server-session.ts';
import { SessionTurns } from './session-turns.ts';

describe('dictBucket', () => {
  it.each([
    ['QMP', 99],
    ['exec-oob', 162],
    ['execute', 299],
    ['arguments', 447],
    ['return', 401],
    ['id', 486],
    ['error', 489],
    ['multicast-overflow', 376],
    ['keep-alive-interval', 147],
  ])('puts %s into bucket %d, as QEMU', (key, bucket) => {
    expect(dictBucket(key)).toBe(bucket);
  });
});

interface Row {
  readonly request: string;
  readonly response: string;
  readonly before_negotiation?: boolean;
}

const rows = readFileSync(new URL('../../tests/vectors/qmp-visitor-oracle.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Row)
  .filter(({ request, response }) => /QMP input|Capabilities|"return"/.test(response) || request.includes('qmp_capab'));

describe('the rows of QEMU 7.2.22 about the envelope', () => {
  const schema = new Schema(NETYARD_TABLE);
  const target = {
    version: { qemu: { major: 9, minor: 1, micro: 0 }, package: '' },
    isKnown: (name: string) => schema.commandInfo(name) !== undefined,
    allowsOob: () => false,
    subscribe: () => () => {},
    execute: async (name: string, args: Parameters<Schema['inputCommand']>[1]) => {
      schema.inputCommand(name, args);
      return { status: 'prelaunch', singlestep: false, running: false };
    },
  };

  it('are there', () => expect(rows.length).toBeGreaterThanOrEqual(11));

  it.each(rows)('$request', async ({ request, response, before_negotiation }) => {
    let text = '';
    const wire = {
      send: (more: string) => {
        text += more;
      },
      turns: new SessionTurns(
        () => 0,
        (task) => void Promise.resolve().then(task),
      ),
      close: () => {},
      abort: () => {},
      pauseInput: () => {},
      resumeInput: () => {},
      queuedBytes: 0,
    };
    await new Promise((resolve) => {
      const session = new QmpServerSession(target, wire, { onClosed: resolve });
      session.start();
      const negotiate = before_negotiation === true ? '' : '{"execute":"qmp_capabilities"}';
      session.receive(new TextEncoder().encode(`${negotiate}${request} `));
      session.end();
    });
    expect(JSON.parse(text.trim().split('\r\n').at(-1) as string)).toEqual(JSON.parse(response));
  });
});
