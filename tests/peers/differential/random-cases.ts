/** Cases by seed: options of `user` put together, traditional option texts, and requests with faulty bytes. */
import { mutate } from '../../kit/mutate.ts';
import type { Prng } from '../../kit/prng.ts';
import type { Exchange } from './raw-qmp.ts';

/** Values that are right, odd and wrong, by member; options that netyard does not have yet are left out. */
const USER: Readonly<Record<string, readonly string[]>> = {
  restrict: ['on', 'off', 'maybe'],
  ipv4: ['on', 'off'],
  ipv6: ['on', 'off', '1'],
  net: [
    '10.0.2.0/24',
    '10.0.2.0/29',
    '10.0.2.0/30',
    '10.0.0.0/8',
    '192.168.76.0',
    '200.1.2.0',
    '10/8',
    'x',
    '10.0.2.0/x',
  ],
  ip: ['10.1.1.0', '10.0.2.0', 'x'],
  host: ['10.0.2.2', '10.0.2.3', '10.0.2.9', '10.0.3.2', '192.168.0.9', 'x', ''],
  dns: ['10.0.2.3', '10.0.2.2', '8.8.8.8', '10.0.2.15', 'x'],
  dhcpstart: ['10.0.2.15', '10.0.2.2', '10.0.2.3', '10.0.2.100', '10.0.9.1', 'x'],
  smbserver: ['10.0.2.4', 'x'],
  'ipv6-prefix': ['fec0::', 'fd00:1::', '::', 'x', 'fec0::/64'],
  'ipv6-prefixlen': ['64', '0', '126', '127', '-1', '48', '0x40'],
  'ipv6-host': ['fec0::2', 'fd00:1::2', 'fe80::1', 'x'],
  'ipv6-dns': ['fec0::3', '::1', 'fd00:1::9', 'x'],
  domainname: ['example.org', '', 'd'.repeat(255), 'd'.repeat(256)],
  hostname: ['guest', '', 'h'.repeat(256)],
  'tftp-server-name': ['boot', 't'.repeat(256)],
  bootfile: ['pxe.0', ''],
  dnssearch: ['example.org', 'lan'],
  hostfwd: ['tcp:127.0.0.1:0-:22', 'udp:127.0.0.1:0-10.0.2.20:53', 'tcp:127.0.0.1:0-:0', 'x', ':::', 'tcp:1:2-3:4'],
};
const BOOLEAN = new Set(['restrict', 'ipv4', 'ipv6']);
const LISTS = new Set(['dnssearch', 'hostfwd']);

const pick = <T>(list: readonly T[], random: Prng): T => list[random.below(list.length)]!;

/** Some members, each once. */
function members(random: Prng, most: number): [name: string, value: string][] {
  const names = new Set(Array.from({ length: 1 + random.below(most) }, () => pick(Object.keys(USER), random)));
  return [...names].map((name) => [name, pick(USER[name]!, random)]);
}

/** netdev_add of `user` with several members, right and wrong: which check comes first. */
export function userRequests(random: Prng, count: number): Exchange[] {
  return Array.from({ length: count }, () => {
    const options = members(random, 5).map(([name, text]): [string, unknown] => {
      if (BOOLEAN.has(name)) return [name, text === 'on'];
      if (name === 'ipv6-prefixlen') return [name, Number(text)];
      return [name, LISTS.has(name) ? [{ str: text }] : text];
    });
    return {
      text: JSON.stringify({
        execute: 'netdev_add',
        arguments: { type: 'user', id: 'r', ...Object.fromEntries(options) },
      }),
      cleanup: '{"execute":"netdev_del","arguments":{"id":"r"}}',
    };
  });
}

/** Traditional options through the human monitor: flags, repeated and empty keys, doubled and missing separators. */
export function optionTexts(random: Prng, count: number): string[] {
  const first = [
    'user',
    'user',
    'user',
    'type=user',
    'hubport',
    'none',
    'bogus',
    'socket',
    'id=a',
    '',
    '=user',
    'user,,',
  ];
  const ids = ['id=a', 'id=a', 'id=a', 'id=b', 'id', 'noid', 'id=1a', 'id=', 'id=a,,b', ''];
  const odd = [
    '',
    '=',
    '=x',
    'x',
    'nox',
    'no',
    'help',
    'restrict',
    'norestrict',
    'ipv6=,,',
    'hostname=a,,,,b',
    'hostname=',
  ];
  const others = [
    'hubid=0',
    'hubid=x',
    'hubid=',
    'listen=x',
    'ipv6-net=fec0::/64',
    'ipv6-net=fec0::',
    'ipv6-net=',
    'type=user',
  ];
  const item = (): string => {
    const roll = random.below(10);
    if (roll < 5) {
      const [name, value] = members(random, 1)[0]!;
      return `${name}=${value}`;
    }
    return pick(roll < 8 ? odd : others, random);
  };
  return Array.from({ length: count }, () => {
    // In the human monitor the last of several counts: compatibility.md, monitor-repeated-keys.
    const items = Array.from({ length: random.below(4) }, item).filter((text, at, all) => {
      const key = /^(hostfwd|ipv6-net)=/.exec(text)?.[0];
      return key === undefined || all.findIndex((other) => other.startsWith(key)) === at;
    });
    items.splice(random.below(items.length + 1), 0, pick(ids, random));
    return [pick(first, random), ...items].join(random.below(12) === 0 ? ',,' : ',');
  });
}

/** Requests with some bytes wrong. The byte 0xFF at the end brings any reader back to its start. */
export function faultyRequests(random: Prng, count: number): Exchange[] {
  const seeds = [
    '{"execute":"query-name","id":1}',
    '{"execute":"query-name","id":{"a":[1,-2.5,true,null,"x\\n\\u00e9"]}}',
    '{"execute":"nope","arguments":{"a":{"b":[[],{}]}}}',
    '{"execute":"netdev_del","arguments":{"id":"nope"}}',
    '{"execute":"set_link","arguments":{"name":"nope","up":false},"id":"s"}',
    "{'execute':'query-rx-filter','arguments':{'name':'\\'\"'}}",
    '[{"execute":"x"},12345678901234567890,1e5,-0,"\\ud83d\\ude00"]',
  ];
  return Array.from({ length: count }, () => {
    const bytes = mutate(Buffer.from(pick(seeds, random)), () => random.fraction());
    return {
      text: JSON.stringify(Buffer.from(bytes).toString('latin1')),
      bytes: Buffer.concat([bytes, Buffer.of(0xff)]),
    };
  });
}
