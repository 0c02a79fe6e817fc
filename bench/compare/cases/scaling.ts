/** What a known unicast frame costs as the yard grows: more ports on the switch, more idle flows in the user network. */
import { join } from 'node:path';
import type { Case, CaseContext } from '../kit/case.ts';
import { freshPort } from '../kit/iperf.ts';
import { HOST_FROM_GUEST, type Link, PROGRAM, startYard } from '../kit/links.ts';
import { type Counted, lastLine, latency, startEnd, startReady } from '../kit/measure.ts';
import { Collector } from '../kit/report.ts';

/** With the sender's and the receiver's own. */
const PORTS = [2, 10, 100, 1000];
const FLOWS = [0, 1000, 10_000];
const SIZE = 64;
const COST = 'CPU ns/frame';
/** More than this times the cost of the smallest yard is growth, not noise. */
const LIMIT = 1.25;

const portsCell = (ports: number): string => `${ports} guests`;
const flowsCell = (flows: number): string => `2 guests, ${flows} idle flows`;

interface Yard {
  readonly link: Link;
  /** Where streams connect: each is a guest with a port of its own. */
  readonly path: string;
}

async function start({ world }: CaseContext): Promise<Yard> {
  const path = join(world.directory, world.uniqueName('l'));
  const argv = [process.execPath, PROGRAM, '-name', world.uniqueName('bench')];
  const listener = `listener,id=l,addr.type=unix,addr.path=${path}`;
  return { link: await startYard(world, { mtu: 1500 }, argv, ['-netdev', listener]), path };
}

export const scaling: Case = {
  name: 'scaling',
  title: 'A known unicast frame, with more ports and more idle flows',
  programs: [],
  async run(context) {
    const { world, rounds, quick, progress } = context;
    const collector = new Collector(scaling.name, scaling.title);
    const [ports, flows] = quick
      ? [
          [2, 100],
          [0, 1000],
        ]
      : [PORTS, FLOWS];
    const sized = async (cell: string, grow: (yard: Yard) => Promise<void>): Promise<Yard | undefined> => {
      let made: Yard | undefined;
      await collector.attempt(cell, async () => {
        const yard = await start(context);
        await grow(yard);
        made = yard;
      });
      return made;
    };
    const yards: { cell: string; yard: Yard; hasFlows: boolean }[] = [];
    for (const count of ports) {
      const yard = await sized(portsCell(count), async ({ path }) => {
        if (count > 2) await startReady(world, 'stream-idle', [path, count - 2]);
      });
      if (yard !== undefined) yards.push({ cell: portsCell(count), yard, hasFlows: false });
    }
    for (const count of flows) {
      const yard = await sized(flowsCell(count), async ({ link }) => {
        if (count === 0) return;
        const port = freshPort();
        await startReady(world, 'flow-server', ['127.0.0.1', port, count, 0]);
        await startEnd(world, 'flow-client', [HOST_FROM_GUEST, port, count, 0], link.guest).says('flows', 60);
      });
      if (yard !== undefined) yards.push({ cell: flowsCell(count), yard, hasFlows: true });
    }
    for (let round = 1; round <= rounds; round++) {
      for (const { cell, yard, hasFlows } of yards) {
        await collector.attempt(cell, async () => {
          const { rate, nanoseconds } = await frames(context, yard);
          collector.add(cell, 'netyard', rate, { role: 'netyard', unit: 'frames/s', better: 'more' });
          collector.add(cell, 'netyard', nanoseconds, { role: 'netyard', unit: COST, better: 'less' });
          progress(`${round}/${rounds} ${cell}: ${nanoseconds.toFixed(0)} ns, ${(rate / 1e6).toFixed(3)} million/s`);
          if (!hasFlows) return;
          const { p50 } = await latency(world, 1, yard.link.guest);
          collector.add(cell, 'netyard', p50, { role: 'netyard', unit: 'µs p50 request', better: 'less' });
        });
      }
    }
    const grows = (cells: readonly string[], unit: string): void => {
      const first = collector.medianOf(cells[0] ?? '', 'netyard', unit);
      for (const cell of cells.slice(1)) {
        const times = collector.medianOf(cell, 'netyard', unit) / first;
        collector.demand(`${cell}: times the ${unit} of ${cells[0]}`, times, LIMIT, 'less');
      }
    };
    grows(ports.map(portsCell), COST);
    grows(flows.map(flowsCell), COST);
    grows(flows.map(flowsCell), 'µs p50 request');
    return collector.report();
  },
};

/** Between two streams of the listener. */
async function frames(
  { world, seconds }: CaseContext,
  { link, path }: Yard,
): Promise<{ rate: number; nanoseconds: number }> {
  const receiver = await startReady(world, 'stream-receive', [path, SIZE, seconds]);
  const before = link.process.cpuSeconds();
  const sender = startEnd(world, 'stream-send', [path, SIZE, seconds + 1]);
  const { count, seconds: took, total } = lastLine<Counted>(await receiver.output(seconds + 15));
  const cpu = link.process.cpuSeconds() - before;
  await sender.stop();
  return { rate: count / took, nanoseconds: (cpu / total) * 1e9 };
}
