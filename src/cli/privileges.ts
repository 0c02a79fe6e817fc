/**
 * The rights that a yard keeps. Guests and peers may be hostile: what their frames reach should be able to do no more than
 * the netdevs need.
 *
 * A yard that has capabilities (root, most often) starts anew, before anything is open, with those left that its command
 * line needs, and with no_new_privs: the rule is `keptCapabilities`. Rights belong to threads, and Node has several of
 * them before the first line of ours runs; a new program has less in all. Under no_new_privs setuid programs get no rights,
 * qemu-bridge-helper for one. So where the command line names a program, nothing is given up, and without capabilities a
 * yard that has a monitor stays as it is: a bridge may be asked for there.
 */
import { readdirSync, readFileSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { loadNative } from '../node/index.ts';
import { parseNetdevArgument, Schema } from '../qapi/index.ts';
import { parseJsonText } from '../qmp/index.ts';
import { NETYARD_TABLE } from '../schema/net.ts';
import { type MonitorRequest, monitorDescriptors } from './monitors.ts';
import { descriptorsIn } from './netdevs.ts';
import { complain } from './output.ts';

/** linux/capability.h */
const CHOWN = 1 << 0;
const DAC_OVERRIDE = 1 << 1;
const FOWNER = 1 << 3;
const NET_BIND_SERVICE = 1 << 10;
const NET_ADMIN = 1 << 12;
const NET_RAW = 1 << 13;

const FILES = CHOWN | DAC_OVERRIDE | FOWNER;
/** Set for the program that was started anew, so that it is not again. */
const MARK = 'NETYARD_RESTARTED';

export interface Needs {
  /** Options of the netdevs, as they were read. */
  readonly netdevs: readonly object[];
  readonly monitors: readonly MonitorRequest[];
  /** Folders and files that are used besides. */
  readonly paths: readonly string[];
}

/**
 * The set of capabilities that a yard with these needs keeps, as a number; undefined: everything stays as it is.
 *
 * Always: ports below 1024. With a monitor, whatever of the network may be asked for there later: interfaces and raw
 * sockets. Without one: interfaces for `tap` and `bridge`, raw sockets for `l2tpv3` and for `user` (ICMP errors of its
 * forwards). To change owners: where a group is named, and `vde`. To use the files of others: where a path leads through a
 * folder of somebody else.
 */
export function keptCapabilities(needs: Needs, files: FileOwners = fileOwners): number | undefined {
  const { netdevs, monitors } = needs;
  if (netdevs.some(runsProgram)) return undefined;
  const types = netdevs.map((netdev) => textOf(netdev, 'type'));
  let kept = NET_BIND_SERVICE;
  if (monitors.length > 0) kept |= NET_ADMIN | NET_RAW;
  if (types.includes('tap') || types.includes('bridge')) kept |= NET_ADMIN;
  if (types.includes('l2tpv3') || types.includes('user')) kept |= NET_RAW;
  if (types.includes('vde') || netdevs.some((netdev) => 'group' in netdev)) kept |= CHOWN;
  const paths = [...needs.paths, ...netdevs.flatMap(pathsIn), ...monitors.flatMap(monitorPath)];
  const awaited = [...netdevs.filter(connects).flatMap(pathsIn), ...monitors.filter(isClient).flatMap(monitorPath)];
  if (paths.some((path) => files.isOthers(path)) || awaited.some((path) => files.mayBecomeOthers(path))) kept |= FILES;
  return kept;
}

export interface FileOwners {
  /** Somebody else has it, or a folder above it. */
  isOthers(path: string): boolean;
  /** It is not there yet, and others may put something there. */
  mayBecomeOthers(path: string): boolean;
}

/**
 * Starts this program anew with fewer rights, if it has some to give up. Returns if it has not, or cannot.
 * @param texts arguments of -netdev
 */
export function giveUpRights(
  texts: readonly string[],
  monitors: readonly MonitorRequest[],
  paths: readonly string[],
): void {
  const isRestarted = process.env[MARK] !== undefined;
  delete process.env[MARK];
  const rights = process.platform === 'linux' && !isRestarted ? ownRights() : undefined;
  // A parent that talks to us over node's own channel would lose it.
  if (rights === undefined || process.channel !== undefined) return;
  // Nothing to give up, and a monitor may ask for a helper.
  if (rights.capabilities === 0n && monitors.length > 0) return;
  const netdevs = readable(texts);
  const kept = keptCapabilities({ netdevs, monitors, paths });
  if (kept === undefined || (rights.noNewPrivs && (rights.capabilities & ~BigInt(kept)) === 0n)) return;
  const loaded = loadNative();
  if (!('binding' in loaded)) return;
  const { calls, restart, errnoName } = loaded.binding;
  // Node keeps what it inherits from programs that it starts.
  const inherited = inheritedDescriptors([...netdevs.flatMap(descriptorsIn), ...monitorDescriptors(monitors)]);
  for (const descriptor of inherited) calls.fcntlSetCloexec(descriptor, 0);
  process.env[MARK] = '1';
  const words = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const result = restart(kept, process.execPath, words);
  delete process.env[MARK];
  for (const descriptor of inherited) calls.fcntlSetCloexec(descriptor, 1);
  complain(`warning: this process has more rights than it needs: ${errnoName(-result)}`);
}

/**
 * Those this program was started with: a monitor may name them later, in netdev_add. Node's own are the event loops, and
 * pipes that have both ends here.
 * @param named what the command line says, whatever it is.
 */
function inheritedDescriptors(named: readonly number[]): number[] {
  const links = new Map<number, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      links.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The one that the folder was read with.
    }
  }
  const ends = [...links.values()];
  const isNodes = (link: string): boolean =>
    link.startsWith('anon_inode:') || (link.startsWith('pipe:') && ends.indexOf(link) !== ends.lastIndexOf(link));
  const others = [...links].filter(([, link]) => !isNodes(link)).map(([number]) => number);
  return [...new Set([0, 1, 2, ...named, ...others])];
}

