import { expect, test } from 'vitest';
import { ChunkPool } from './chunk-pool.ts';
import { WriteQueue } from './write-queue.ts';

const MIB = 1024 * 1024;
const bytes = new Uint8Array(MIB);

function stuck(pool: ChunkPool, count: number): WriteQueue[] {
  return Array.from({ length: count }, () => {
    const queue = new WriteQueue(pool, MIB);
    while (queue.append(bytes, 0, bytes.length) > 0) {
      // Until it takes no more.
    }
    return queue;
  });
}

test('streams whose peers never read leave room for the others', () => {
  const pool = new ChunkPool(16 * MIB);
  const idle = new WriteQueue(pool, MIB);
  const waiting = stuck(pool, 400);
  expect(pool.queued).toBeLessThan(16 * MIB + 400 * 16 * 1024);
  expect(idle.isLow).toBe(true);
  expect(idle.append(bytes, 0, 9000)).toBe(9000);
  for (const queue of waiting) queue.clear();
  expect(pool.queued).toBe(9000);
});

test('a lone stream has its whole cap', () => {
  const [queue] = stuck(new ChunkPool(256 * MIB), 1);
  expect(queue?.queued).toBe(MIB);
});
