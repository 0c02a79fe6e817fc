/** TCP through a tap: iperf3 between a namespace and the host's loopback. */

import type { Case, CaseContext } from '../kit/case.ts';
import { iperf } from '../kit/iperf.ts';
import { HOST_FROM_GUEST, LINKS, type Link, PEERS } from '../kit/links.ts';
import { Collector } from '../kit/report.ts';

const GBIT = 'Gbit/s';
const MTUS = [1500, 65_520];
const STREAMS = [1, 8];
const DIRECTIONS = ['guest to host', 'host to guest'] as const;

/** Against the better peer, and against raw loopback: one stream. */
const DEMANDS: Readonly<Record<string, readonly [number, number]>> = {
  'MTU 1500, guest to host': [2.5, 0.35],
  'MTU 1500, host to guest': [6, 0.5],
  'MTU 65520, guest to host': [3, 0.5],
  'MTU 65520, host to guest': [1.4, 0.5],
};

export const tcp: Case = {
  name: 'tcp',
  title: 'TCP through a tap, iperf3',
  programs: ['iperf3', ...PEERS],
  async run({ world, rounds, seconds, progress }: CaseContext) {
    const collector = new Collector(tcp.name, tcp.title);
    for (const mtu of MTUS) {
      const links: Link[] = [];
      for (const name of ['netyard', ...PEERS]) {
        await collector.attempt(`${name} start`, async () => void links.push(await LINKS[name]!(world, { mtu })));
      }
      for (let round = 1; round <= rounds; round++) {
        for (const streams of STREAMS) {
          for (const direction of DIRECTIONS) {
            const reverse = direction === 'host to guest';
            const cell = `MTU ${mtu}, ${direction}, ${streams} stream${streams > 1 ? 's' : ''}`;
            const common = { bind: '127.0.0.1', seconds, reverse, streams };
            for (const { name, guest, process } of links) {
              const role = name === 'netyard' ? 'netyard' : 'peer';
              await collector.attempt(`${name}, ${cell}`, async () => {
                const result = await iperf(world, { ...common, client: guest, to: HOST_FROM_GUEST, process });
                collector.add(cell, name, result.gigabits, { role, unit: GBIT, better: 'more' });
                collector.add(cell, name, result.cpuPerGigabyte, { role, unit: 'CPU s/GB', better: 'less' });
                progress(`${round}/${rounds} ${cell}: ${name} ${result.gigabits.toFixed(2)} ${GBIT}`);
              });
            }
            await collector.attempt(`loopback, ${cell}`, async () => {
              const { gigabits } = await iperf(world, { ...common, to: '127.0.0.1' });
              collector.add(cell, 'raw loopback', gigabits, { role: 'yardstick', unit: GBIT, better: 'more' });
            });
          }
        }
      }
      for (const { process } of links) await process.stop();
    }
    for (const [name, [ofPeer, ofLoopback]] of Object.entries(DEMANDS)) {
      const cell = `${name}, 1 stream`;
      const ours = collector.medianOf(cell, 'netyard', GBIT);
      collector.demand(`${cell}: times the better peer`, ours / collector.bestPeer(cell, GBIT), ofPeer);
      const loopback = collector.medianOf(cell, 'raw loopback', GBIT);
      collector.demand(`${cell}: of raw loopback`, ours / loopback, ofLoopback);
    }
    return collector.report();
  },
};
