/**
 * The same requests, arguments and lines through a real QEMU and through netyard: class and text of every answer are the
 * same, or the difference is a known one (docs/reference/compatibility.md).
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describePeer } from '../../kit/peers.ts';
import { Prng } from '../../kit/prng.ts';
import { commandLines } from './arguments.ts';
import { envelopeRequests, firstRequests } from './envelopes.ts';
import { knownDifferences } from './known-differences.ts';
import { MONITOR_LINES } from './monitor-lines.ts';
import { inParallel, QEMU, runOnce, type Side, startProgram } from './programs.ts';
import { faultyRequests, optionTexts, userRequests } from './random-cases.ts';
import { type Exchange, type Message, type Program, RawQmp } from './raw-qmp.ts';
import { netdevRequests, undo } from './requests.ts';
import { History, knownSteps } from './sequences.ts';
import { type Area, Tally } from './tally.ts';

const SEED = Number(process.env['DIFFERENTIAL_SEED'] ?? 1);
const HISTORIES = 40;
const STEPS = 30;
const RANDOM_CASES = 600;

const monitorLine = (line: string): string =>
  JSON.stringify({ execute: 'human-monitor-command', arguments: { 'command-line': line } });
const INFO_NETWORK = monitorLine('info network');
/** Netdevs that traditional options may have made; an empty flag `id` is one named `on`. */
const DELETE_ANY = ['a', 'b', 'on', 'off'].map((id) => monitorLine(`netdev_del ${id}`)).join('\n');

