import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { nativeDrivers, portableDrivers } from '../netdevs/index.ts';
import { Yard } from '../yard/index.ts';
import { asksForHelp } from './netdev-arguments.ts';
import { addNetdevs, isDoorless, namedDescriptors, peerlessWarnings, readNetdevs } from './netdevs.ts';

let yard: Yard;
let warnings: string[];
beforeEach(() => {
  yard = new Yard(
    { host: createTestHost().host, drivers: { ...portableDrivers, ...nativeDrivers }, version: '0' },
    { switch: false },
  );
  warnings = [];
});
afterEach(() => yard.close());

const add = async (...texts: string[]): Promise<string> => {
  try {
    await addNetdevs(yard, await readNetdevs(yard, texts, (line) => warnings.push(line)));
    return yard.netdevs.ids().join(' ');
  } catch (error) {
    return (error as Error).message;
  }
};

describe('addNetdevs', () => {
  it('starts JSON and dotted keys before traditional ones', async () => {
    expect(await add('hubport,id=h,hubid=0,netdev=u', 'user,id=v', '{"type":"user","id":"u"}')).toBe('u h v');
  });

  it.each([
    [['user,id=a', 'user,id=a'], "-netdev user,id=a: Duplicate ID 'a' for netdev"],
    [['user,id=a', '{"type":"user","id":"a"}'], "-netdev user,id=a: Duplicate ID 'a'"],
    [['user,id=a,bogus=1', 'user,id=b', 'user,id=b'], "-netdev user,id=b: Duplicate ID 'b' for netdev"],
    [['user,id=a,bogus=1', '{"type":"user"}'], '-netdev {"type":"user"}: Parameter \'id\' is missing'],
    [['hubport,id=h,hubid=0,netdev=u', 'user,id=u'], "-netdev hubport,id=h,hubid=0,netdev=u: netdev 'u' not found"],
    [['user', 'user'], "-netdev user: Parameter 'id' is missing"],
  ])('%j', async (texts, message) => {
    expect(await add(...texts)).toBe(message);
  });

  it.each([
    ['user,id=a,hostfwd=tcp::x-:22', "Invalid host forwarding rule 'tcp::x-:22' (Bad host port)"],
    ['user,id=a,ipv6=on,ipv6-net=fd00::/64', "IPv6 ('ipv6' on) of netdev"],
    ['user,id=a,ipv4=on,ipv6=on', "IPv6 ('ipv6' on) of netdev 'user' is not available in this version"],
    ['socket,id=a', 'exactly one of listen=, connect=, mcast= or udp= is required'],
    ['stream,id=a,server=on,reconnect=1,addr.type=unix,addr.path=/x', "'reconnect' option is incompatible"],
    ['tap,id=a,fd=1,ifname=x', 'are invalid with fd='],
    ['l2tpv3,id=a,src=::1,dst=::1,txsession=1,udp=on', 'need both src and dst port for udp'],
    [
      'passt,id=a',
      "network backend 'passt' is not compiled into this binary\nnot in this version: `user` does the same",
    ],
  ])('reading alone finds what is wrong with %s', async (text, message) => {
    await expect(readNetdevs(yard, [text], () => {})).rejects.toThrow(message);
    expect(yard.netdevs.ids()).toEqual([]);
  });

  it.each([
    [['user,id=a', 'hubport,id=h,hubid=0'], true],
    [['user,id=a', 'listener,id=l,addr.type=unix,addr.path=/x'], false],
    [['socket,id=s,listen=:0'], false],
    [[], false],
  ])('%j: whether no guest can join', async (texts, expected) => {
    expect(isDoorless(await readNetdevs(yard, texts, () => {}))).toBe(expected);
  });

  it('warns of short forms even when the argument is refused later', async () => {
    expect(await add('id=a,user')).toBe("-netdev id=a,user: Parameter 'type' is missing");
    expect(warnings).toEqual([
      "-netdev id=a,user: warning: short-form boolean option 'user' deprecated\nPlease use user=on instead",
    ]);
  });
});

it('peerlessWarnings names ports of hubs, then every client', async () => {
  await add('user,id=u', 'hubport,id=h,hubid=0,netdev=u', 'hubport,id=i,hubid=0', 'user,id=v');
  expect(peerlessWarnings(yard)).toEqual(['hub port i has no peer', 'netdev i has no peer', 'netdev v has no peer']);
});

it.each([
  ['help', true],
  ['?', true],
  ['type=help,id=a', true],
  ['user,help', false],
  ['helper', false],
])('asksForHelp %s', (text, expected) => expect(asksForHelp(text)).toBe(expected));

it.each([
  ['socket,id=w,fd=1', [1]],
  ['tap,id=t,fds=5:6,vhostfds=7:8', [5, 6, 7, 8]],
  ['stream,id=s,addr.type=fd,addr.str=2', [2]],
  ['{"type":"dgram","id":"d","local":{"type":"fd","str":"1"}}', [1]],
  ['stream,id=s,addr.type=fd,addr.str=name', []],
  ['user,id=u,hostfwd=tcp::1-:1', []],
  ['socket,id=w,fd=1,nonsense=2', []],
])('namedDescriptors of %s', (text, expected) => expect(namedDescriptors(yard, [text])).toEqual(expected));
