/** What does not depend on bytes: connections, datagrams, and the time one byte takes. */
import type { Case } from '../kit/case.ts';
import { LINKS, type Link, PEERS } from '../kit/links.ts';
import { connectionsPerSecond, datagramsPerSecond, latency } from '../kit/measure.ts';
import { Collector, type Role } from '../kit/report.ts';

/** Within 10 % of the better peer's median. */
const AT_LEAST = 0.9;
const AT_MOST = 1.1;
const SMALL_DATAGRAM = 64;

const CONNECTIONS = 'TCP connections (4 clients)';
const UP = 'UDP 64 B guest to host';
const DOWN = 'UDP 64 B host to guest';
const REQUEST = '1-byte request';

export const requests: Case = {
  name: 'requests',
  title: 'Connections, datagrams and one-byte requests',
  programs: PEERS,
  async run({ world, rounds, seconds, progress }) {
    const collector = new Collector(requests.name, requests.title);
    const links: (Link | undefined)[] = [];
    for (const name of ['netyard', ...PEERS]) {
      await collector.attempt(`${name} start`, async () => void links.push(await LINKS[name]!(world, { mtu: 1500 })));
    }
    for (let round = 1; round <= rounds; round++) {
      for (const link of [...links, undefined]) {
        const name = link?.name ?? 'raw loopback';
        const role: Role = link === undefined ? 'yardstick' : name === 'netyard' ? 'netyard' : 'peer';
        const rate = { role, unit: 'per second', better: 'more' } as const;
        const measure = async (cell: string, value: () => Promise<number>): Promise<void> =>
          collector.attempt(`${name}, ${cell}`, async () => {
            const sample = await value();
            collector.add(cell, name, sample, rate);
            progress(`${round}/${rounds} ${cell}: ${name} ${sample.toFixed(0)} a second`);
          });
        await measure(CONNECTIONS, () => connectionsPerSecond(world, seconds, link));
        await measure(UP, () => datagramsPerSecond(world, seconds, SMALL_DATAGRAM, false, link));
        await measure(DOWN, () => datagramsPerSecond(world, seconds, SMALL_DATAGRAM, true, link));
        await collector.attempt(`${name}, ${REQUEST}`, async () => {
          const { p50, p99 } = await latency(world, seconds, link?.guest);
          const less = { role, better: 'less' } as const;
          collector.add(REQUEST, name, p50, { ...less, unit: 'µs p50' });
          collector.add(REQUEST, name, p99, { ...less, unit: 'µs p99' });
          progress(`${round}/${rounds} ${REQUEST}: ${name} p50 ${p50.toFixed(0)} µs, p99 ${p99.toFixed(0)} µs`);
        });
      }
    }
    const ratio = (cell: string, unit: string): number =>
      collector.medianOf(cell, 'netyard', unit) / collector.bestPeer(cell, unit);
    for (const cell of [CONNECTIONS, UP, DOWN]) {
      collector.demand(`${cell}: of the better peer`, ratio(cell, 'per second'), AT_LEAST);
    }
    for (const unit of ['µs p50', 'µs p99']) {
      collector.demand(`${REQUEST}, ${unit}: of the better peer`, ratio(REQUEST, unit), AT_MOST, 'less');
    }
    return collector.report();
  },
};
