/**
 * A well-behaved guest beside a hostile one on the same yard: what is left of its echoes, connects, names and transfer
 * while the other attacks at full rate, and five seconds after. The hostile one is a raw guest on the listener, the
 * well-behaved one a Linux on a tap. The peers have one guest, so there is nothing to compare with.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case, CaseContext } from '../kit/case.ts';
import { ATTACKS, type Attack } from '../kit/hostile/attacks.ts';
import { adoptTap, PROGRAM, ROOT } from '../kit/links.ts';
import { Collector } from '../kit/report.ts';
import { delay, type Namespace, type Running, World } from '../kit/world.ts';

const PARTS = ['echoes', 'connects', 'names', 'transfer'] as const;
const LEAST: Readonly<Record<(typeof PARTS)[number], number>> = {
  echoes: 0.9,
  connects: 0.9,
  names: 0.9,
  transfer: 0.8,
};
const P99_MS = 50;
/** RSS of the yard above what it had before, MB. */
const MEMORY_MB = 100;
const MTU = 1500;
const HEAD_START_MS = 1000;
const REST_MS = 5000;
const AFTER_SECONDS = 2;
/** Of the two processors, the hostile guest and what it talks to have one. */
const ONE_CORE = ['taskset', '--cpu-list', '1'];
const QUIET = '10.0.2.200';
const QUIET_ADDRESS = 0x0a0002c8;

interface Kept {
  readonly echoes: number;
  readonly connects: number;
  readonly names: number;
  readonly transfer: number;
  readonly p99: number;
}

const script = (name: string): string[] => [
  process.execPath,
  '--import',
  'tsx',
  join(ROOT, 'bench', 'compare', 'kit', 'hostile', `${name}.ts`),
];

/** The host: a namespace with a name server of its own, and a network where nobody answers. */
async function startHost(world: World): Promise<Namespace> {
  const host = await world.namespace();
  const directory = `/etc/netns/${host.name}`;
  mkdirSync(directory, { recursive: true });
  world.onClose(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'resolv.conf'), 'nameserver 127.0.0.1\n');
  // What is sent there comes back to a host that does not have the address, and is dropped.
  await host.ip('route', 'add', '198.18.0.0/15', 'dev', 'lo');
  return host;
}

async function ask(guest: Running, seconds: number): Promise<Kept> {
  const before = guest.stdout.length;
  guest.write(`measure ${seconds}`);
  await guest.until(() => guest.stdout.indexOf('\n', before) >= 0, seconds + 20);
  return JSON.parse(guest.stdout.slice(before)) as Kept;
}

async function measure(context: CaseContext, attack: Attack, collector: Collector, round: number): Promise<void> {
  const { rounds, seconds, progress } = context;
  const world = new World();
  context.world.onClose(() => world.close());
  try {
    const host = await startHost(world);
    const startServers = async (prefix: readonly string[], whose: string): Promise<object> => {
      const servers = world.start([...prefix, ...script('servers'), whose], host);
      await servers.says('}');
      return JSON.parse(servers.stdout) as object;
    };
    const ports = await startServers([], 'quiet');
    const hostilePorts = await startServers(ONE_CORE, 'hostile');
    const tap = world.uniqueName('nyt');
    const path = join(world.directory, 'guests.sock');
    const { descriptors } = attack;
    const limits = descriptors === undefined ? [] : ['prlimit', `--nofile=${descriptors}:${descriptors}`, '--'];
    const yard = world.start(
      [
        ...limits,
        ...[process.execPath, PROGRAM, '-name', world.uniqueName('bench'), '-netdev', 'user,id=u'],
        ...['-netdev', `tap,id=t,ifname=${tap},script=no,downscript=no`],
        ...['-netdev', `listener,id=l,addr.type=unix,addr.path=${path}`],
      ],
      host,
    );
    const guest = await adoptTap(world, yard, tap, { mtu: MTU, host }, QUIET);
    const quietMac = Number.parseInt(
      (await guest.ip('-o', 'link', 'show', 'dev', tap))
        .replace(/.*link\/ether ([\da-f:]+).*/s, '$1')
        .replaceAll(':', ''),
      16,
    );
    const quiet = world.start([...script('quiet-guest'), JSON.stringify(ports)], guest);
    await quiet.says('ready');
    const all = JSON.stringify({ ...hostilePorts, quietMac, quietAddress: QUIET_ADDRESS });
    const attacker = world.start([...ONE_CORE, ...script('attacker'), path, attack.name, all], host);
    await attacker.says('ready');
    await delay(HEAD_START_MS);
    const before = yard.residentKilobytes();
    attacker.write('begin');
    await delay(HEAD_START_MS);
    const kept = await ask(quiet, seconds);
    const peak = yard.residentKilobytes();
    await attacker.stop();
    await delay(REST_MS);
    const after = await ask(quiet, AFTER_SECONDS);
    const rest = yard.residentKilobytes();
    const add = (what: string, value: number, unit: string, better: 'more' | 'less'): void => {
      collector.add(`${attack.title}${what}`, 'netyard', value, { role: 'netyard', unit, better });
    };
    for (const part of PARTS) add('', kept[part], part, 'more');
    add('', kept.p99, 'ms p99', 'less');
    add('', (peak - before) / 1024, 'MiB RSS more', 'less');
    for (const part of PARTS) add(', 5 s later', after[part], part, 'more');
    add(', 5 s later', after.p99, 'ms p99', 'less');
    add(', 5 s later', (rest - before) / 1024, 'MiB RSS more', 'less');
    const shown = (of: Kept): string =>
      `${PARTS.map((part) => `${part} ${of[part].toFixed(2)}`).join(' ')} p99 ${of.p99.toFixed(1)} ms`;
    const memory = `RSS ${((peak - before) / 1024).toFixed(0)}, then ${((rest - before) / 1024).toFixed(0)} MiB more`;
    progress(`${round}/${rounds} ${attack.name}: ${shown(kept)}; 5 s later ${shown(after)}; ${memory}`);
  } finally {
    await world.close();
  }
}

export const hostile: Case = {
  name: 'hostile',
  title: 'A well-behaved guest beside a hostile one',
  programs: ['chrt', 'prlimit', 'taskset'],
  async run(context) {
    const { rounds, quick, attacks } = context;
    const wanted = attacks ?? (quick ? ['none', 'syn-closed'] : undefined);
    const unknown = wanted?.find((name) => ATTACKS.every((one) => one.name !== name));
    if (unknown !== undefined) {
      throw new Error(`no attack '${unknown}', but: ${ATTACKS.map(({ name }) => name).join(' ')}`);
    }
    const chosen = ATTACKS.filter(({ name }) => wanted?.includes(name) ?? true);
    const collector = new Collector(hostile.name, hostile.title);
    for (let round = 1; round <= rounds; round++) {
      for (const attack of chosen) {
        await collector.attempt(attack.title, () => measure(context, attack, collector, round));
      }
    }
    for (const { title } of chosen) {
      for (const when of ['', ', 5 s later']) {
        const cell = `${title}${when}`;
        for (const part of PARTS)
          collector.demand(`${cell}: ${part}`, collector.medianOf(cell, 'netyard', part), LEAST[part]);
        collector.demand(`${cell}: ms p99`, collector.medianOf(cell, 'netyard', 'ms p99'), P99_MS, 'less');
      }
      const memory = collector.medianOf(title, 'netyard', 'MiB RSS more');
      collector.demand(`${title}: MiB RSS more`, memory, MEMORY_MB, 'less');
    }
    return collector.report();
  },
};
