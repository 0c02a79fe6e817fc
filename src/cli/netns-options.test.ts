import { describe, expect, it } from 'vitest';
import { forwardRule, readNetnsOptions } from './netns-options.ts';

const given = { mtu: '65520', publish: [], deny: [], net: '10.0.2.0/24', tap: 'tap0' };

describe('--publish', () => {
  it.each([
    ['8080:80', 'tcp::8080-:80'],
    ['127.0.0.1:8080:80', 'tcp:127.0.0.1:8080-:80'],
    ['0:80/tcp', 'tcp::0-:80'],
    ['10.1.2.3:53:5353/udp', 'udp:10.1.2.3:53-:5353'],
  ])('%s is %s', (text, rule) => expect(forwardRule(text)).toBe(rule));

  it.each([
    '',
    '80',
    ':80',
    '8080:',
    '8080:0',
    '65536:80',
    '80:65536',
    '1.2.3:80:80',
    '[::1]:80:80',
    '80:80/sctp',
    '80:80,x=y',
  ])('%j is refused', (text) => expect(() => forwardRule(text)).toThrow(/--publish .*expected/));
});

describe('numbers and names', () => {
  it.each(['67', '65522', '1e3', '-1', '0x500', '1500 ', ''])('--mtu %j is refused', (mtu) => {
    expect(() => readNetnsOptions({ ...given, mtu })).toThrow(/--mtu/);
  });

  it.each(['', '.', '..', 'a/b', 'a b', 'tap%d', 'a:1', 'abcdefghijklmnop', 'ääääääää'])(
    '--tap %j is refused',
    (tap) => {
      expect(() => readNetnsOptions({ ...given, tap })).toThrow(/--tap/);
    },
  );

  it('loopback of the host is open when it is asked for, its addresses closed when they are denied', () => {
    const asked = readNetnsOptions({ ...given, hostLoopback: true, deny: ['host', 'host'] });
    expect([asked.hostLoopback, asked.hostAddresses]).toEqual([true, false]);
    expect(() => readNetnsOptions({ ...given, deny: ['hosts'] })).toThrow("--deny hosts: expected 'host'");
  });

  it('what is not given is not there', () => {
    expect(readNetnsOptions(given)).toEqual({
      mtu: 65520,
      forwards: [],
      hostLoopback: false,
      hostAddresses: true,
      net: '10.0.2.0/24',
      tap: 'tap0',
      userNamespace: undefined,
      readyDescriptor: undefined,
    });
  });
});
