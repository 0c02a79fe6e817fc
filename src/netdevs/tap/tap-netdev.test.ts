/** tap's data path: headers both ways, budgets, back-pressure, and what the kernel answers when it does not take a frame. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createTestHost, type TestHost } from '../../../tests/kit/host.ts';
import { type MemoryKernel, type MemoryTap, withKernel } from '../../../tests/kit/memory/kernel.ts';
import {
  createRecordingContext,
  digests,
  give,
  type RecordingContext,
  testFrame,
} from '../../../tests/kit/netdev-context.ts';
import { BUSY, Frame, type NetClient, type SendResult, TAKEN } from '../../net/index.ts';
import type { NetdevTapOptions } from '../../schema/net.ts';
import { createTap } from './index.ts';

let test: TestHost;
let kernel: MemoryKernel;
let context: RecordingContext;

beforeEach(() => {
  test = createTestHost();
  const made = withKernel(test);
  kernel = made.kernel;
  context = createRecordingContext(made.host, 't0');
});

async function start(options: NetdevTapOptions = {}): Promise<{ netdev: NetClient; tap: MemoryTap }> {
  const netdev = await createTap({ script: 'no', downscript: 'no', ...options }, context);
  return { netdev, tap: kernel.taps[0] as MemoryTap };
}

describe('from the kernel', () => {
  it('the header becomes the metadata of the frame', async () => {
    const { tap } = await start();
    const seen: object[] = [];
    context.port.send = ({ flags, gsoType, gsoSize, headerLength, checksumStart, checksumOffset, length }) => {
      seen.push({ flags, gsoType, gsoSize, headerLength, checksumStart, checksumOffset, length });
      return TAKEN;
    };
    tap.arrive(testFrame(9000), Uint8Array.of(1, 1, 66, 0, 0xa8, 0x05, 34, 0, 16, 0));
    tap.arrive(testFrame(60), Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    test.runUntilIdle();
    expect(seen).toEqual([
      { flags: 1, gsoType: 1, gsoSize: 1448, headerLength: 66, checksumStart: 34, checksumOffset: 16, length: 9000 },
      { flags: 2, gsoType: 0, gsoSize: 0, headerLength: 0, checksumStart: 0, checksumOffset: 0, length: 60 },
    ]);
  });

  it.each([{ vnet_hdr: true }, { vnet_hdr: false }])('short frames are padded with zeros, %j', async (options) => {
    const { tap } = await start(options);
    tap.arrive(testFrame(200, 1));
    tap.arrive(testFrame(16, 2));
    test.runUntilIdle();
    const expected = new Uint8Array(60);
    expected.set(testFrame(16, 2));
    expect(context.port.frames[1]).toEqual(expected);
  });

  it('the largest frame, and one that is cut', async () => {
    const { tap } = await start();
    tap.arrive(testFrame(69_632, 3));
    tap.arrive(testFrame(80_000, 3));
    test.runUntilIdle();
    expect(context.port.frames.map(({ length }) => length)).toEqual([69_632, 69_633]);
  });

  it('a budget of frames and one of bytes a turn', async () => {
    const { tap } = await start();
    for (let i = 0; i < 200; i++) tap.arrive(testFrame(60));
    tap.poll();
    expect(context.port.frames).toHaveLength(64);
    test.runUntilIdle();
    expect(context.port.frames).toHaveLength(200);
    for (let i = 0; i < 10; i++) tap.arrive(testFrame(65_000));
    tap.poll();
    expect(context.port.frames.length - 200).toBe(5);
    test.runUntilIdle();
    expect(context.port.frames).toHaveLength(210);
  });

  it('nothing is read while the way is BUSY, and nothing is lost', async () => {
    const { tap } = await start();
    const sent = Array.from({ length: 30 }, (_, i) => testFrame(100, i));
    context.port.answer = BUSY;
    for (const frame of sent) tap.arrive(frame);
    test.runUntilIdle();
    expect([context.port.frames.length, tap.waiting, tap.reading]).toEqual([1, 29, false]);
    context.port.release();
    test.runUntilIdle();
    expect(digests(context.port.frames)).toEqual(digests(sent));
  });

  it('each queue is the frame’s', async () => {
    await start({ queues: 3 });
    const queues: number[] = [];
    context.port.send = (frame): SendResult => {
      queues.push(frame.queue);
      return TAKEN;
    };
    for (const tap of [...kernel.taps].reverse()) tap.arrive(testFrame(60));
    test.runUntilIdle();
    expect(queues.sort()).toEqual([0, 1, 2]);
  });

  it('junk is counted, also a storm of it', async () => {
    const { tap } = await start();
    for (let i = 0; i < 1000; i++) tap.arriveRaw(new Uint8Array(1 + (i % 10)));
    tap.arrive(testFrame(60));
    test.runUntilIdle();
    expect(context.port.counters.dropped).toEqual({ 'short-read': 1000 });
    expect(context.port.frames).toHaveLength(1);
  });
});

describe('to the kernel', () => {
  it('the metadata becomes the header', async () => {
    const { netdev, tap } = await start();
    const frame = new Frame().setPlain(testFrame(3000), 100, 2800);
    Object.assign(frame, {
      flags: 1,
      gsoType: 4,
      gsoSize: 1440,
      headerLength: 74,
      checksumStart: 54,
      checksumOffset: 16,
    });
    expect(netdev.receive(frame)).toBe(true);
    const [written] = tap.written as [Uint8Array];
    expect([...written.subarray(0, 10)]).toEqual([1, 4, 74, 0, 0xa0, 5, 54, 0, 16, 0]);
    expect(written.subarray(10)).toEqual(testFrame(3000).subarray(100, 2900));
    give(netdev, testFrame(60));
    expect([...(tap.written[1] as Uint8Array).subarray(0, 10)]).toEqual(new Array(10).fill(0));
  });

  it('a frame keeps its queue; of the others each flow keeps one, and all are used', async () => {
    const { netdev } = await start({ queues: 4 });
    const frame = new Frame();
    frame.setPlain(testFrame(60), 0, 60).queue = 6;
    netdev.receive(frame);
    expect(kernel.taps.map(({ written }) => written.length)).toEqual([0, 0, 1, 0]);
    frame.queue = 0;
    for (let port = 0; port < 64; port++) {
      const bytes = testFrame(100);
      bytes[34] = port;
      const before = kernel.taps.map(({ written }) => written.length);
      netdev.receive(frame.setPlain(bytes, 0, 100));
      netdev.receive(frame.setPlain(bytes, 0, 100));
      expect(kernel.taps.map(({ written }, i) => written.length - (before[i] as number)).sort()).toEqual([0, 0, 0, 2]);
    }
    expect(kernel.taps.every(({ written }) => written.length > 5)).toBe(true);
  });

  it('EAGAIN refuses the frame until there is room', async () => {
    const { netdev, tap } = await start();
    tap.isFull = true;
    for (let i = 0; i < 1000; i++) expect(give(netdev, testFrame(60))).toBe(false);
    expect([context.port.readyCalls, tap.writing]).toEqual([0, true]);
    tap.drain();
    test.runUntilIdle();
    expect([context.port.readyCalls, tap.writing]).toEqual([1, false]);
    expect(give(netdev, testFrame(60))).toBe(true);
  });

  it('one full queue of several: its event tells, and reading goes on', async () => {
    const { netdev } = await start({ queues: 2 });
    const [, second] = kernel.taps as [MemoryTap, MemoryTap];
    second.isFull = true;
    const frame = new Frame().setPlain(testFrame(60), 0, 60);
    frame.queue = 1;
    expect(netdev.receive(frame)).toBe(false);
    second.arrive(testFrame(60));
    test.runUntilIdle();
    expect([context.port.frames.length, context.port.readyCalls]).toEqual([1, 0]);
    second.drain();
    test.runUntilIdle();
    expect(context.port.readyCalls).toBe(1);
  });

  it('ENOBUFS refuses it for a moment: a timer asks again, however long it lasts', async () => {
    const { netdev, tap } = await start();
    tap.writeError = 'ENOBUFS';
    for (let i = 1; i <= 100; i++) {
      expect(give(netdev, testFrame(60))).toBe(false);
      await test.elapse(5);
      expect(context.port.readyCalls).toBe(i);
    }
    expect(tap.writes).toBe(100);
    expect(context.port.counters.dropped).toEqual({});
    tap.writeError = undefined;
    expect(give(netdev, testFrame(60))).toBe(true);
    await netdev.close();
    expect(test.leaks()).toEqual([]);
  });

  it('an interface that is down, and a frame the kernel refuses, are counted', async () => {
    const { netdev, tap } = await start();
    for (const code of ['EIO', 'EINVAL', 'EMSGSIZE']) {
      tap.writeError = code;
      expect(give(netdev, testFrame(60))).toBe(true);
    }
    expect(context.port.counters.dropped).toEqual({ 'interface-down': 1, 'refused-by-kernel': 2 });
    expect(context.port.linkUp).toBe(true);
  });
});

describe('an interface deleted under it', () => {
  const lines = () => test.logs.filter(({ level }) => level === 'warn').map(({ message }) => message);

  it.each(['seen by reading', 'seen by writing'])('%s: no carrier, one line, nothing more', async (how) => {
    const { netdev, tap } = await start();
    tap.vanish();
    if (how === 'seen by reading') test.runUntilIdle();
    for (let i = 0; i < 10; i++) expect(give(netdev, testFrame(60))).toBe(true);
    test.runUntilIdle();
    const calls = tap.reads + tap.writes;
    await test.elapse(1000);
    expect(tap.reads + tap.writes).toBe(calls);
    expect(calls).toBe(1);
    expect(context.port.linkUp).toBe(false);
    expect(lines()).toEqual([expect.stringMatching(/^netdev 't0': its interface is gone/)]);
    await netdev.close();
    expect(tap.isClosed).toBe(true);
  });

  it('while it was told BUSY', async () => {
    const { tap } = await start();
    context.port.answer = BUSY;
    tap.arrive(testFrame(60));
    test.runUntilIdle();
    tap.vanish();
    test.runUntilIdle();
    expect(context.port.linkUp).toBe(true);
    context.port.release();
    test.runUntilIdle();
    expect(context.port.linkUp).toBe(false);
  });

  it('a descriptor at its end is none', async () => {
    const { tap } = await start();
    tap.arriveRaw(new Uint8Array(0));
    test.runUntilIdle();
    expect([context.port.linkUp, lines().length]).toEqual([false, 1]);
  });
});
