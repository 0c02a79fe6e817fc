import { describe, expect, it } from 'vitest';
import { Prng } from '../../../tests/kit/prng.ts';
import { SOCKET_FAILED, WOULD_BLOCK } from '../../net/index.ts';
import type { NativeContext } from './context.ts';
import { GatherPool } from './gather.ts';
import { EAGAIN } from './linux.ts';
import { StreamOutput } from './stream-output.ts';

/** A kernel that takes what `take` says of each call, and keeps it. */
class Kernel {
  readonly gather = new GatherPool();
  readonly got: Uint8Array[] = [];
  calls: { send: unknown; sendv: unknown };
  count = 0;

  constructor(take: (offered: number) => number) {
    const accept = (...windows: [Uint8Array, number, number][]): number => {
      this.count++;
      const offered = windows.reduce((sum, [, , length]) => sum + length, 0);
      const taken = take(offered);
      let left = taken;
      for (const [bytes, offset, length] of windows) {
        const part = Math.max(0, Math.min(left, length));
        this.got.push(bytes.slice(offset, offset + part));
        left -= part;
      }
      return taken;
    };
    this.calls = {
      send: (_fd: number, bytes: Uint8Array, offset: number, length: number) => accept([bytes, offset, length]),
      sendv: (
        _fd: number,
        _flags: number,
        b1: Uint8Array,
        o1: number,
        l1: number,
        b2: Uint8Array,
        o2: number,
        l2: number,
      ) => accept([b1, o1, l1], [b2, o2, l2]),
    };
  }

  output(): StreamOutput {
    return new StreamOutput(this as unknown as NativeContext);
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.got);
  }
}

const numbered = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255);

describe('what a stream took', () => {
  it('leaves in order, whatever the kernel takes of each call', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new Prng(seed);
      const kernel = new Kernel((offered) => {
        const choice = random.u32() % 4;
        if (choice === 0) return EAGAIN;
        return choice === 1 ? Math.min(offered, 1 + (random.u32() % offered)) : offered;
      });
      const output = kernel.output();
      const source = numbered(400_000);
      const scratch = new Uint8Array(source.length);
      let taken = 0;
      while (taken < source.length) {
        const size = Math.min(source.length - taken, random.u32() % (random.u32() % 3 === 0 ? 70_000 : 3000));
        scratch.set(source.subarray(taken, taken + size), 11);
        const result = output.write(1, scratch, 11, size);
        // Borrowed: what was taken is not looked for here any more.
        scratch.fill(0xdd, 11, 11 + size);
        expect(result === WOULD_BLOCK || (result >= 0 && result <= size)).toBe(true);
        if (result < size && size > 0) expect(output.isBlocked).toBe(true);
        taken += Math.max(0, result);
        if (output.isBlocked) output.unblock(1);
        else if (random.u32() % 8 === 0) output.flush(1);
      }
      while (output.waiting > 0) output.unblock(1);
      expect(Buffer.compare(kernel.bytes, source)).toBe(0);
      expect(output.flush(1)).toBe(0);
    }
  });

  it('is gathered: small writes are one call, a large one takes them along', () => {
    const kernel = new Kernel((offered) => offered);
    const output = kernel.output();
    const bytes = numbered(100_000);
    for (let i = 0; i < 500; i++) output.write(1, bytes, i * 100, 100);
    expect([kernel.count, output.waiting]).toEqual([0, 50_000]);
    expect(output.write(1, bytes, 50_000, 50_000)).toBe(50_000);
    expect([kernel.count, output.waiting]).toEqual([1, 0]);
    expect(Buffer.compare(kernel.bytes, bytes)).toBe(0);
  });

  it('waits when the kernel is full, and nothing more is taken', () => {
    let room = 1000;
    const kernel = new Kernel((offered) => {
      const taken = Math.min(offered, room);
      room -= taken;
      return taken === 0 ? EAGAIN : taken;
    });
    const output = kernel.output();
    const bytes = numbered(3000);
    expect(output.write(1, bytes, 0, 3000)).toBe(3000);
    expect([output.flush(1), output.waiting, output.isBlocked]).toEqual([WOULD_BLOCK, 2000, true]);
    expect([output.write(1, bytes, 0, 1), output.write(1, bytes, 0, 0)]).toEqual([WOULD_BLOCK, 0]);
    room = 500;
    expect([output.unblock(1), output.waiting]).toEqual([WOULD_BLOCK, 1500]);
    room = 9999;
    expect([output.unblock(1), output.waiting, output.isBlocked]).toEqual([0, 0, false]);
    expect(Buffer.compare(kernel.bytes, bytes)).toBe(0);
  });

  it('is forgotten when the kernel fails, and the errno kept', () => {
    const kernel = new Kernel(() => -32);
    const output = kernel.output();
    output.write(1, numbered(10), 0, 10);
    expect([output.flush(1), output.failure, output.waiting]).toEqual([SOCKET_FAILED, -32, 0]);
    expect(output.write(1, numbered(20_000), 0, 20_000)).toBe(SOCKET_FAILED);
    output.write(1, numbered(10), 0, 10);
    expect(output.write(1, numbered(20_000), 0, 20_000)).toBe(SOCKET_FAILED);
    expect(output.waiting).toBe(0);
  });

  it('holds no more memory than the pool has: then writes go out one by one', () => {
    const kernel = new Kernel((offered) => offered);
    const outputs = Array.from({ length: 6000 }, () => kernel.output());
    const bytes = numbered(6000);
    for (const output of outputs) expect(output.write(1, bytes, 0, 6000)).toBe(6000);
    const waiting = outputs.filter((output) => output.waiting > 0).length;
    expect(waiting).toBe((32 * 1024 * 1024) / 8192);
    expect(kernel.count).toBe(6000 - waiting);
    for (const output of outputs) output.clear();
    const [first] = outputs;
    expect(first?.write(1, bytes, 0, 6000)).toBe(6000);
    expect(first?.waiting).toBe(6000);
  });
});
