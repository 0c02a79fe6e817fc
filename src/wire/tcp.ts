/**
 * TCP segments (RFC 9293 §3.1, options of RFC 7323 and RFC 2018). Accessors assume tcpCheck() returned undefined for
 * these bytes; nothing here throws, allocates on the data path or keeps the bytes.
 *
 *     0                   1                   2                   3
 *     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *    |          source port          |       destination port        |
 *    |                        sequence number                        |
 *    |                     acknowledgment number                     |
 *    | offset| rsvd  |C|E|U|A|P|R|S|F|            window             |
 *    |           checksum            |         urgent pointer        |
 */
import { put16, put32, u16, u32 } from './bytes.ts';
import { fold, sumBytes } from './checksum.ts';

export const IP_PROTOCOL_TCP = 6;
export const TCP_HEADER_LENGTH = 20;
export const TCP_MAX_HEADER_LENGTH = 60;
/** Offset of the checksum field in the header. */
export const TCP_CHECKSUM_OFFSET = 16;
export const TCP_URGENT_OFFSET = 18;

export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_URG = 0x20;
export const TCP_ECE = 0x40;
export const TCP_CWR = 0x80;

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;
const OPTION_SACK_PERMITTED = 4;
const OPTION_SACK = 5;
const OPTION_TIMESTAMPS = 8;
/** RFC 7323 §2.3: a larger shift counts as 14. */
const MAX_WINDOW_SHIFT = 14;
/** What fits the option space beside nothing else: 4 blocks. */
export const MAX_SACK_BLOCKS = 4;

export type TcpDrop = 'tcp-short' | 'tcp-offset' | 'tcp-checksum';

export const tcpSourcePort = (b: Uint8Array, o: number): number => u16(b, o);
export const tcpDestinationPort = (b: Uint8Array, o: number): number => u16(b, o + 2);
export const tcpSeq = (b: Uint8Array, o: number): number => u32(b, o + 4);
export const tcpAck = (b: Uint8Array, o: number): number => u32(b, o + 8);
export const tcpHeaderLength = (b: Uint8Array, o: number): number => (b[o + 12]! >>> 4) << 2;
export const tcpFlags = (b: Uint8Array, o: number): number => b[o + 13]!;
export const tcpWindow = (b: Uint8Array, o: number): number => u16(b, o + 14);
export const tcpUrgent = (b: Uint8Array, o: number): number => u16(b, o + TCP_URGENT_OFFSET);

/** @param end first byte behind the segment. */
export function tcpCheck(b: Uint8Array, o: number, end: number): TcpDrop | undefined {
  if (end - o < TCP_HEADER_LENGTH) return 'tcp-short';
  const headerLength = tcpHeaderLength(b, o);
  return headerLength < TCP_HEADER_LENGTH || headerLength > end - o ? 'tcp-offset' : undefined;
}

/** @param pseudoSum running sum of the pseudo header's addresses (protocol and length are added here). */
export const tcpChecksumHolds = (b: Uint8Array, o: number, length: number, pseudoSum: number): boolean =>
  fold(sumBytes(b, o, length, pseudoSum + IP_PROTOCOL_TCP + length)) === 0xffff;

/** Options of one segment. One object, reused; parseTcpOptions fills every member. */
export interface TcpOptions {
  /** 0 = absent. */
  mss: number;
  /** -1 = absent, else 0..14. */
  windowShift: number;
  sackPermitted: boolean;
  timestamps: boolean;
  sackCount: number;
  /** Left and right edges, two entries a block. */
  readonly sack: Uint32Array;
}

export const createTcpOptions = (): TcpOptions => ({
  mss: 0,
  windowShift: -1,
  sackPermitted: false,
  timestamps: false,
  sackCount: 0,
  sack: new Uint32Array(MAX_SACK_BLOCKS * 2),
});

/**
 * Reads the options of a checked header into `out`. Unknown and malformed ones are skipped; a length that leads
 * nowhere (0, 1, beyond the header) ends the parse (RFC 9293 §3.2).
 */
export function parseTcpOptions(b: Uint8Array, o: number, headerLength: number, out: TcpOptions): void {
  out.mss = 0;
  out.windowShift = -1;
  out.sackPermitted = false;
  out.timestamps = false;
  out.sackCount = 0;
  const end = o + headerLength;
  let at = o + TCP_HEADER_LENGTH;
  while (at < end) {
    const kind = b[at]!;
    if (kind === OPTION_END) return;
    if (kind === OPTION_NOP) {
      at++;
      continue;
    }
    if (at + 1 >= end) return;
    const length = b[at + 1]!;
    if (length < 2 || at + length > end) return;
    readOption(b, at, kind, length, out);
    at += length;
  }
}

