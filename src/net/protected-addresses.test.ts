import { expect, it } from 'vitest';
import type { InetAddress } from './host.ts';
import { ProtectedAddresses } from './protected-addresses.ts';

const at = (host: string, port = 4444): InetAddress => ({ family: host.includes(':') ? 'ipv6' : 'ipv4', host, port });
const isOwn = (host: string): boolean => host.startsWith('127.') || ['192.0.2.1', '2001:db8::1'].includes(host);

it.each<[string, string, boolean]>([
  ['127.0.0.1', '127.0.0.1', true],
  ['127.0.0.1', '127.0.0.2', false],
  ['127.0.0.1', '192.0.2.1', false],
  ['::ffff:127.0.0.1', '127.0.0.1', true],
  ['192.0.2.1', '192.0.2.1', true],
  ['192.0.2.1', '127.0.0.1', false],
  ['0.0.0.0', '127.0.0.1', true],
  ['0.0.0.0', '127.9.9.9', true],
  ['0.0.0.0', '192.0.2.1', true],
  ['0.0.0.0', '198.51.100.7', false],
  ['::', '192.0.2.1', true],
  ['::', '2001:db8::1', true],
  ['::', '2001:db8::2', false],
  ['::1', '::1', true],
])('a listener on %s: %s leads to it: %s', (listener, to, leads) => {
  const addresses = new ProtectedAddresses();
  const remove = addresses.add(at(listener));
  expect(addresses.includes(at(to), isOwn)).toBe(leads);
  expect(addresses.includes(at(to, 4445), isOwn)).toBe(false);
  remove();
  expect(addresses.includes(at(to), isOwn)).toBe(false);
});

it('two monitors on one address are two', () => {
  const addresses = new ProtectedAddresses();
  const remove = addresses.add(at('127.0.0.1'));
  addresses.add(at('127.0.0.1'));
  remove();
  expect(addresses.includes(at('127.0.0.1'), isOwn)).toBe(true);
});
