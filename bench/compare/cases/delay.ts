/** TCP from behind each program to a server some milliseconds away, and from the host directly to the same server. */
import { join } from 'node:path';
import type { Case, CaseContext } from '../kit/case.ts';
import { iperf } from '../kit/iperf.ts';
import { LINKS, type Link, PEERS, ROOT } from '../kit/links.ts';
import { Collector } from '../kit/report.ts';
import { ip, type Namespace } from '../kit/world.ts';

const UNIT = 'Gbit/s';
/**
 * The distances. A wire without a rate measures the processors at 1 ms, where no window is in the way: the second path has
 * one, so that what limits is what the delay does to a connection.
 */
const PATHS: readonly Path[] = [
  { roundTrip: 1 },
  { roundTrip: 1, gigabits: 2.5 },
  { roundTrip: 10 },
  { roundTrip: 50 },
];
const SERVER = '10.9.0.2';
const OF_DIRECT = 0.9;
const DIRECT = 'the host directly';
const DIRECTIONS = ['guest to host', 'host to guest'] as const;
/** A window has to open first. */
const LEAST_SECONDS = 4;

export const delayed: Case = {
  name: 'delay',
  title: 'TCP with a delay on the host side',
  programs: ['iperf3', 'tc', ...PEERS],
  async run(context) {
    const { world, rounds, quick, progress } = context;
    const seconds = quick ? context.seconds : Math.max(LEAST_SECONDS, context.seconds);
    const collector = new Collector(delayed.name, delayed.title);
    const cellOf = (path: Path, direction: string): string => `${nameOf(path)}, ${direction}`;
    for (const path of PATHS) {
      const { client, server, how, stop } = await farApart(context, path);
      progress(`${nameOf(path)} by ${how}`);
      const links: Link[] = [];
      for (const name of ['netyard', ...PEERS]) {
        await collector.attempt(`${name} start`, async () => {
          links.push(await LINKS[name]!(world, { mtu: 65_520, host: client }));
        });
      }
      for (let round = 1; round <= rounds; round++) {
        for (const direction of DIRECTIONS) {
          const cell = cellOf(path, direction);
          const measure = (name: string, role: 'netyard' | 'peer' | 'yardstick', from: Namespace): Promise<void> =>
            collector.attempt(`${name}, ${cell}`, async () => {
              const reverse = direction === 'host to guest';
              const ends = { client: from, server, bind: SERVER, to: SERVER };
              const { gigabits } = await iperf(world, { ...ends, seconds, reverse, streams: 1 });
              collector.add(cell, name, gigabits, { role, unit: UNIT, better: 'more' });
              progress(`${round}/${rounds} ${cell}: ${name} ${gigabits.toFixed(2)} ${UNIT}`);
            });
          await measure(DIRECT, 'yardstick', client);
          for (const { name, guest } of links) await measure(name, name === 'netyard' ? 'netyard' : 'peer', guest);
        }
      }
      for (const { process } of links) await process.stop();
      await stop();
    }
    for (const path of PATHS) {
      for (const direction of DIRECTIONS) {
        const cell = cellOf(path, direction);
        const ours = collector.medianOf(cell, 'netyard', UNIT);
        collector.demand(`${cell}: of ${DIRECT}`, ours / collector.medianOf(cell, DIRECT, UNIT), OF_DIRECT);
        collector.demand(`${cell}: of the better peer`, ours / collector.bestPeer(cell, UNIT), 1);
      }
    }
    return collector.report();
  },
};

interface Path {
  /** Milliseconds. */
  readonly roundTrip: number;
  /** As fast as the machine is, unless set. */
  readonly gigabits?: number;
}

const nameOf = ({ roundTrip, gigabits }: Path): string =>
  `RTT ${roundTrip} ms${gigabits === undefined ? '' : ` at ${gigabits} Gbit/s`}`;

interface FarApart {
  readonly client: Namespace;
  readonly server: Namespace;
  readonly how: string;
  stop(): Promise<void>;
}

/** Two hosts with a wire between them: netem on a veth pair, or where the kernel has none two taps and a delay line. */
async function farApart({ world }: CaseContext, { roundTrip, gigabits }: Path): Promise<FarApart> {
  const eachWay = roundTrip / 2;
  const [client, server] = [await world.namespace(), await world.namespace()];
  const names = [world.uniqueName('nyd'), world.uniqueName('nyd')] as const;
  const sides: readonly Side[] = [
    [names[0], client, '10.9.0.1/24'],
    [names[1], server, `${SERVER}/24`],
  ];
  await ip('link', 'add', names[0], 'type', 'veth', 'peer', 'name', names[1]);
  await addressed(sides);
  let how = 'netem';
  let stop = async (): Promise<void> => {};
  if (!(await hasNetem(world, sides, eachWay, gigabits))) {
    await client.ip('link', 'del', names[0]);
    how = 'a delay line between taps';
    const script = join(ROOT, 'bench', 'compare', 'kit', 'delay-line.ts');
    const rate = gigabits === undefined ? [] : [String(gigabits)];
    const line = world.start([process.execPath, '--import', 'tsx', script, ...names, String(eachWay), ...rate]);
    await line.says('ready\n');
    await addressed(sides);
    stop = () => line.stop();
  }
  // pasta looks for the interface of the default route.
  await client.ip('route', 'add', 'default', 'via', SERVER);
  return { client, server, how, stop };
}

/** Interface, where it goes, its address there. */
type Side = readonly [string, Namespace, string];

async function addressed(sides: readonly Side[]): Promise<void> {
  for (const [name, namespace, address] of sides) {
    await ip('link', 'set', name, 'netns', namespace.name);
    await namespace.ip('addr', 'add', address, 'dev', name);
    await namespace.ip('link', 'set', name, 'up');
  }
}

/** The queue must hold what is under way. */
async function hasNetem(
  world: CaseContext['world'],
  sides: readonly Side[],
  eachWay: number,
  gigabits: number | undefined,
): Promise<boolean> {
  const rate = gigabits === undefined ? [] : ['rate', `${gigabits * 1000}mbit`];
  for (const [name, namespace] of sides) {
    const netem = ['netem', 'delay', `${eachWay}ms`, ...rate, 'limit', '100000'];
    const words = ['tc', 'qdisc', 'add', 'dev', name, 'root', ...netem];
    if ((await world.start(words, namespace).exited) !== 0) return false;
  }
  return true;
}
