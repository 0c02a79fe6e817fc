/**
 * The rights that a yard keeps. Guests and peers may be hostile: what their frames reach should be able to do no more than
 * the netdevs need.
 */
import { realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { MonitorRequest } from './monitor-requests.ts';

/** linux/capability.h */
const CHOWN = 1 << 0;
const DAC_OVERRIDE = 1 << 1;
const FOWNER = 1 << 3;
const NET_BIND_SERVICE = 1 << 10;
const NET_ADMIN = 1 << 12;
const NET_RAW = 1 << 13;

const FILES = CHOWN | DAC_OVERRIDE | FOWNER;
/** Members that are paths, also relative ones. */
const PATHS = new Set(['leases', 'map-path', 'path', 'smb', 'tftp']);

export interface Needs {
  /** Options of the netdevs, as they were read. */
  readonly netdevs: readonly object[];
  readonly monitors: readonly MonitorRequest[];
  /** Folders and files that are used besides. */
  readonly paths: readonly string[];
  /** Those that the program itself is read from. */
  readonly program: readonly string[];
}

/**
 * The set of capabilities that a yard with these needs keeps, as a number; undefined: everything stays as it is.
 *
 * Always: ports below 1024. With a monitor, whatever of the network may be asked for there later: interfaces and raw
 * sockets. Without one: interfaces for `tap` and `bridge`, raw sockets for `l2tpv3` and for `user` (ICMP errors of its
 * forwards). To change owners: where a group is named, and `vde`. To use the files of others: where a path leads through a
 * folder of somebody else. To read netyard itself: where its owner lets nobody else.
 * @param capabilities what this process has now
 */
export function keptCapabilities(
  needs: Needs,
  capabilities: bigint,
  files: FileOwners = fileOwners,
): number | undefined {
  const { netdevs, monitors } = needs;
  if (netdevs.some((netdev) => runsProgram(netdev, capabilities))) return undefined;
  const types = netdevs.map((netdev) => textOf(netdev, 'type'));
  let kept = NET_BIND_SERVICE;
  if (monitors.length > 0) kept |= NET_ADMIN | NET_RAW;
  if (types.includes('tap') || types.includes('bridge')) kept |= NET_ADMIN;
  if (types.includes('l2tpv3') || types.includes('user')) kept |= NET_RAW;
  if (types.includes('vde') || netdevs.some((netdev) => 'group' in netdev)) kept |= CHOWN;
  const paths = [...needs.paths, ...netdevs.flatMap(pathsIn), ...monitors.flatMap(monitorPath)];
  const awaited = [...netdevs.filter(connects).flatMap(pathsIn), ...monitors.filter(isClient).flatMap(monitorPath)];
  if (paths.some((path) => files.isOthers(path)) || awaited.some((path) => files.mayBecomeOthers(path))) kept |= FILES;
  if (needs.program.some((path) => files.isClosed(path))) kept |= DAC_OVERRIDE;
  return kept;
}

export interface FileOwners {
  /** Somebody else has it, or a folder above it. */
  isOthers(path: string): boolean;
  /** It is not there yet, and others may put something there. */
  mayBecomeOthers(path: string): boolean;
  /** Somebody else has it, or a folder above it, and lets nobody in. */
  isClosed(path: string): boolean;
}

/** Whether a script or helper is started for it. */
function runsProgram(netdev: object, capabilities: bigint): boolean {
  const type = textOf(netdev, 'type');
  if (textOf(netdev, 'helper') !== undefined) return true;
  if (type === 'bridge') return (capabilities & BigInt(NET_ADMIN)) === 0n;
  const isOpen = 'fd' in netdev || 'fds' in netdev;
  return type === 'tap' && !isOpen && (textOf(netdev, 'script') !== 'no' || textOf(netdev, 'downscript') !== 'no');
}

const textOf = (from: object, name: string): string | undefined => {
  const value: unknown = Object.hasOwn(from, name) ? (from as Record<string, unknown>)[name] : undefined;
  return typeof value === 'string' ? value : undefined;
};

function pathsIn(options: object): string[] {
  if ('abstract' in options && options.abstract === true) return [];
  return Object.entries(options).flatMap(([key, value]: [string, unknown]) => {
    if (typeof value === 'object' && value !== null) return pathsIn(value);
    return typeof value === 'string' && (PATHS.has(key) || value.startsWith('/')) ? [resolve(value)] : [];
  });
}

function monitorPath({ spec: { device } }: MonitorRequest): string[] {
  return device.kind === 'socket' && 'path' in device.address ? [resolve(device.address.path)] : [];
}

const connects = (netdev: object): boolean =>
  textOf(netdev, 'type') === 'stream' && !('server' in netdev && netdev.server === true);

const isClient = ({ spec: { device } }: MonitorRequest): boolean => device.kind === 'socket' && !device.server;

const EVERYBODY_WRITES = 0o002;
const EVERYBODY_READS = 0o004;
const EVERYBODY_ENTERS = 0o001;

const fileOwners: FileOwners = {
  isOthers: (path) => upwards(path).some((found) => found === 'hidden' || (found !== undefined && isForeign(found))),
  mayBecomeOthers: (path) => {
    if (statOf(path) !== undefined) return false;
    const folder = statOf(dirname(path));
    return folder === undefined || folder === 'hidden' || (folder.mode & EVERYBODY_WRITES) !== 0;
  },
  isClosed: (path) =>
    [path, realPath(path)].some((way) =>
      upwards(way).some((found, i) => {
        if (found === 'hidden') return true;
        if (found === undefined || !isForeign(found)) return false;
        const wanted = (i === 0 ? EVERYBODY_READS : 0) | (found.isDirectory() ? EVERYBODY_ENTERS : 0);
        return (found.mode & wanted) !== wanted;
      }),
    ),
};

/** Of a path, and of the folders above it. */
function upwards(path: string): (Stats | 'hidden' | undefined)[] {
  const above = dirname(path);
  return [statOf(path), ...(above === path ? [] : upwards(above))];
}

const isForeign = ({ uid }: Stats): boolean => uid !== process.geteuid?.() && uid !== 0;

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** undefined: there is none. */
function statOf(path: string): Stats | 'hidden' | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return 'hidden';
  }
}
