import { expect, it } from 'vitest';
import { parseQmpDevice } from '../monitor/index.ts';
import { type FileOwners, keptCapabilities } from './privileges.ts';

const LOW_PORTS = 1 << 10;
const INTERFACES = 1 << 12;
const RAW = 1 << 13;
const OWNERS = 1 << 0;
/** CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER. */
const FILES = OWNERS | (1 << 1) | (1 << 3);

const files: FileOwners = {
  isOthers: (path) => path.startsWith('/home/alice'),
  mayBecomeOthers: (path) => path.startsWith('/tmp'),
};
const monitor = (device: string) => ({
  option: { name: 'qmp', argument: device },
  spec: { device: parseQmpDevice(device), pretty: false },
});
const kept = (netdevs: object[], monitors: string[] = [], paths: string[] = []) =>
  keptCapabilities({ netdevs, monitors: monitors.map(monitor), paths }, files);
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
