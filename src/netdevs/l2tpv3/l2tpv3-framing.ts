/**
 * The header of an unmanaged L2TPv3 Ethernet pseudowire (RFC 3931 sections 4.1.1 and 4.1.2, QEMU net/l2tpv3.c). All
 * fields big-endian; which of them are there is configured on both ends, nothing on the wire tells:
 *
 *   00 03 00 00   flags and version       over UDP only
 *   session       4 bytes
 *   cookie        4 or 8 bytes            with cookies
 *   counter       4 bytes                 with a counter, in the place of the L2-specific sublayer
 *   offset        that many bytes of 0    with an offset
 *   Ethernet frame
 *
 * As in QEMU, received flags, counter and offset bytes may be anything; cookie and session must match.
 */
import type { DatagramFraming } from '../datagram/index.ts';

/** T bit clear, version 3 (RFC 3931 section 4.1.2.1). */
const DATA_MARKER = 0x00030000;
const IPV4_MIN_HEADER = 20;

export const DROP_NO_PAYLOAD = 'no-payload';
export const DROP_COOKIE_MISMATCH = 'cookie-mismatch';
export const DROP_SESSION_MISMATCH = 'session-mismatch';
export const DROP_BAD_IP_HEADER = 'bad-ip-header';

export interface L2tpv3Layout {
  readonly udp: boolean;
  /** Received datagrams begin with their IPv4 header, as raw sockets give them (raw(7)). */
  readonly ipHeader: boolean;
  /** uint32. */
  readonly txSession: number;
  readonly rxSession: number;
  /** undefined = no cookies. */
  readonly cookies: { readonly bytes: 4 | 8; readonly tx: bigint; readonly rx: bigint } | undefined;
  /** `pinned` always says 0. */
  readonly counter: 'none' | 'counting' | 'pinned';
  /** Bytes between header and frame. */
  readonly offset: number;
  /** Called for each mismatch, with QEMU's words. */
  readonly onMismatch: (text: string) => void;
}

export class L2tpv3Framing implements DatagramFraming {
  readonly headerLength: number;
  readonly #header: Uint8Array;
  readonly #ipHeader: boolean;
  readonly #sessionAt: number;
  readonly #rxSession: number;
  readonly #cookieAt: number;
  readonly #cookieBytes: number;
  /** The cookie's first and second word; one of 4 bytes is in the first. */
  readonly #rxCookie: readonly [number, number];
  readonly #counterAt: number;
  readonly #counting: boolean;
  readonly #onMismatch: (text: string) => void;
  #counter = 0;

  constructor(layout: L2tpv3Layout) {
    const { cookies } = layout;
    this.#ipHeader = layout.ipHeader;
    this.#sessionAt = layout.udp ? 4 : 0;
    this.#rxSession = layout.rxSession;
    this.#cookieAt = this.#sessionAt + 4;
    this.#cookieBytes = cookies?.bytes ?? 0;
    this.#rxCookie = cookies === undefined ? [0, 0] : words(cookies.rx, cookies.bytes);
    this.#counterAt = this.#cookieAt + this.#cookieBytes;
    this.#counting = layout.counter === 'counting';
    this.headerLength = this.#counterAt + (layout.counter === 'none' ? 0 : 4) + layout.offset;
    this.#onMismatch = layout.onMismatch;
    this.#header = new Uint8Array(this.headerLength);
    if (layout.udp) setU32(this.#header, 0, DATA_MARKER);
    setU32(this.#header, this.#sessionAt, layout.txSession);
    if (cookies !== undefined) {
      const [first, second] = words(cookies.tx, cookies.bytes);
      setU32(this.#header, this.#cookieAt, first);
      if (cookies.bytes === 8) setU32(this.#header, this.#cookieAt + 4, second);
    }
  }

  emit(bytes: Uint8Array, offset: number): void {
    bytes.set(this.#header, offset);
    if (!this.#counting) return;
    this.#counter = (this.#counter + 1) >>> 0;
    setU32(bytes, offset + this.#counterAt, this.#counter);
  }

  check(bytes: Uint8Array, offset: number, length: number): number | string {
    let ip = 0;
    if (this.#ipHeader) {
      if (length < IPV4_MIN_HEADER) return DROP_BAD_IP_HEADER;
      const first = bytes[offset] as number;
      ip = (first & 15) * 4;
      if (first >> 4 !== 4 || ip < IPV4_MIN_HEADER || ip > length) return DROP_BAD_IP_HEADER;
    }
    const at = offset + ip;
    if (length - ip <= this.headerLength) return DROP_NO_PAYLOAD;
    if (this.#cookieBytes !== 0 && !this.#isOurCookie(bytes, at + this.#cookieAt)) {
      this.#onMismatch('unknown cookie id');
      return DROP_COOKIE_MISMATCH;
    }
    if (u32(bytes, at + this.#sessionAt) !== this.#rxSession) {
      this.#onMismatch('session mismatch');
      return DROP_SESSION_MISMATCH;
    }
    return ip + this.headerLength;
  }

  #isOurCookie(bytes: Uint8Array, at: number): boolean {
    const [first, second] = this.#rxCookie;
    return u32(bytes, at) === first && (this.#cookieBytes === 4 || u32(bytes, at + 4) === second);
  }
}

function words(value: bigint, bytes: 4 | 8): readonly [number, number] {
  const low = Number(BigInt.asUintN(32, value));
  return bytes === 4 ? [low, 0] : [Number(BigInt.asUintN(32, value >> 32n)), low];
}

const u32 = (b: Uint8Array, o: number): number =>
  (((b[o] as number) << 24) | ((b[o + 1] as number) << 16) | ((b[o + 2] as number) << 8) | (b[o + 3] as number)) >>> 0;

function setU32(b: Uint8Array, o: number, value: number): void {
  b[o] = value >>> 24;
  b[o + 1] = value >>> 16;
  b[o + 2] = value >>> 8;
  b[o + 3] = value;
}
