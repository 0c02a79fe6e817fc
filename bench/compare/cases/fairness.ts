/** How long others wait while eight bulk flows run: a byte through another port of the switch, and a QMP query. */
import { join } from 'node:path';
import type { Case, CaseContext } from '../kit/case.ts';
import { iperf } from '../kit/iperf.ts';
import { adoptTap, HOST_FROM_GUEST, LINKS, type Link, PEERS, PROGRAM, ROOT, startYard } from '../kit/links.ts';
import { lastLine, latency } from '../kit/measure.ts';
import { Collector, type Role } from '../kit/report.ts';
import { delay, type Namespace } from '../kit/world.ts';

const STREAMS = 8;
const MTU = 1500;
/** Milliseconds, of the 99th percentile. */
const LIMIT = 5;
/** Between two requests: they are the visitors, not the load. Milliseconds. */
const PAUSE = 2;
/** A percentile needs its thousands. Seconds. */
const LEAST_SECONDS = 5;
/** iperf3 takes this long to have all its streams running. Seconds. */
const HEAD_START = 0.5;
const UNIT = 'ms p99';
const DIRECTIONS = ['guest to host', 'host to guest'] as const;
const OTHER_PORT = '1-byte request, another port';
const SAME_PORT = '1-byte request, the same port';
const QUERY = 'QMP query';
const LOOPBACK = 'raw loopback';

interface Yard extends Link {
  readonly other: Namespace;
  readonly qmp: string;
}

/** A yard with a second guest behind a tap of its own. */
async function startShared({ world }: CaseContext): Promise<Yard> {
  const tap = world.uniqueName('nyt');
  const qmp = join(world.directory, world.uniqueName('q'));
  const argv = [process.execPath, PROGRAM, '-name', world.uniqueName('bench')];
  const more = ['-netdev', `tap,id=t2,ifname=${tap},script=no,downscript=no`, '-qmp', `unix:${qmp},server=on,wait=off`];
  const link = await startYard(world, { mtu: MTU }, argv, more);
  const other = await adoptTap(world, link.process, tap, { mtu: MTU }, '10.0.2.16');
  return { ...link, other, qmp };
}

/** Milliseconds. */
async function queries({ world }: CaseContext, path: string, seconds: number): Promise<number> {
  const script = join(ROOT, 'bench', 'compare', 'kit', 'query-client.ts');
  const client = world.start([process.execPath, '--import', 'tsx', script, path, String(seconds), String(PAUSE)]);
  return lastLine<{ p99: number }>(await client.output(seconds + 20)).p99;
}

export const fairness: Case = {
  name: 'fairness',
  title: `The 99th percentile beside ${STREAMS} bulk flows`,
  programs: ['chrt', 'iperf3', ...PEERS],
  async run(context) {
    const { world, rounds, quick, progress } = context;
    const seconds = quick ? context.seconds : Math.max(LEAST_SECONDS, context.seconds);
    const collector = new Collector(fairness.name, fairness.title);
    let yard: Yard | undefined;
    await collector.attempt('netyard start', async () => {
      yard = await startShared(context);
    });
    const peers: Link[] = [];
    for (const name of PEERS) {
      await collector.attempt(`${name} start`, async () => void peers.push(await LINKS[name]!(world, { mtu: MTU })));
    }
    for (let round = 1; round <= rounds; round++) {
      for (const direction of DIRECTIONS) {
        const add = (what: string, name: string, role: Role, milliseconds: number): void => {
          const cell = `${what}, ${direction}`;
          collector.add(cell, name, milliseconds, { role, unit: UNIT, better: 'less' });
          progress(`${round}/${rounds} ${cell}: ${name} ${milliseconds.toFixed(2)} ${UNIT}`);
        };
        const loaded = (link: Link | undefined, measure: () => Promise<void>): Promise<void> =>
          collector.attempt(`${link?.name ?? LOOPBACK}, ${direction}`, async () => {
            const to = link === undefined ? '127.0.0.1' : HOST_FROM_GUEST;
            const load = { to, bind: '127.0.0.1', client: link?.guest, streams: STREAMS };
            const reverse = direction === 'host to guest';
            // Requests start a program first; the load is to outlast them.
            const running = iperf(world, { ...load, reverse, seconds: Math.ceil(seconds + HEAD_START + 2) });
            try {
              await delay(HEAD_START * 1000);
              await measure();
            } finally {
              const { gigabits } = await running;
              progress(`${round}/${rounds} beside ${gigabits.toFixed(2)} Gbit/s ${direction}`);
            }
          });
        const request = async (guest?: Namespace): Promise<number> =>
          (await latency(world, seconds, guest, PAUSE)).p99 / 1000;
        if (yard !== undefined) {
          const { other, qmp, guest } = yard;
          await loaded(yard, async () => {
            const [byte, query] = await Promise.all([request(other), queries(context, qmp, seconds)]);
            add(OTHER_PORT, 'netyard', 'netyard', byte);
            add(QUERY, 'netyard', 'netyard', query);
          });
          await loaded(yard, async () => add(SAME_PORT, 'netyard', 'netyard', await request(guest)));
        }
        // What the machine's scheduler adds by itself.
        await loaded(undefined, async () => add(SAME_PORT, LOOPBACK, 'yardstick', await request()));
        for (const link of peers) {
          await loaded(link, async () => add(SAME_PORT, link.name, 'peer', await request(link.guest)));
        }
      }
    }
    for (const direction of DIRECTIONS) {
      for (const what of [OTHER_PORT, QUERY]) {
        const cell = `${what}, ${direction}`;
        collector.demand(`${cell}: ${UNIT}`, collector.medianOf(cell, 'netyard', UNIT), LIMIT, 'less');
      }
    }
    return collector.report();
  },
};
