/** A guest namespace behind each of the programs compared: the guest is 10.0.2.15, and 10.0.2.2 is the host's loopback. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ip, type Namespace, type Running, type World } from './world.ts';

export const ROOT = join(import.meta.dirname, '..', '..', '..');
export const PROGRAM = join(ROOT, 'dist', 'program', 'main.js');
export const HOST_FROM_GUEST = '10.0.2.2';

export interface Link {
  readonly name: string;
  /** Where the guest's programs run. */
  readonly guest: Namespace;
  /** The program under test. */
  readonly process: Running;
}

export interface LinkOptions {
  readonly mtu: number;
  /** The namespace that plays the host; the machine itself unless set. */
  readonly host?: Namespace;
}

export type StartLink = (world: World, options: LinkOptions) => Promise<Link>;

export async function startNetyard(world: World, options: LinkOptions): Promise<Link> {
  return startYard(world, options, [process.execPath, PROGRAM, '-name', world.uniqueName('bench')]);
}

/** As startNetyard, but with the sockets of node:net. */
export async function startNetyardOnNode(world: World, options: LinkOptions): Promise<Link> {
  const script = join(ROOT, 'bench', 'compare', 'kit', 'node-yard.ts');
  return {
    ...(await startYard(world, options, [process.execPath, '--import', 'tsx', script])),
    name: 'netyard node:net',
  };
}

/** `argv` takes the netdevs; `more` are further options of the yard. */
export async function startYard(
  world: World,
  options: LinkOptions,
  argv: readonly string[],
  more: readonly string[] = [],
): Promise<Link> {
  const tap = world.uniqueName('nyt');
  const netdevs = ['-netdev', 'user,id=u', '-netdev', `tap,id=t,ifname=${tap},script=no,downscript=no`];
  const process = world.start([...argv, ...netdevs, ...more], options.host);
  const guest = await adoptTap(world, process, tap, options);
  return { name: 'netyard', guest, process };
}

/** Waits for the tap and makes it the guest's interface, addressed as DHCP would have it. */
export async function adoptTap(
  world: World,
  process: Running,
  tap: string,
  { mtu, host }: LinkOptions,
  address = '10.0.2.15',
): Promise<Namespace> {
  const inHost = host === undefined ? [] : ['-n', host.name];
  await process.until(() =>
    ip(...inHost, 'link', 'show', 'dev', tap).then(
      () => true,
      () => false,
    ),
  );
  const guest = await world.namespace();
  await ip(...inHost, 'link', 'set', tap, 'netns', guest.name);
  await guest.ip('addr', 'add', `${address}/24`, 'dev', tap);
  await guest.ip('link', 'set', tap, 'mtu', String(mtu), 'up');
  await guest.ip('route', 'add', 'default', 'via', HOST_FROM_GUEST);
  return guest;
}

export async function startSlirp4netns(world: World, { mtu, host }: LinkOptions): Promise<Link> {
  const guest = await world.namespace();
  const words = ['slirp4netns', '--configure', `--mtu=${mtu}`, '--netns-type=path', guest.path, 'tap0'];
  const process = world.start(words, host);
  await process.until(() => guest.hasAddress('tap0'));
  return { name: 'slirp4netns', guest, process };
}

export async function startPasta(world: World, { mtu, host }: LinkOptions): Promise<Link> {
  const guest = await world.namespace();
  const addresses = ['-4', '-a', '10.0.2.15', '-n', '24', '-g', HOST_FROM_GUEST];
  // Without automatic forwards: they would take the ports of the benchmark's own servers.
  const forwards = ['-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none'];
  const words = ['pasta', '--runas', '0:0', '--config-net', '-f', '-m', String(mtu), ...addresses, ...forwards];
  const process = world.start([...words, '-I', 'tap0', '--netns', guest.path], host);
  await process.until(() => guest.hasAddress('tap0'));
  return { name: 'pasta', guest, process };
}

export const LINKS: Readonly<Record<string, StartLink>> = {
  netyard: startNetyard,
  slirp4netns: startSlirp4netns,
  pasta: startPasta,
};

export const PEERS = ['slirp4netns', 'pasta'];

/** Why the program under test cannot run, if so. */
export function whyNoNetyard(): string | undefined {
  if (!existsSync(PROGRAM)) return 'the program is not built: npm run build';
  if (!existsSync(join(ROOT, 'native', 'build', 'netyard.node'))) return 'the native layer is not built: npm run build';
  return undefined;
}
