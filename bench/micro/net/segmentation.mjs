/** A 64 KiB TCP frame to a receiver without offloads: 45 segments with checksums. And the parts that cost is made of. */
import { bench, group, run } from 'mitata';
import { Converter } from '../../../src/net/convert.ts';
import { FRAME_NEEDS_CHECKSUM, Frame, GSO_NONE, GSO_TCPV4 } from '../../../src/net/frame.ts';
import { sumBytes } from '../../../src/wire/index.ts';

const MSS = 1448;
const PAYLOAD = 45 * MSS;
const HEADERS = 66;

function tsoFrame(offset) {
  const bytes = new Uint8Array(offset + HEADERS + PAYLOAD);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31) >> 3;
  bytes.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0], offset);
  bytes[offset + 46] = 0x80;
  const frame = new Frame().setPlain(bytes, offset, HEADERS + PAYLOAD);
  frame.flags = FRAME_NEEDS_CHECKSUM;
  frame.gsoType = GSO_TCPV4;
  frame.gsoSize = MSS;
  frame.headerLength = HEADERS;
  frame.checksumStart = 34;
  frame.checksumOffset = 16;
  return frame;
}

const converter = new Converter();
let sink = 0;

function segmentAll(frame) {
  const count = converter.begin(frame);
  for (let i = 0; i < count; i++) sink += converter.segment(i).length;
}

const aligned = tsoFrame(2);
const odd = tsoFrame(1);
const single = tsoFrame(2);
single.gsoType = GSO_NONE;
single.length = HEADERS + MSS;
const scratch = new Uint8Array(4096);

group('64 KiB TCP frame into 45 segments of 1448', () => {
  bench('aligned', () => segmentAll(aligned));
  bench('odd offset', () => segmentAll(odd));
});

group('one piece of 1448 bytes', () => {
  bench('copy', () => scratch.set(aligned.bytes.subarray(66, 66 + MSS), 68));
  bench('sum', () => {
    sink += sumBytes(scratch, 68, MSS, 0);
  });
  bench('whole frame: copy and checksum', () => {
    sink += converter.fillChecksum(single).length;
  });
});

await run();
if (sink === 0) process.exitCode = 1;
