import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Converter, MAX_SEGMENTS, metadataHolds, neededOffloads } from './convert.ts';
import { FRAME_NEEDS_CHECKSUM, Frame, GSO_ECN, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP, GSO_UDP_L4 } from './frame.ts';

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;
const copy = (frame: Frame) => frame.bytes.slice(frame.offset, frame.offset + frame.length);

/** RFC 1071 as it is written, word by word. */
function naiveSum(bytes: Uint8Array, from: number, to: number, sum = 0): number {
  for (let i = from; i < to; i += 2) {
    sum += ((bytes[i] ?? 0) << 8) + (i + 1 < to ? (bytes[i + 1] ?? 0) : 0);
    if (sum > 0xffff) sum = (sum & 0xffff) + 1;
  }
  return sum;
}

interface Shape {
  isTcp: boolean;
  isIpv6: boolean;
  tags: number;
  ipOptions: number;
  tcpOptions: number;
  payload: number;
  mss: number;
  flags: number;
  sequence: number;
  identification: number;
  offset: number;
}

function build(shape: Shape): { frame: Frame; payloadAt: number; transport: number; network: number } {
  const network = 14 + 4 * shape.tags;
  const ipHeader = shape.isIpv6 ? 40 + shape.ipOptions * 8 : 20 + shape.ipOptions * 4;
  const transport = network + ipHeader;
  const transportHeader = shape.isTcp ? 20 + shape.tcpOptions * 4 : 8;
  const payloadAt = transport + transportHeader;
  const length = payloadAt + shape.payload;
  const bytes = new Uint8Array(shape.offset + length + 8).fill(0x5a);
  const b = bytes.subarray(shape.offset, shape.offset + length);
  for (let i = 0; i < length; i++) b[i] = (i * 131 + (i >> 7)) & 0xff;
  const view = new DataView(b.buffer, b.byteOffset, length);
  for (let t = 0; t < shape.tags; t++) view.setUint16(12 + 4 * t, t === 0 && shape.tags === 2 ? 0x88a8 : 0x8100);
  view.setUint16(network - 2, shape.isIpv6 ? 0x86dd : 0x0800);
  if (shape.isIpv6) {
    b[network] = 0x60;
    view.setUint16(network + 4, 0);
    b[network + 6] = shape.ipOptions > 0 ? 0 : shape.isTcp ? 6 : 17;
  } else {
    b[network] = 0x40 | (ipHeader / 4);
    view.setUint16(network + 4, shape.identification);
    b[network + 9] = shape.isTcp ? 6 : 17;
  }
  if (shape.isTcp) {
    view.setUint32(transport + 4, shape.sequence);
    b[transport + 12] = (transportHeader / 4) << 4;
    b[transport + 13] = shape.flags;
  }
  const frame = new Frame().setPlain(bytes, shape.offset, length);
  frame.flags = FRAME_NEEDS_CHECKSUM;
  frame.gsoType = shape.isTcp ? (shape.isIpv6 ? GSO_TCPV6 : GSO_TCPV4) : GSO_UDP_L4;
  frame.gsoSize = shape.mss;
  frame.headerLength = payloadAt;
  frame.checksumStart = transport;
  frame.checksumOffset = shape.isTcp ? 16 : 6;
  return { frame, payloadAt, transport, network };
}

const shapes = fc.record({
  isTcp: fc.boolean(),
  isIpv6: fc.boolean(),
  tags: fc.integer({ min: 0, max: 2 }),
  ipOptions: fc.integer({ min: 0, max: 5 }),
  tcpOptions: fc.integer({ min: 0, max: 10 }),
  payload: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 65_000 })),
  mss: fc.oneof(fc.constantFrom(1448, 1460, 536, 1459), fc.integer({ min: 100, max: 9000 })),
  flags: fc.integer({ min: 0, max: 255 }),
  sequence: fc.oneof(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0xffff0000, max: 0xffffffff })),
  identification: fc.oneof(fc.integer({ min: 0, max: 65535 }), fc.integer({ min: 65530, max: 65535 })),
  offset: fc.integer({ min: 0, max: 7 }),
});

