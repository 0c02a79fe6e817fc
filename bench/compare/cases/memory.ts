/** What an idle TCP flow costs in memory: after one byte each way, and after bulk data both ways. */
import type { Case, CaseContext } from '../kit/case.ts';
import { freshPort } from '../kit/iperf.ts';
import {
  HOST_FROM_GUEST,
  type Link,
  type StartLink,
  startNetyard,
  startNetyardOnNode,
  startPasta,
  startSlirp4netns,
} from '../kit/links.ts';
import { lastLine, startEnd, startReady } from '../kit/measure.ts';
import { Collector, type Role } from '../kit/report.ts';
import { delay } from '../kit/world.ts';

const UNIT = 'kB/flow';
/** Each way. */
const BULK_BYTES = 131_072;
/** Time for heaps and buffers to settle, milliseconds. */
const SETTLE = 1500;
/** kB of netyard's RSS for an idle flow that has carried data. */
const NATIVE_LIMIT = 6;
const NODE_LIMIT = 12;
const IDLE = (flows: number): string => `${flows} idle flows, after one byte`;
const BULK = (flows: number): string => `${flows} idle flows, after ${BULK_BYTES / 1024} KiB each way`;

const SUBJECTS: readonly (readonly [string, StartLink, Role])[] = [
  ['netyard', startNetyard, 'netyard'],
  ['netyard node:net', startNetyardOnNode, 'netyard'],
  ['slirp4netns', startSlirp4netns, 'peer'],
  ['pasta', startPasta, 'peer'],
];

export const memory: Case = {
  name: 'memory',
  title: 'Memory of idle TCP flows',
  programs: ['slirp4netns', 'pasta'],
  async run(context) {
    const { world, rounds, quick, progress } = context;
    const collector = new Collector(memory.name, memory.title);
    const [few, many] = quick ? [100, 1000] : [1000, 9000];
    for (let round = 1; round <= rounds; round++) {
      for (const [name, start, role] of SUBJECTS) {
        await collector.attempt(name, async () => {
          const link = await start(world, { mtu: 1500 });
          // Compiled code and a grown heap are no flow's memory. The others have neither: what they keep is the flows'.
          if (role === 'netyard') await flows(context, link, 200, true).then(({ close }) => close());
          await delay(SETTLE);
          const base = link.process.residentKilobytes();
          const add = (cell: string, count: number): void => {
            const each = (link.process.residentKilobytes() - base) / count;
            collector.add(cell, link.name, each, { role, unit: UNIT, better: 'less' });
            progress(`${round}/${rounds} ${cell}: ${link.name} ${each.toFixed(2)} ${UNIT}`);
          };
          collector.add('no flow', link.name, base, { role, unit: 'kB', better: 'less' });
          const first = await flows(context, link, few, false);
          await delay(SETTLE);
          add(IDLE(few), few);
          await first.bulk();
          await delay(SETTLE);
          add(BULK(few), few);
          // Neither peer opens so many in a minute.
          if (role === 'netyard') {
            const second = await flows(context, link, many, false);
            await delay(SETTLE);
            add(`${IDLE(many)} (with those before)`, many + few);
            await second.close();
          }
          await first.close();
          await link.process.stop();
        });
      }
    }
    for (const [name, limit] of [
      ['netyard', NATIVE_LIMIT],
      ['netyard node:net', NODE_LIMIT],
    ] as const) {
      for (const cell of [IDLE(few), BULK(few), `${IDLE(many)} (with those before)`]) {
        collector.demand(`${name}, ${cell}: kB a flow`, collector.medianOf(cell, name, UNIT), limit, 'less');
      }
    }
    return collector.report();
  },
};

interface Flows {
  /** Sends and receives on each in turn. */
  bulk(): Promise<void>;
  close(): Promise<void>;
}

/** Opens flows that carry one byte each way and stay; `warm` = bulk as well, before this resolves. */
async function flows({ world }: CaseContext, link: Link, count: number, warm: boolean): Promise<Flows> {
  const port = freshPort();
  const server = await startReady(world, 'flow-server', ['127.0.0.1', port, count, BULK_BYTES]);
  const client = startEnd(world, 'flow-client', [HOST_FROM_GUEST, port, count, BULK_BYTES], link.guest);
  const lines = (): number => client.stdout.split('\n').length - 1;
  await client.until(() => lines() >= 1, 60);
  if (lastLine<{ flows: number }>(client.stdout).flows !== count) throw new Error('flows are missing');
  const bulk = async (): Promise<void> => {
    client.write('bulk');
    await client.until(() => lines() >= 2, 120);
  };
  if (warm) await bulk();
  return {
    bulk,
    close: async () => {
      await client.stop();
      await server.stop();
    },
  };
}
