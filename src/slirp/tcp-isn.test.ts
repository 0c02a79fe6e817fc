import { expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { ipv4Address } from './address.ts';
import { halfSipHash, IsnGenerator } from './tcp-isn.ts';

it('hashes as HalfSipHash-2-4 does', () => {
  // The reference implementation's first vector: key 00..07, no input.
  const hash = (words: number[]) => halfSipHash(0x03020100, 0x07060504, Uint32Array.from(words));
  expect(hash([0])).toBe(0x5b9f35a9);
});

it('grows with time for one 4-tuple, and tells nothing about another', () => {
  const { host } = createTestHost();
  const isn = new IsnGenerator(host.random);
  const guest = ipv4Address(0x0a00020f);
  const remote = ipv4Address(0x0a000202);
  const first = isn.next(guest, 5000, remote, 80, 1000);
  expect(isn.next(guest, 5000, remote, 80, 1000)).toBe(first);
  expect((isn.next(guest, 5000, remote, 80, 2000) - first) >>> 0).toBe(250_000);
  const others = new Set<number>();
  for (let port = 1; port <= 200; port++) others.add(isn.next(guest, 5000, remote, port, 1000));
  expect(others.size).toBeGreaterThan(195);
  expect(new IsnGenerator(host.random).next(guest, 5000, remote, 80, 1000)).not.toBe(first);
});