describe('segmentation', () => {
  it('gives back the payload, with every header field and checksum right', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const { frame, payloadAt, transport, network } = build(shape);
        const original = frame.bytes.slice(frame.offset, frame.offset + frame.length);
        const converter = new Converter();
        expect(metadataHolds(frame)).toBe(true);
        const count = converter.begin(frame);
        expect(count).toBe(Math.max(1, Math.ceil(shape.payload / shape.mss)));
        const got = new Uint8Array(shape.payload);
        let at = 0;
        for (let i = 0; i < count; i++) {
          const segment = converter.segment(i);
          const b = segment.bytes.slice(segment.offset, segment.offset + segment.length);
          const view = new DataView(b.buffer);
          const last = i === count - 1;
          expect(segment.gsoType | (segment.flags & FRAME_NEEDS_CHECKSUM)).toBe(0);
          expect(b.length - payloadAt).toBe(last ? shape.payload - i * shape.mss : shape.mss);
          expect(same(b.subarray(0, network), original.subarray(0, network))).toBe(true);
          const transportLength = b.length - transport;
          let pseudo = (shape.isTcp ? 6 : 17) + transportLength;
          if (shape.isIpv6) {
            expect(view.getUint16(network + 4)).toBe(b.length - network - 40);
            pseudo = naiveSum(b, network + 8, network + 40, pseudo);
          } else {
            expect(view.getUint16(network + 2)).toBe(b.length - network);
            expect(view.getUint16(network + 4)).toBe((shape.identification + i) & 0xffff);
            expect(naiveSum(b, network, transport)).toBe(0xffff);
            pseudo = naiveSum(b, network + 12, network + 20, pseudo);
          }
          expect(naiveSum(b, transport, b.length, pseudo)).toBe(0xffff);
          if (shape.isTcp) {
            expect(view.getUint32(transport + 4)).toBe((shape.sequence + i * shape.mss) >>> 0);
            let flags = shape.flags;
            if (!last) flags &= ~0x09;
            if (i > 0) flags &= ~0x80;
            expect(b[transport + 13]).toBe(flags);
          } else {
            expect(view.getUint16(transport + 4)).toBe(transportLength);
            expect(view.getUint16(transport + 6)).not.toBe(0);
          }
          got.set(b.subarray(payloadAt), at);
          at += b.length - payloadAt;
        }
        expect(same(got, original.subarray(payloadAt))).toBe(true);
        expect(same(copy(frame), original)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it('can begin again in the middle, as after a receiver that stopped', () => {
    const { frame } = build({ ...BASE, payload: 10_000 });
    const all = new Converter();
    const whole = Array.from({ length: all.begin(frame) }, (_, i) => copy(all.segment(i)));
    const resumed = new Converter();
    resumed.begin(frame);
    expect(same(copy(resumed.segment(3)), whole[3] as Uint8Array)).toBe(true);
    expect(same(copy(resumed.segment(6)), whole[6] as Uint8Array)).toBe(true);
  });

  it('refuses headers that contradict the metadata, whatever the bytes', () => {
    const wrong: Record<string, (f: Frame) => void> = {
      'IPv6 type over IPv4': (f) => {
        f.gsoType = GSO_TCPV6;
      },
      'a checksum elsewhere': (f) => {
        f.checksumOffset = 14;
      },
      'a start inside the IP header': (f) => {
        f.checksumStart = 30;
      },
      'a start behind the frame': (f) => {
        f.checksumStart = f.length - 19;
        f.checksumOffset = 16;
      },
      'a TCP header longer than the frame': (f) => {
        f.bytes[34 + 12] = 0xf0;
        f.length = 60;
      },
      'a short TCP header': (f) => {
        f.bytes[34 + 12] = 0x40;
      },
      'more segments than the cap': (f) => {
        f.gsoSize = 1;
      },
    };
    for (const [name, spoil] of Object.entries(wrong)) {
      const { frame } = build({ ...BASE, payload: MAX_SEGMENTS + 1 });
      spoil(frame);
      expect(new Converter().begin(frame), name).toBe(0);
    }
  });

  it('never throws, whatever the bytes and metadata', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 14, maxLength: 300 }),
        fc.record({
          gsoType: fc.constantFrom(GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, GSO_TCPV4 | GSO_ECN, GSO_UDP, 9),
          gsoSize: fc.integer({ min: 0, max: 65535 }),
          checksumStart: fc.integer({ min: 0, max: 400 }),
          checksumOffset: fc.constantFrom(0, 6, 16, 400),
          ethertype: fc.constantFrom(0x0800, 0x86dd, 0x8100),
        }),
        (bytes, meta) => {
          bytes[12] = meta.ethertype >> 8;
          bytes[13] = meta.ethertype & 0xff;
          const frame = Object.assign(new Frame().setPlain(bytes, 0, bytes.length), meta, { flags: 1 });
          if (!metadataHolds(frame)) return;
          const converter = new Converter();
          if (frame.gsoType === GSO_NONE) {
            expect(converter.fillChecksum(frame).length).toBe(frame.length);
            return;
          }
          expect(neededOffloads(frame)).toBeGreaterThan(0);
          const count = converter.begin(frame);
          for (let i = 0; i < count; i++) converter.segment(i);
        },
      ),
      { numRuns: 500 },
    );
  });
});

const BASE: Shape = {
  isTcp: true,
  isIpv6: false,
  tags: 0,
  ipOptions: 0,
  tcpOptions: 0,
  payload: 1000,
  mss: 1460,
  flags: 0x18,
  sequence: 0xfffffff0,
  identification: 0xffff,
  offset: 0,
};

describe('checksum completion', () => {
  it('fills the field from the partial sum that is in it', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const { frame, transport, network } = build({ ...shape, ipOptions: 0 });
        frame.gsoType = GSO_NONE;
        const b = frame.bytes.subarray(frame.offset, frame.offset + frame.length);
        const at = transport + frame.checksumOffset;
        const pseudo = shape.isIpv6
          ? naiveSum(b, network + 8, network + 40, 6 + b.length - transport)
          : naiveSum(b, network + 12, network + 20, 6 + b.length - transport);
        b[at] = pseudo >> 8;
        b[at + 1] = pseudo & 0xff;
        const before = b.slice();
        const out = copy(new Converter().fillChecksum(frame));
        expect(naiveSum(out, transport, out.length, pseudo)).toBe(0xffff);
        out[at] = before[at] as number;
        out[at + 1] = before[at + 1] as number;
        expect(same(out, before)).toBe(true);
        expect(same(b, before)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});
