import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { createDatagramBatch } from '../../tests/kit/datagram-peer.ts';
import type { InetAddress } from '../net/index.ts';
import { DatagramQueue } from './datagram-queue.ts';

const FROM: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 9 };

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

describe('DatagramQueue', () => {
  it('does not keep what was pulled, though the owner never empties it', async () => {
    const queue = new DatagramQueue({ droppedDatagrams: 0 });
    const batch = createDatagramBatch(1, 100);
    const pushed: WeakRef<Uint8Array>[] = [];
    const push = (i: number): void => {
      const datagram = Uint8Array.of(i & 255, i >> 8);
      pushed.push(new WeakRef(datagram));
      queue.push(datagram, FROM);
    };
    push(0);
    // Past the point where the arrays are trimmed, and just before it again.
    for (let i = 1; i <= 2000; i++) {
      push(i);
      expect(queue.pull(batch)).toBe(1);
      expect(batch.bytes[0] === ((i - 1) & 255) && batch.bytes[1] === (i - 1) >> 8).toBe(true);
      expect(queue.isEmpty).toBe(false);
    }
    // A WeakRef holds its target until the job in which it was made has ended.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    const kept = pushed.flatMap((reference, i) => (reference.deref() === undefined ? [] : [i]));
    expect(kept).toEqual([2000]);
    expect(queue.pull(batch)).toBe(1);
    expect(queue.isEmpty).toBe(true);
  });

  it('is capped in datagrams and in bytes, whatever was pulled before', () => {
    const queue = new DatagramQueue({ droppedDatagrams: 0 });
    const batch = createDatagramBatch(100, 100);
    const fill = (datagram: Uint8Array): number => {
      let count = 0;
      for (; queue.hasRoom(datagram.length); count++) queue.push(datagram, FROM);
      return count;
    };
    expect(fill(new Uint8Array(1))).toBe(1024);
    expect(queue.pull(batch)).toBe(100);
    expect(fill(new Uint8Array(1))).toBe(100);
    queue.clear();
    expect(queue.isEmpty).toBe(true);
    expect(fill(new Uint8Array(65_536))).toBe(32);
  });

  it('keeps what does not fit into this batch, and counts what fits into none', () => {
    const counters = { droppedDatagrams: 0 };
    const queue = new DatagramQueue(counters);
    const batch = createDatagramBatch(4, 100);
    for (const length of [60, 0, 50, 101, 100]) queue.push(new Uint8Array(length).fill(length), FROM);
    const lengths = (): number[] => Array.from(batch.length.subarray(0, queue.pull(batch)));
    expect(lengths()).toEqual([60, 0]);
    expect(batch.peer[0]).toBe(FROM);
    expect(lengths()).toEqual([50]);
    expect(lengths()).toEqual([100]);
    expect(lengths()).toEqual([]);
    expect(counters.droppedDatagrams).toBe(1);
  });
});
