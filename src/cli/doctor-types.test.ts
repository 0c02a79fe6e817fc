import { describe, expect, it } from 'vitest';
import type { Capability, HostFacts } from './doctor-probes.ts';
import { examine, TYPES } from './doctor-types.ts';

/** A host on which everything works. */
const able: HostFacts = {
  native: { path: '/addon.node' },
  tun: undefined,
  ping: undefined,
  namespaces: undefined,
  bridgeHelper: { path: '/helper', isPrivileged: true },
  bridgeList: true,
  vdeSwitch: '/var/run/vde.ctl',
  firstFreePort: 1024,
  has: () => true,
};
const withoutRights = { has: (_: Capability) => false };
const withoutAddon = { native: { reason: 'not built' } };

const verdict = (type: string, facts: Partial<HostFacts>) => examine(type, { ...able, ...facts }).verdict;
const notes = (type: string, facts: Partial<HostFacts>) => examine(type, { ...able, ...facts }).notes.join('\n');

describe('doctor', () => {
  it('finds nothing where nothing is missing', () => {
    const findings = TYPES.map((type) => examine(type, able));
    const works = findings.filter(({ verdict: word }) => word !== 'unavailable');
    expect(works.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['user', 'tap', 'bridge', 'l2tpv3', 'vde', 'stream', 'dgram', 'hubport', 'netns']),
    );
    expect(works.filter((finding) => finding.verdict !== 'yes' || finding.notes.length > 0)).toEqual([]);
  });

  it('says of what this version does not have that it does not', () => {
    for (const type of ['af-xdp', 'netmap', 'vhost-user', 'vhost-vdpa', 'passt']) {
      expect(verdict(type, {})).toBe('unavailable');
    }
  });

  it.each([
    ['tap', 'no'],
    ['bridge', 'no'],
    ['l2tpv3', 'no'],
    ['vde', 'no'],
    ['netns', 'no'],
    ['user', 'partly'],
    ['dgram', 'partly'],
    ['hubport', 'yes'],
  ])('without the addon %s: %s', (type, expected) => {
    expect(verdict(type, withoutAddon)).toBe(expected);
    if (expected !== 'yes') expect(notes(type, withoutAddon)).toContain('netyard doctor --build');
  });

  it.each([
    ['tap', withoutRights, 'partly', 'CAP_NET_ADMIN'],
    ['tap', { tun: 'ENOENT' }, 'no', 'modprobe tun'],
    ['tap', { tun: 'EACCES' }, 'no', '(EACCES)'],
    ['l2tpv3', withoutRights, 'partly', 'CAP_NET_RAW'],
    ['bridge', withoutRights, 'yes', ''],
    ['bridge', { ...withoutRights, bridgeHelper: { path: '/h', isPrivileged: false } }, 'no', 'chmod u+s /h'],
    ['bridge', { ...withoutRights, bridgeHelper: undefined }, 'no', 'apt-get install qemu-system-common'],
    ['bridge', { bridgeList: false }, 'yes', '/etc/qemu/bridge.conf'],
    ['vde', { vdeSwitch: undefined }, 'yes', 'vde_switch'],
    ['user', { ping: 'EACCES' }, 'partly', 'ping_group_range'],
    ['user', withoutRights, 'yes', 'below 1024'],
    ['user', { ...withoutRights, firstFreePort: 0 }, 'yes', ''],
    ['netns', { namespaces: 'sysctl -w' }, 'partly', 'sysctl -w'],
  ])('%s on a host with %j: %s', (type, facts, expected, text) => {
    expect(verdict(type, facts)).toBe(expected);
    if (text === '') expect(notes(type, facts)).toBe('');
    else expect(notes(type, facts)).toContain(text);
  });
});
