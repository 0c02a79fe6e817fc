import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fold, sumBytes } from './checksum.ts';
import {
  createTcpOptions,
  emitSackOption,
  emitSynOptions,
  emitTcpHeader,
  parseTcp,
  parseTcpOptions,
  sackOptionLength,
  TCP_CHECKSUM_OFFSET,
  tcpChecksumHolds,
  tcpFlagText,
} from './tcp.ts';

const port = fc.nat(65535);
const word = fc.integer({ min: 0, max: 0xffff_ffff });

describe('TCP codec', () => {
  it('reads what it writes', () => {
    fc.assert(
      fc.property(port, port, word, word, fc.nat(255), port, fc.uint8Array({ maxLength: 40 }), (...values) => {
        const [sourcePort, destinationPort, seq, ack, flags, window, payload] = values;
        const bytes = new Uint8Array(7 + 20 + payload.length);
        emitTcpHeader(bytes, 7, sourcePort, destinationPort, seq, ack, 20, flags, window);
        bytes.set(payload, 27);
        const repr = parseTcp(bytes, 7, bytes.length);
        expect(repr).toMatchObject({ sourcePort, destinationPort, seq, ack, flags, window });
        expect(repr).toMatchObject({ payloadOffset: 27, payloadLength: payload.length });
      }),
    );
  });

  it('reads the options it writes', () => {
    const bytes = new Uint8Array(60);
    const length = emitSynOptions(bytes, 20, 1460, 7, true);
    expect(length).toBe(12);
    bytes[12] = (32 / 4) << 4;
    expect(parseTcp(bytes, 0, 32)).toMatchObject({ options: { mss: 1460, windowShift: 7, sackPermitted: true } });
    const blocks = Uint32Array.of(0xffff_fff0, 16, 100, 200, 300, 400);
    expect(emitSackOption(bytes, 20, blocks, 3)).toBe(sackOptionLength(3));
    const options = createTcpOptions();
    parseTcpOptions(bytes, 0, 20 + 28, options);
    expect(options.sackCount).toBe(3);
    expect([...options.sack.subarray(0, 6)]).toEqual([...blocks]);
  });

  it('forgets the options of the segment before', () => {
    const options = createTcpOptions();
    const bytes = new Uint8Array(40);
    emitSynOptions(bytes, 20, 1460, 7, true);
    parseTcpOptions(bytes, 0, 32, options);
    parseTcpOptions(bytes, 0, 20, options);
    expect(options).toMatchObject({ mss: 0, windowShift: -1, sackPermitted: false, sackCount: 0 });
  });

  it('caps a window shift at 14 (RFC 7323)', () => {
    const options = createTcpOptions();
    const bytes = new Uint8Array(24);
    bytes.set([3, 3, 200, 0], 20);
    parseTcpOptions(bytes, 0, 24, options);
    expect(options.windowShift).toBe(14);
  });

  it('takes any bytes without a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const repr = parseTcp(bytes, 0, bytes.length);
        if (typeof repr !== 'string') expect(repr.payloadOffset + repr.payloadLength).toBe(bytes.length);
      }),
      { numRuns: 2000 },
    );
  });

  it('names why it refuses', () => {
    expect(parseTcp(new Uint8Array(19), 0, 19)).toBe('tcp-short');
    const bytes = new Uint8Array(24);
    bytes[12] = 0x40;
    expect(parseTcp(bytes, 0, 24)).toBe('tcp-offset');
    bytes[12] = 0x70;
    expect(parseTcp(bytes, 0, 24)).toBe('tcp-offset');
    bytes[12] = 0x60;
    expect(parseTcp(bytes, 0, 24)).toMatchObject({ payloadLength: 0 });
  });

  it('verifies a checksum over the pseudo header', () => {
    const bytes = new Uint8Array(25).map((_, i) => i);
    const pseudo = 0x0a00 + 0x0202 + 0x0a00 + 0x020f;
    bytes[TCP_CHECKSUM_OFFSET] = 0;
    bytes[TCP_CHECKSUM_OFFSET + 1] = 0;
    const sum = ~fold(sumBytes(bytes, 0, 25, pseudo + 6 + 25)) & 0xffff;
    bytes[TCP_CHECKSUM_OFFSET] = sum >> 8;
    bytes[TCP_CHECKSUM_OFFSET + 1] = sum & 255;
    expect(tcpChecksumHolds(bytes, 0, 25, pseudo)).toBe(true);
    bytes[24] = 99;
    expect(tcpChecksumHolds(bytes, 0, 25, pseudo)).toBe(false);
  });

  it('spells flags', () => {
    expect(tcpFlagText(0x12)).toBe('SA');
    expect(tcpFlagText(0)).toBe('.');
  });
});
