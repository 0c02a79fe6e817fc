import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseQmpDevice } from '../monitor/index.ts';
import { type FileOwners, keptCapabilities } from './privileges.ts';

const LOW_PORTS = 1 << 10;
const INTERFACES = 1 << 12;
const RAW = 1 << 13;
const OWNERS = 1 << 0;
const DAC_OVERRIDE = 1 << 1;
/** CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER. */
const FILES = OWNERS | DAC_OVERRIDE | (1 << 3);

const files: FileOwners = {
  isOthers: (path) => path.startsWith('/home/alice') || path === join(process.cwd(), 'theirs'),
  mayBecomeOthers: (path) => path.startsWith('/tmp'),
  isClosed: (path) => path.startsWith('/home/alice'),
};
const monitor = (device: string) => ({
  option: { name: 'qmp', argument: device },
  spec: { device: parseQmpDevice(device), pretty: false },
});
const ALL = (1n << 41n) - 1n;
const kept = (netdevs: object[], monitors: string[] = [], paths: string[] = []) =>
  keptCapabilities({ netdevs, monitors: monitors.map(monitor), paths, program: [] }, ALL, files);
const LISTENING = 'unix:/run/q,server=on,wait=off';
const unix = (path: string) => ({ type: 'unix', path });

it.each<[string, object, number]>([
  ['hubport', { type: 'hubport', id: 'a', hubid: 0 }, LOW_PORTS],
  ['user', { type: 'user', id: 'a' }, LOW_PORTS | RAW],
  ['tap', { type: 'tap', id: 'a', script: 'no', downscript: 'no' }, LOW_PORTS | INTERFACES],
  ['tap on a descriptor', { type: 'tap', id: 'a', fd: '3' }, LOW_PORTS | INTERFACES],
  ['l2tpv3', { type: 'l2tpv3', id: 'a' }, LOW_PORTS | RAW],
  ['vde', { type: 'vde', id: 'a', sock: '/run/vde' }, LOW_PORTS | OWNERS],
  ['a group', { type: 'listener', id: 'a', addr: unix('/run/l'), group: 'kvm' }, LOW_PORTS | OWNERS],
  ['a listener in /tmp', { type: 'listener', id: 'a', addr: unix('/tmp/l') }, LOW_PORTS],
  ['a server in /tmp', { type: 'stream', id: 'a', addr: unix('/tmp/l'), server: true }, LOW_PORTS],
  ['a client of what may come in /tmp', { type: 'stream', id: 'a', addr: unix('/tmp/l') }, LOW_PORTS | FILES],
  ["somebody else's folder", { type: 'listener', id: 'a', addr: unix('/home/alice/l') }, LOW_PORTS | FILES],
  ['a relative path', { type: 'listener', id: 'a', addr: unix('theirs') }, LOW_PORTS | FILES],
  ['a relative folder', { type: 'user', id: 'a', tftp: './theirs' }, LOW_PORTS | RAW | FILES],
  ['a name that is no path', { type: 'listener', id: 'a', addr: unix('l'), group: 'theirs' }, LOW_PORTS | OWNERS],
  ['an abstract socket', { type: 'listener', id: 'a', addr: { ...unix('theirs'), abstract: true } }, LOW_PORTS],
])('without a monitor, %s', (_, netdev, expected) => expect(kept([netdev])).toBe(expected));

it('a monitor may ask for interfaces and raw sockets', () => {
  expect(kept([{ type: 'user', id: 'a' }], [LISTENING])).toBe(LOW_PORTS | INTERFACES | RAW);
});

it('paths of monitors and folders of the yard count as well', () => {
  const network = LOW_PORTS | INTERFACES | RAW;
  expect(kept([], ['unix:/home/alice/q,server=on,wait=off'])).toBe(network | FILES);
  expect(kept([], ['unix:/tmp/q'])).toBe(network | FILES);
  expect(kept([], [], ['/home/alice/.local/state'])).toBe(LOW_PORTS | FILES);
});

it.each([
  { type: 'tap', id: 'a' },
  { type: 'tap', id: 'a', script: 'no' },
  { type: 'tap', id: 'a', script: 'no', downscript: '/etc/down' },
  { type: 'tap', id: 'a', helper: '/usr/lib/qemu/qemu-bridge-helper' },
  { type: 'bridge', id: 'a', helper: '/usr/lib/qemu/qemu-bridge-helper' },
])('%j starts a program, which needs what it needs', (netdev) => {
  expect(kept([netdev])).toBeUndefined();
});

it('a program that its owner lets nobody read is read all the same', () => {
  const program = (path: string) =>
    keptCapabilities({ netdevs: [], monitors: [], paths: [], program: [path] }, ALL, files);
  expect(program('/home/alice/bin/node')).toBe(LOW_PORTS | DAC_OVERRIDE);
  expect(program('/usr/bin/node')).toBe(LOW_PORTS);
});

it('a bridge without the right to make it is made by a program', () => {
  const needs = { netdevs: [{ type: 'bridge', id: 'a' }], monitors: [], paths: [], program: [] };
  expect(keptCapabilities(needs, ALL, files)).toBe(LOW_PORTS | INTERFACES);
  expect(keptCapabilities(needs, BigInt(INTERFACES), files)).toBe(LOW_PORTS | INTERFACES);
  expect(keptCapabilities(needs, BigInt(LOW_PORTS), files)).toBeUndefined();
});
