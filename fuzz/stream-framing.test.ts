/**
 * Any bytes into the stream framing: whole connections of valid frames, zero lengths and mutations, cut anywhere, with a
 * receiver that says BUSY now and then. The decoder agrees with a naive one, and a connection survives or ends; nothing
 * throws, hangs or grows.
 */
import { expect, it } from 'vitest';
import { BUSY } from '../src/net/client.ts';
import { MAX_FRAME_LENGTH } from '../src/net/frame.ts';
import type { StreamSocket } from '../src/net/host.ts';
import { StreamDecoder } from '../src/netdevs/framing/index.ts';
import { createListener } from '../src/netdevs/index.ts';
import { createTestHost } from '../tests/kit/host.ts';
import { fuzzBudget, mutate, pick, seededRandom } from '../tests/kit/mutate.ts';
import { createRecordingContext, digests, framed, testFrame } from '../tests/kit/netdev-context.ts';

const LENGTHS = [0, 1, 13, 14, 60, 1514, 9018];

function randomStream(random: () => number): Uint8Array {
  const frames = Array.from({ length: pick(12, random) }, (_, i) => {
    const length = random() < 0.02 ? MAX_FRAME_LENGTH : (LENGTHS[pick(LENGTHS.length, random)] as number);
    return testFrame(length, i);
  });
  const bytes = framed(...frames);
  return random() < 0.7 ? mutate(bytes, random) : bytes;
}

/** What the format says, without any care for speed. */
function naive(bytes: Uint8Array): { frames: Uint8Array[]; broken: boolean } {
  const frames: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint32(at);
    if (length > MAX_FRAME_LENGTH) return { frames, broken: true };
    at += 4;
    if (at + length > bytes.length) break;
    if (length > 0) frames.push(bytes.slice(at, at + length));
    at += length;
  }
  return { frames, broken: false };
}

it('decoder against a naive one', { timeout: 600_000 }, () => {
  const { ms, seed } = fuzzBudget();
  console.log(`stream-framing: FUZZ_SEED=${seed} FUZZ_MS=${ms}`);
  const random = seededRandom(seed);
  for (const end = performance.now() + ms / 2; performance.now() < end; ) {
    const bytes = randomStream(random);
    const wanted = naive(bytes);
    const decoder = new StreamDecoder();
    const frames: Uint8Array[] = [];
    let more = true;
    const sink = {
      frame: (b: Uint8Array, o: number, l: number) => {
        frames.push(b.slice(o, o + l));
        more = random() < 0.8;
        return more;
      },
    };
    for (let at = 0; at < bytes.length && decoder.oversized === 0; ) {
      const piece = bytes.slice(at, at + 1 + pick(random() < 0.5 ? 10 : 3000, random));
      const used = decoder.push(piece, 0, piece.length, sink);
      if (used === 0) expect.unreachable('no progress');
      if (used < piece.length && more && decoder.oversized === 0) expect.unreachable('stopped without reason');
      piece.fill(0xee);
      at += used;
      more = true;
    }
    expect(decoder.oversized > 0).toBe(wanted.broken);
    expect(digests(frames)).toEqual(digests(wanted.frames));
  }
});

it('connections to a listener', { timeout: 600_000 }, async () => {
  const { ms, seed } = fuzzBudget();
  const random = seededRandom(seed + 1);
  const test = createTestHost({ seed });
  const context = createRecordingContext(test.host, 'l0');
  const path = '/run/fuzz';
  const listener = await createListener({ addr: { type: 'unix', path } }, context);
  let good: StreamSocket | undefined;
  for (const end = performance.now() + ms / 2; performance.now() < end; ) {
    good ??= test.network.local.sockets.connect({ family: 'unix', path });
    const bad = test.network.local.sockets.connect({ family: 'unix', path });
    test.runUntilIdle();
    const bytes = randomStream(random);
    for (let at = 0; at < bytes.length; ) {
      const count = bad.write(bytes, at, Math.min(bytes.length - at, 1 + pick(5000, random)));
      if (count > 0) at += count;
      for (const { port, client } of context.children.values()) {
        port.keep = false;
        if (random() < 0.3) port.answer = BUSY;
        else port.release();
        if (random() < 0.1) client.linkChanged(random() < 0.5);
      }
      test.runUntilIdle();
      // Ended by the other side, or stopped by BUSY with its buffers full.
      if (count < 0 && random() < 0.2) break;
    }
    if (random() < 0.5) bad.reset();
    else bad.close();
    for (const { port } of context.children.values()) port.release();
    await test.settle();
    expect(context.children.size).toBe(1);
    // The neighbour is not disturbed.
    const [neighbour] = [...context.children.values()];
    const before = neighbour?.port.counters.sentFrames ?? 0;
    good.write(framed(testFrame(60)), 0, 64);
    test.runUntilIdle();
    expect(neighbour?.port.counters.sentFrames).toBe(before + 1);
  }
  await listener.close();
  good?.close();
  await test.settle();
  expect(test.leaks()).toEqual([]);
});
