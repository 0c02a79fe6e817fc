import { expect, it } from 'vitest';
import { dictBucket } from './envelope.ts';

it.each([
  ['QMP', 99],
  ['exec-oob', 162],
  ['execute', 299],
  ['arguments', 447],
  ['return', 401],
  ['id', 486],
  ['error', 489],
  ['multicast-overflow', 376],
  ['keep-alive-interval', 147],
])('puts %s into bucket %d, as QEMU', (key, bucket) => {
  expect(dictBucket(key)).toBe(bucket);
});