interface Rights {
  readonly capabilities: bigint;
  readonly noNewPrivs: boolean;
}

function ownRights(): Rights | undefined {
  const text = readFileSync('/proc/self/status', 'utf8');
  const capabilities = /^CapPrm:\s*([0-9a-f]+)$/m.exec(text)?.[1];
  if (capabilities === undefined) return undefined;
  return { capabilities: BigInt(`0x${capabilities}`), noNewPrivs: /^NoNewPrivs:\s*1$/m.test(text) };
}

/** What cannot be read needs nothing: it will be refused. */
function readable(texts: readonly string[]): object[] {
  const schema = new Schema(NETYARD_TABLE);
  return texts.flatMap((text) => {
    try {
      return [parseNetdevArgument(schema, text, parseJsonText).value];
    } catch {
      return [];
    }
  });
}

/** Whether a script or helper is started for it. */
function runsProgram(netdev: object): boolean {
  const type = textOf(netdev, 'type');
  if (textOf(netdev, 'helper') !== undefined) return true;
  if (type === 'bridge') return process.geteuid?.() !== 0;
  const isOpen = 'fd' in netdev || 'fds' in netdev;
  return type === 'tap' && !isOpen && (textOf(netdev, 'script') !== 'no' || textOf(netdev, 'downscript') !== 'no');
}

const textOf = (from: object, name: string): string | undefined => {
  const value: unknown = Object.hasOwn(from, name) ? (from as Record<string, unknown>)[name] : undefined;
  return typeof value === 'string' ? value : undefined;
};

function pathsIn(options: object): string[] {
  return Object.values(options).flatMap((value: unknown) => {
    if (typeof value === 'object' && value !== null) return pathsIn(value);
    return typeof value === 'string' && value.startsWith('/') ? [value] : [];
  });
}

function monitorPath({ spec: { device } }: MonitorRequest): string[] {
  return device.kind === 'socket' && 'path' in device.address ? [device.address.path] : [];
}

const connects = (netdev: object): boolean =>
  textOf(netdev, 'type') === 'stream' && !('server' in netdev && netdev.server === true);

const isClient = ({ spec: { device } }: MonitorRequest): boolean => device.kind === 'socket' && !device.server;

const EVERYBODY_WRITES = 0o002;

const fileOwners: FileOwners = {
  isOthers: (path) => {
    const ours = process.geteuid?.();
    for (let at = path; ; at = dirname(at)) {
      const found = statOf(at);
      if (found === 'hidden' || (found !== undefined && found.uid !== ours && found.uid !== 0)) return true;
      if (at === dirname(at)) return false;
    }
  },
  mayBecomeOthers: (path) => {
    if (statOf(path) !== undefined) return false;
    const folder = statOf(dirname(path));
    return folder === undefined || folder === 'hidden' || (folder.mode & EVERYBODY_WRITES) !== 0;
  },
};

/** undefined: there is none. */
function statOf(path: string): Stats | 'hidden' | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return 'hidden';
  }
}