describePeer('QEMU and netyard', [QEMU], () => {
  const tally = new Tally();
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ny-diff-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
    console.log(`differential test, seed ${SEED}\n${tally.report()}`);
  });

  const compare = (area: Area, inputs: readonly string[], qemu: readonly string[], ours: readonly string[]): void => {
    for (const [index, input] of inputs.entries()) {
      tally.add({ area, input, qemu: qemu[index] ?? '', ours: ours[index] ?? '' });
    }
    expect(tally.unexplained(area), 'differences that nothing explains').toBe('');
  };

  /** Answers of one side to exchanges of one connection, QEMU first so that ports do not clash. */
  const ask = async (side: Side, label: string, exchanges: readonly Exchange[]): Promise<string[]> =>
    withProgram(side, label, async (program) => {
      const monitor = await RawQmp.connect(program);
      const answers = await monitor.messages(exchanges);
      monitor.close();
      return answers.map((messages) => messages.map(outcome).join('\n'));
    });

  const withProgram = async <T>(side: Side, label: string, work: (program: Program) => Promise<T>): Promise<T> => {
    const program = await startProgram(side, folder, label);
    try {
      return await work(program);
    } finally {
      await program.stop();
    }
  };

  it('answer netdev_add alike', async () => {
    const requests = netdevRequests(folder);
    const exchanges = requests.map((text): Exchange => {
      const cleanup = undo(text);
      return cleanup === undefined ? { text } : { text, cleanup };
    });
    const qemu = await ask('qemu', 'add', exchanges);
    compare('netdev_add', requests, qemu, await ask('netyard', 'add', exchanges));
  });

  it('check options of user in the same order', async () => {
    const exchanges = userRequests(new Prng(SEED), RANDOM_CASES);
    const qemu = await ask('qemu', 'user', exchanges);
    const requests = exchanges.map(({ text }) => text);
    compare('user options', requests, qemu, await ask('netyard', 'user', exchanges));
  });

  it('read traditional options alike', async () => {
    const texts = optionTexts(new Prng(SEED), RANDOM_CASES);
    const exchanges = texts.map(
      (text): Exchange => ({ text: monitorLine(`netdev_add ${quoted(text)}`), cleanup: DELETE_ANY }),
    );
    const qemu = await ask('qemu', 'options', exchanges);
    compare('option text', texts, qemu, await ask('netyard', 'options', exchanges));
  });

  it('recover from faulty bytes alike', async () => {
    const exchanges = faultyRequests(new Prng(SEED), RANDOM_CASES);
    const qemu = await ask('qemu', 'faulty', exchanges);
    const requests = exchanges.map(({ text }) => text);
    compare('faulty request', requests, qemu, await ask('netyard', 'faulty', exchanges));
  });

  it('answer other commands and broken requests alike', async () => {
    const requests = envelopeRequests();
    const exchanges = requests.map((text): Exchange => ({ text }));
    const qemu = await ask('qemu', 'other', exchanges);
    compare('other requests', requests, qemu, await ask('netyard', 'other', exchanges));
  });

  it('answer a first request alike', async () => {
    const requests = firstRequests();
    const first = (side: Side): Promise<string[]> =>
      withProgram(side, 'first', async (program) => {
        const outcomes: string[] = [];
        for (const text of requests) {
          const monitor = await RawQmp.connect(program, { negotiate: false });
          const [messages] = await monitor.messages([{ text }]);
          outcomes.push(messages!.map(outcome).join('\n'));
          monitor.close();
        }
        return outcomes;
      });
    compare('first request', requests, await first('qemu'), await first('netyard'));
  });

  it('take command lines alike', async () => {
    const lines = commandLines(folder);
    const outcomes = await inParallel(lines, 2, async (options) => {
      const qemu = await runOnce('qemu', options);
      return [qemu, await runOnce('netyard', options)] as const;
    });
    const [qemu, ours] = [outcomes.map(([first]) => first), outcomes.map(([, second]) => second)];
    compare(
      'command line',
      lines.map((options) => options.join(' ')),
      qemu,
      ours,
    );
  });

  it('have the same netdevs and wires after any history', async () => {
    const random = new Prng(SEED);
    const histories = Array.from({ length: HISTORIES }, () => {
      const history = new History(random);
      return [...Array.from({ length: STEPS }, () => history.next()), ...history.end()];
    });
    const about = histories.flatMap((steps, number) =>
      steps.map((_, index) => `history ${number}: ${steps.slice(0, index + 1).join('\n    ')}`),
    );
    const last = knownSteps(folder);
    about.push(...last.map(({ text }) => text));
    const exchanges = [...histories.flat().map((text): Exchange => ({ text })), ...last].map(
      (exchange): Exchange => ({ ...exchange, text: `${exchange.text}\n${INFO_NETWORK}` }),
    );
    const qemu = await ask('qemu', 'history', exchanges);
    compare('history', about, qemu, await ask('netyard', 'history', exchanges));
  });

  it('answer monitor lines alike', async () => {
    const exchanges = MONITOR_LINES.map((line): Exchange => {
      const text = monitorLine(line);
      // Added in QEMU only.
      return line.includes('id=k,') ? { text, cleanup: '{"execute":"netdev_del","arguments":{"id":"k"}}' } : { text };
    });
    const qemu = await ask('qemu', 'hmp', exchanges);
    compare('monitor line', MONITOR_LINES, qemu, await ask('netyard', 'hmp', exchanges));
  });

  it('differ nowhere without need', () => expect(tally.stale(), 'known differences that no case shows').toEqual([]));
});

describe('compatibility.md', () => {
  it('has a row for every known difference', () => {
    const page = readFileSync(new URL('../../../docs/reference/compatibility.md', import.meta.url), 'utf8');
    const listed = [...page.matchAll(/^\| (`?)([a-z0-9][a-z0-9-]+)\1 \|/gm)];
    const ids = listed.map((row) => row[2]).filter((id) => id !== 'id');
    expect(new Set(ids).size, 'ids are unique').toBe(ids.length);
    const tested = listed.filter((row) => row[1] === '`').map((row) => row[2]);
    expect(tested.sort()).toEqual(knownDifferences.map((difference) => difference.id).sort());
  });
});

/** One message as text: success with its value, or class and text of the error, and the id. */
function outcome(message: Message): string {
  const id = message.id === undefined ? '' : ` id=${canonical(message.id)}`;
  if (message.error !== undefined) return `${message.error.class}: ${message.error.desc}${id}`;
  return `${canonical(message.return)}${id}`;
}

/** A word of the human monitor. */
function quoted(text: string): string {
  return `"${text.replaceAll(/[\\"]/g, '\\$&')}"`;
}

/** JSON text with members in one order: the wire's order is free. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}
