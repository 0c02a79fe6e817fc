/** The Internet checksum against the byte pairs of RFC 1071, at the lengths that matter. */
import { bench, group, run } from 'mitata';
import { sumBytes } from '../../../src/wire/index.ts';

const bytes = new Uint8Array(65_600).map((_, i) => i * 7);

function pairs(b, offset, length) {
  let sum = 0;
  for (let i = offset; i < offset + length; i += 2) sum += (b[i] << 8) | b[i + 1];
  return sum;
}

for (const length of [20, 100, 200, 1480, 65_000]) {
  group(`${length} bytes`, () => {
    bench('sumBytes', () => sumBytes(bytes, 34, length, 0)).baseline();
    bench('sumBytes, odd offset', () => sumBytes(bytes, 35, length, 0));
    bench('byte pairs', () => pairs(bytes, 34, length));
  });
}

await run();
