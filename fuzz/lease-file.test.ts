/** A file of leases with any bytes: refused with a reason, or leases that are written again and read as the same ones. */
import { expect, it } from 'vitest';
import { formatLeases, parseLeases } from '../src/netdevs/user/lease-file.ts';
import { fuzzBudget, mutate, pick, seededRandom } from '../tests/kit/mutate.ts';

const NETWORK = '10.0.2.0/255.255.255.0';
const WALL_MICROS = 1_700_000_000_000_000;
const FILE = `netyard leases 1 ${NETWORK}
10.0.2.15 52:54:00:12:34:56 1700000100 - box
10.0.2.16 52:54:00:12:34:57 1700086400 ff0001 a b
10.0.2.17 52:54:00:12:34:57 1 ff02${' '}
`;

it('lease file', { timeout: 600_000 }, () => {
  const { ms, seed } = fuzzBudget();
  console.log(`lease file: FUZZ_SEED=${seed} FUZZ_MS=${ms}`);
  const random = seededRandom(seed);
  const base = new TextEncoder().encode(FILE);
  expect(parseLeases(base, NETWORK, WALL_MICROS)).toHaveLength(2);
  const until = performance.now() + ms;
  for (let runs = 0; runs === 0 || performance.now() < until; runs++) {
    const bytes =
      random() < 0.05 ? Uint8Array.from({ length: pick(300, random) }, () => pick(256, random)) : mutate(base, random);
    const leases = parseLeases(bytes, NETWORK, WALL_MICROS);
    if (typeof leases === 'string') {
      expect(leases).not.toBe('');
      continue;
    }
    const again = new TextEncoder().encode(formatLeases(leases, NETWORK, WALL_MICROS));
    expect(parseLeases(again, NETWORK, WALL_MICROS)).toEqual(leases);
  }
});