function readOption(b: Uint8Array, at: number, kind: number, length: number, out: TcpOptions): void {
  if (kind === OPTION_MSS) {
    if (length === 4) out.mss = u16(b, at + 2);
  } else if (kind === OPTION_WINDOW_SCALE) {
    if (length === 3) out.windowShift = Math.min(b[at + 2]!, MAX_WINDOW_SHIFT);
  } else if (kind === OPTION_SACK_PERMITTED) {
    if (length === 2) out.sackPermitted = true;
  } else if (kind === OPTION_TIMESTAMPS) {
    if (length === 10) out.timestamps = true;
  } else if (kind === OPTION_SACK && (length - 2) % 8 === 0) {
    const count = (length - 2) >> 3;
    out.sackCount = Math.min(count, MAX_SACK_BLOCKS);
    for (let i = 0; i < out.sackCount; i++) {
      out.sack[2 * i] = u32(b, at + 2 + 8 * i);
      out.sack[2 * i + 1] = u32(b, at + 6 + 8 * i);
    }
  }
}

/** Writes a header of `headerLength` bytes without its options; checksum and urgent pointer are 0. */
export function emitTcpHeader(
  b: Uint8Array,
  o: number,
  sourcePort: number,
  destinationPort: number,
  seq: number,
  ack: number,
  headerLength: number,
  flags: number,
  window: number,
): void {
  put16(b, o, sourcePort);
  put16(b, o + 2, destinationPort);
  put32(b, o + 4, seq);
  put32(b, o + 8, ack);
  b[o + 12] = (headerLength >>> 2) << 4;
  b[o + 13] = flags;
  put16(b, o + 14, window);
  put32(b, o + 16, 0);
}

/** Writes the options of a SYN at `at`, padded to 4 bytes. @returns their length. */
export function emitSynOptions(
  b: Uint8Array,
  at: number,
  mss: number,
  windowShift: number,
  sackPermitted: boolean,
): number {
  const start = at;
  b[at++] = OPTION_MSS;
  b[at++] = 4;
  put16(b, at, mss);
  at += 2;
  if (sackPermitted) {
    b[at++] = OPTION_NOP;
    b[at++] = OPTION_NOP;
    b[at++] = OPTION_SACK_PERMITTED;
    b[at++] = 2;
  }
  if (windowShift >= 0) {
    b[at++] = OPTION_NOP;
    b[at++] = OPTION_WINDOW_SCALE;
    b[at++] = 3;
    b[at++] = windowShift;
  }
  return at - start;
}

/** Bytes of a SACK option with `count` blocks and its two NOPs; 0 for none. */
export const sackOptionLength = (count: number): number => (count === 0 ? 0 : 4 + 8 * count);

/** Writes a SACK option at `at`. `blocks` holds left and right edges. @returns its length. */
export function emitSackOption(b: Uint8Array, at: number, blocks: Uint32Array, count: number): number {
  if (count === 0) return 0;
  b[at] = OPTION_NOP;
  b[at + 1] = OPTION_NOP;
  b[at + 2] = OPTION_SACK;
  b[at + 3] = 2 + 8 * count;
  for (let i = 0; i < 2 * count; i++) put32(b, at + 4 + 4 * i, blocks[i]!);
  return sackOptionLength(count);
}

/** A segment's header for people and tests. */
export interface TcpRepr {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly options: TcpOptions;
  readonly payloadOffset: number;
  readonly payloadLength: number;
}

/** @param end first byte behind the segment. */
export function parseTcp(b: Uint8Array, o: number, end: number): TcpRepr | TcpDrop {
  const drop = tcpCheck(b, o, end);
  if (drop !== undefined) return drop;
  const headerLength = tcpHeaderLength(b, o);
  const options = createTcpOptions();
  parseTcpOptions(b, o, headerLength, options);
  return {
    sourcePort: tcpSourcePort(b, o),
    destinationPort: tcpDestinationPort(b, o),
    seq: tcpSeq(b, o),
    ack: tcpAck(b, o),
    flags: tcpFlags(b, o),
    window: tcpWindow(b, o),
    options,
    payloadOffset: o + headerLength,
    payloadLength: end - o - headerLength,
  };
}

const FLAG_LETTERS = 'FSRPAUEC';

/** `SA`, `PA`, `.` for none: flags for people. */
export function tcpFlagText(flags: number): string {
  let text = '';
  for (let i = 0; i < 8; i++) if ((flags & (1 << i)) !== 0) text += FLAG_LETTERS[i];
  return text === '' ? '.' : text;
}
