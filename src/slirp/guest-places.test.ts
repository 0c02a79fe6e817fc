import { expect, it } from 'vitest';
import { ipv4Address } from './address.ts';
import { GuestPlaces } from './guest-places.ts';

const [a, b, c] = [1, 2, 3].map((n) => ipv4Address(0x0a000200 + n)) as [Uint32Array, Uint32Array, Uint32Array];

it('whoever has most gives up a place; among equals the one that wants it', () => {
  const places = new GuestPlaces();
  expect(places.loser(a)).toEqual(a);
  places.take(a);
  expect(places.loser(a)).toEqual(a);
  expect(places.loser(b)).toEqual(a);
  places.take(b);
  expect([places.loser(a), places.loser(b), places.loser(c)]).toEqual([a, b, a]);
  places.take(b.slice());
  expect([places.loser(a), places.loser(b), places.loser(c)]).toEqual([b, b, b]);
  places.give(b);
  places.give(b);
  expect([places.loser(b), places.loser(c)]).toEqual([a, a]);
  places.give(a);
  expect([places.loser(b), places.loser(c)]).toEqual([b, c]);
});
