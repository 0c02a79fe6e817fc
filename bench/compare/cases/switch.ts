/** Frames from one stream to another: netyard's switch, QEMU's hub, vde_switch. */
import { join } from 'node:path';
import type { Case } from '../kit/case.ts';
import { PROGRAM } from '../kit/links.ts';
import { type Counted, lastLine, startEnd, startReady } from '../kit/measure.ts';
import { Collector } from '../kit/report.ts';
import type { Running, World } from '../kit/world.ts';

const UNIT = 'frames/s';
const SIZES = [64, 1514];
const TIMES_QEMU = 2;

interface Carrier {
  readonly name: string;
  readonly process: Running;
  /** Ends with a program that receives, and one that sends. */
  receiver(size: number, seconds: number): Promise<Running>;
  sender(size: number, seconds: number): Running;
}

function streams(world: World, name: string, process: Running, a: string, b: string): Carrier {
  return {
    name,
    process,
    receiver: (size, seconds) => startReady(world, 'stream-receive', [b, size, seconds]),
    sender: (size, seconds) => startEnd(world, 'stream-send', [a, size, seconds]),
  };
}

async function connectable(world: World, process: Running, path: string): Promise<void> {
  await process.until(async () => {
    const probe = world.start(['test', '-S', path]);
    return (await probe.exited) === 0;
  });
}

const stream = (id: string, path: string): string[] => [
  '-netdev',
  `stream,id=${id},server=on,addr.type=unix,addr.path=${path}`,
];

/** Its streams take one connection each: a new process every time. */
async function startNetyard(world: World): Promise<Carrier> {
  const name = world.uniqueName('s');
  const [a, b] = [join(world.directory, `${name}a`), join(world.directory, `${name}b`)];
  const words = [process.execPath, PROGRAM, '-name', world.uniqueName('bench'), ...stream('a', a), ...stream('b', b)];
  const running = world.start(words);
  await connectable(world, running, b);
  return streams(world, 'netyard', running, a, b);
}

async function startHub(world: World): Promise<Carrier> {
  const name = world.uniqueName('s');
  const [a, b] = [join(world.directory, `${name}a`), join(world.directory, `${name}b`)];
  const machine = ['qemu-system-x86_64', '-M', 'none', '-nodefaults', '-display', 'none', '-monitor', 'none'];
  const hub = ['-netdev', 'hubport,id=ha,hubid=0,netdev=a', '-netdev', 'hubport,id=hb,hubid=0,netdev=b'];
  const running = world.start([...machine, ...stream('a', a), ...stream('b', b), ...hub]);
  await connectable(world, running, b);
  return streams(world, 'QEMU hub', running, a, b);
}

async function startVde(world: World): Promise<Carrier> {
  const directory = join(world.directory, world.uniqueName('v'));
  const running = world.start(['vde_switch', '-sock', directory, '-M', `${directory}.mgmt`, '-nostdin']);
  await connectable(world, running, `${directory}/ctl`);
  const own = (): string => join(world.directory, world.uniqueName('p'));
  return {
    name: 'vde_switch',
    process: running,
    receiver: (size, seconds) => startReady(world, 'vde-receive', [directory, own(), size, seconds]),
    sender: (size, seconds) => startEnd(world, 'vde-send', [directory, own(), size, seconds]),
  };
}

export const switching: Case = {
  name: 'switch',
  title: 'Stream to stream through the switch, the sender batching its writes',
  programs: ['qemu-system-x86_64', 'vde_switch'],
  async run({ world, rounds, seconds, progress }) {
    const collector = new Collector(switching.name, switching.title);
    for (let round = 1; round <= rounds; round++) {
      for (const size of SIZES) {
        const cell = `${size} bytes`;
        for (const start of [startNetyard, startHub, startVde]) {
          await collector.attempt(`${start.name}, ${cell}`, async () => {
            const carrier = await start(world);
            const role = carrier.name === 'netyard' ? 'netyard' : 'peer';
            const receiver = await carrier.receiver(size, seconds);
            const before = carrier.process.cpuSeconds();
            const sender = carrier.sender(size, seconds + 1);
            const { count, seconds: took, total } = lastLine<Counted>(await receiver.output(seconds + 15));
            const cpu = carrier.process.cpuSeconds() - before;
            await sender.stop();
            await carrier.process.stop();
            collector.add(cell, carrier.name, count / took, { role, unit: UNIT, better: 'more' });
            collector.add(cell, carrier.name, (cpu / total) * 1e9, { role, unit: 'CPU ns/frame', better: 'less' });
            progress(`${round}/${rounds} ${cell}: ${carrier.name} ${(count / took / 1e6).toFixed(3)} million frames/s`);
          });
        }
      }
    }
    for (const size of SIZES) {
      const cell = `${size} bytes`;
      const ours = collector.medianOf(cell, 'netyard', UNIT);
      const versus = (peer: string): number => ours / collector.medianOf(cell, peer, UNIT);
      collector.demand(`${cell}: times QEMU's hub`, versus('QEMU hub'), TIMES_QEMU);
      collector.demand(`${cell}: times vde_switch`, versus('vde_switch'), 1);
    }
    return collector.report();
  },
};
