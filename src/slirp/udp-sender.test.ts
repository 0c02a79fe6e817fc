import { describe, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import type { DatagramBatch, DatagramSocket } from '../net/host.ts';
import { UdpSender } from './udp-sender.ts';

const WAY = { peer: { family: 'ipv4', host: '127.0.0.1', port: 9 }, local: undefined } as const;

function setUp(takes = Number.POSITIVE_INFINITY) {
  const { loop } = createTestHost();
  const drops: string[] = [];
  const sender = new UdpSender(loop, (reason) => drops.push(reason));
  const sends: [name: string, bytes: number[]][] = [];
  const socket = (name: string): DatagramSocket =>
    ({
      sendBatch: (batch: DatagramBatch) => {
        const first = [...batch.offset.subarray(0, batch.count)].map((offset) => batch.bytes[offset] as number);
        sends.push([name, first]);
        return Math.min(takes, batch.count) || -1;
      },
    }) as unknown as DatagramSocket;
  const add = (to: DatagramSocket, byte: number, length = 1) =>
    sender.add(to, new Uint8Array(length + 2).fill(byte), 1, length, WAY, 64, 0);
  return { loop, drops, sender, sends, socket, add };
}

describe('UdpSender', () => {
  it('makes one send of a socket a batch, in order, however the sockets take turns', () => {
    const { loop, sends, socket, add } = setUp();
    const [a, b, c] = [socket('a'), socket('b'), socket('c')];
    for (const round of [0, 3, 6]) {
      add(a, round);
      add(b, round + 1);
      add(c, round + 2);
    }
    expect(sends).toEqual([]);
    loop.runUntilIdle();
    expect(sends).toEqual([
      ['a', [0, 3, 6]],
      ['b', [1, 4, 7]],
      ['c', [2, 5, 8]],
    ]);
    add(b, 9);
    add(a, 10);
    add(b, 11);
    loop.runUntilIdle();
    expect(sends.slice(3)).toEqual([
      ['b', [9, 11]],
      ['a', [10]],
    ]);
  });

  it('gives a socket 64 at once, and sends early when the arena or the places are used up', () => {
    const { loop, sends, socket, add } = setUp();
    const [a, b] = [socket('a'), socket('b')];
    for (let i = 0; i < 150; i++) add(a, i);
    loop.runUntilIdle();
    expect(sends.map(([, bytes]) => bytes.length)).toEqual([64, 64, 22]);
    expect(sends.flatMap(([, bytes]) => bytes)).toEqual(Array.from({ length: 150 }, (_, i) => i));
    sends.length = 0;
    for (let i = 0; i < 5; i++) add(i % 2 === 0 ? a : b, i, 65_000);
    expect(sends).toEqual([
      ['a', [0, 2]],
      ['b', [1, 3]],
    ]);
    loop.runUntilIdle();
    expect(sends[2]).toEqual(['a', [4]]);
    sends.length = 0;
    for (let i = 0; i < 257; i++) add(i % 2 === 0 ? a : b, 1);
    expect(sends.length).toBe(4);
    loop.runUntilIdle();
    expect(sends.flatMap(([, bytes]) => bytes).length).toBe(257);
  });

  it('counts what a socket does not take', () => {
    const { loop, drops, socket, add } = setUp(2);
    const a = socket('a');
    for (let i = 0; i < 5; i++) add(a, i);
    loop.runUntilIdle();
    expect(drops.length).toBe(3);
  });

  it('sends before a socket goes, and nothing twice', () => {
    const { loop, sends, sender, socket, add } = setUp();
    const [a, b] = [socket('a'), socket('b')];
    add(a, 1);
    sender.flushOf(b);
    expect(sends).toEqual([]);
    add(b, 2);
    sender.flushOf(b);
    loop.runUntilIdle();
    expect(sends).toEqual([
      ['a', [1]],
      ['b', [2]],
    ]);
  });
});
