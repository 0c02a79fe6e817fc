import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTestHost } from '../../../tests/kit/host.ts';
import { digests, framed, testFrame } from '../../../tests/kit/netdev-context.ts';
import type { StreamSocket } from '../../net/host.ts';
import { StreamDecoder } from './stream-decoder.ts';
import { StreamEncoder } from './stream-encoder.ts';

class Collector {
  readonly frames: Uint8Array[] = [];
  limit = Number.POSITIVE_INFINITY;

  frame(bytes: Uint8Array, offset: number, length: number): boolean {
    this.frames.push(bytes.slice(offset, offset + length));
    return this.frames.length < this.limit;
  }
}

/** Pushes in pieces of the given sizes (repeated), each in a buffer that is overwritten afterwards. */
function decode(bytes: Uint8Array, sizes: readonly number[], decoder = new StreamDecoder()): Collector {
  const collector = new Collector();
  for (let at = 0, i = 0; at < bytes.length && decoder.oversized === 0; i++) {
    const size = sizes[i % sizes.length] as number;
    const piece = bytes.slice(at, at + size);
    const used = decoder.push(piece, 0, piece.length, collector);
    if (decoder.oversized === 0 && used !== piece.length) expect.unreachable('bytes were left over');
    piece.fill(0xee);
    at += size;
  }
  return collector;
}

const LENGTHS = [1, 13, 14, 60, 1514, 9018, 65535, 65536, 69632];

describe('decoder', () => {
  const frames = LENGTHS.map((length, i) => testFrame(length, i));

  it.each([1, 2, 3, 5, 4096, 65_536, 1_000_000])('finds frames of all lengths in pieces of %i', (size) => {
    expect(digests(decode(framed(...frames), [size]).frames)).toEqual(digests(frames));
  });

  it('property: any cut of any frames gives the frames', () => {
    const lengths = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 20 });
    const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(lengths, sizes, (wanted, cut) => {
        const sent = wanted.map((length, i) => testFrame(length, i));
        const decoder = new StreamDecoder();
        expect(decode(framed(...sent), cut, decoder).frames).toEqual(sent.filter((f) => f.length > 0));
        expect(decoder.zeroLength).toBe(sent.filter((f) => f.length === 0).length);
        expect(decoder.isMidFrame).toBe(false);
      }),
    );
  });

  it('skips zero lengths, and what follows them arrives', () => {
    const decoder = new StreamDecoder();
    const bytes = framed(new Uint8Array(0), testFrame(60), new Uint8Array(0), testFrame(14, 1));
    expect(decode(bytes, [1], decoder).frames).toEqual([testFrame(60), testFrame(14, 1)]);
    expect(decoder.zeroLength).toBe(2);
  });

  it.each([69_633, 0x7fffffff, 0xffffffff])('ends at the header of length %i', (length) => {
    const bytes = new Uint8Array(12);
    bytes.set(framed(testFrame(1)));
    new DataView(bytes.buffer).setUint32(5, length);
    for (const size of [1, 100]) {
      const decoder = new StreamDecoder();
      expect(decode(bytes, [size], decoder).frames).toEqual([testFrame(1)]);
      expect(decoder.oversized).toBe(length);
    }
  });

  it('stops when the sink has enough and goes on where it stopped', () => {
    const sent = [testFrame(20, 1), testFrame(30, 2), testFrame(40, 3)];
    const bytes = framed(...sent);
    const decoder = new StreamDecoder();
    const sink = new Collector();
    for (let at = 0; at < bytes.length; ) {
      sink.limit = sink.frames.length + 1;
      const used = decoder.push(bytes, at, bytes.length - at, sink);
      expect(used).toBeGreaterThan(0);
      at += used;
      expect(sink.frames.length).toBe(sink.limit);
    }
    expect(sink.frames).toEqual(sent);
  });

  it('stops behind a cut frame too', () => {
    const bytes = framed(testFrame(20, 1), testFrame(30, 2));
    const decoder = new StreamDecoder();
    const sink = new Collector();
    sink.limit = 1;
    expect(decoder.push(bytes, 0, 10, sink)).toBe(10);
    expect(decoder.push(bytes, 10, bytes.length - 10, sink)).toBe(14);
    expect(sink.frames).toEqual([testFrame(20, 1)]);
  });

  it('reset forgets half a header and half a frame', () => {
    const decoder = new StreamDecoder();
    const sink = new Collector();
    for (const cut of [2, 30]) {
      decoder.push(framed(testFrame(60)), 0, cut, sink);
      expect(decoder.isMidFrame).toBe(true);
      decoder.reset();
      decoder.push(framed(testFrame(14)), 0, 18, sink);
    }
    expect(sink.frames).toEqual([testFrame(14), testFrame(14)]);
  });
});

describe('encoder', () => {
  async function stream(capacity: number) {
    const test = createTestHost();
    const peer = test.network.addHost('203.0.113.1');
    const at = { family: 'ipv4', host: '203.0.113.1', port: 7 } as const;
    const listener = await peer.sockets.listen(at);
    let far: StreamSocket | undefined;
    listener.onConnection = (socket) => {
      far = socket;
    };
    const near = test.host.sockets.connect(at);
    test.runUntilIdle();
    (near as unknown as { capacity: number }).capacity = capacity;
    return { test, near, far: far as StreamSocket };
  }

  it.each([1, 3, 4, 5, 100, 1000, 200_000])('never corrupts with room for %i bytes', async (capacity) => {
    const { test, near, far } = await stream(capacity);
    const sent = [testFrame(1, 1), testFrame(60, 2), testFrame(1514, 3), testFrame(3000, 4)];
    const encoder = new StreamEncoder();
    const decoder = new StreamDecoder();
    const sink = new Collector();
    const piece = new Uint8Array(997);
    let next = 0;
    for (let turn = 0; sink.frames.length < sent.length && turn < 10_000; turn++) {
      if (encoder.flush(near)) {
        const frame = sent[next];
        if (frame !== undefined) {
          const borrowed = frame.slice();
          if (encoder.write(near, borrowed, 0, borrowed.length)) next++;
          else expect(near.room()).toBe(0);
          borrowed.fill(0xee);
        }
      } else {
        expect(encoder.write(near, testFrame(60), 0, 60)).toBe(false);
      }
      test.runUntilIdle();
      const count = far.readInto(piece, 0, piece.length);
      if (count > 0) decoder.push(piece, 0, count, sink);
    }
    expect(sink.frames).toEqual(sent);
  });

  it('reset forgets the tail of a frame', async () => {
    const first = await stream(10);
    const encoder = new StreamEncoder();
    expect(encoder.write(first.near, testFrame(60), 0, 60)).toBe(true);
    expect(encoder.isBlocked).toBe(true);
    encoder.reset();
    const second = await stream(1000);
    expect(encoder.write(second.near, testFrame(20), 0, 20)).toBe(true);
    second.test.runUntilIdle();
    const got = new Uint8Array(100);
    expect(second.far.readInto(got, 0, 100)).toBe(24);
    expect(got.slice(0, 24)).toEqual(framed(testFrame(20)));
  });
});
