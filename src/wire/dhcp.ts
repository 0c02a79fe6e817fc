/** BOOTP and DHCP for IPv4 (RFC 951, 2131, 2132). Accessors assume dhcpCheck() returned undefined for these bytes. */
import { put16, put32, u16, u32 } from './bytes.ts';
import type { WireDrop } from './drop-reason.ts';
import { readMac, writeMac } from './mac.ts';

/** The fixed part up to and including `file`. */
export const DHCP_FIXED_LENGTH = 236;
export const DHCP_COOKIE = 0x6382_5363;
export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;
const FILE_OFFSET = 108;
/** Bytes of the `file` field, the final NUL included. */
export const DHCP_FILE_LENGTH = 128;

export const DHCP_REQUEST_OP = 1;
export const DHCP_REPLY_OP = 2;
/** Of `flags`: the client cannot receive unicast before it has an address. */
export const DHCP_BROADCAST = 0x8000;

/** Option 53. */
export const DHCP_DISCOVER = 1;
export const DHCP_OFFER = 2;
export const DHCP_REQUEST = 3;
export const DHCP_DECLINE = 4;
export const DHCP_ACK = 5;
export const DHCP_NAK = 6;
export const DHCP_RELEASE = 7;
export const DHCP_INFORM = 8;

export const DHCP_OPTION = {
  pad: 0,
  subnetMask: 1,
  router: 3,
  dns: 6,
  hostname: 12,
  domainName: 15,
  mtu: 26,
  requestedAddress: 50,
  leaseTime: 51,
  messageType: 53,
  serverId: 54,
  message: 56,
  vendorClass: 60,
  clientId: 61,
  tftpServerName: 66,
  domainSearch: 119,
  end: 255,
} as const;

export const dhcpOp = (b: Uint8Array, o: number): number => b[o]!;
export const dhcpXid = (b: Uint8Array, o: number): number => u32(b, o + 4);
export const dhcpFlags = (b: Uint8Array, o: number): number => u16(b, o + 10);
export const dhcpClientAddress = (b: Uint8Array, o: number): number => u32(b, o + 12);
export const dhcpYourAddress = (b: Uint8Array, o: number): number => u32(b, o + 16);
export const dhcpServerAddress = (b: Uint8Array, o: number): number => u32(b, o + 20);
export const dhcpRelayAddress = (b: Uint8Array, o: number): number => u32(b, o + 24);
export const dhcpClientMac = (b: Uint8Array, o: number): number => readMac(b, o + 28);

export function dhcpCheck(_b: Uint8Array, o: number, end: number): WireDrop | undefined {
  return end - o < DHCP_FIXED_LENGTH ? 'dhcp-short' : undefined;
}

/**
 * Offset of the option's length byte (the value follows), or -1. Stops at END, at the datagram's end, and at an option
 * that runs past it.
 */
export function findDhcpOption(b: Uint8Array, o: number, end: number, code: number): number {
  let at = o + DHCP_FIXED_LENGTH + 4;
  if (at > end || u32(b, at - 4) !== DHCP_COOKIE) return -1;
  while (at < end) {
    const option = b[at]!;
    if (option === DHCP_OPTION.end) return -1;
    if (option === DHCP_OPTION.pad) {
      at++;
      continue;
    }
    if (at + 2 > end) return -1;
    const length = b[at + 1]!;
    if (at + 2 + length > end) return -1;
    if (option === code) return at + 1;
    at += 2 + length;
  }
  return -1;
}

/** What a message asks for or grants. Addresses are 0 when absent. */
export interface DhcpRepr {
  op: number;
  xid: number;
  flags: number;
  clientAddress: number;
  yourAddress: number;
  serverAddress: number;
  relayAddress: number;
  clientMac: number;
  /** 0 = plain BOOTP. */
  messageType: number;
  requestedAddress: number;
  serverId: number;
  /** Option 12 as given by the client: printable ASCII, others as '?'. '' = absent. */
  hostname: string;
  /** Option 61, a copy; RFC 2132 9.14: at least two bytes. */
  clientId: Uint8Array | undefined;
}

export function parseDhcp(b: Uint8Array, o: number, end: number): DhcpRepr | WireDrop {
  const drop = dhcpCheck(b, o, end);
  if (drop !== undefined) return drop;
  return {
    op: dhcpOp(b, o),
    xid: dhcpXid(b, o),
    flags: dhcpFlags(b, o),
    clientAddress: dhcpClientAddress(b, o),
    yourAddress: dhcpYourAddress(b, o),
    serverAddress: dhcpServerAddress(b, o),
    relayAddress: dhcpRelayAddress(b, o),
    clientMac: dhcpClientMac(b, o),
    messageType: optionByte(b, o, end, DHCP_OPTION.messageType),
    requestedAddress: optionAddress(b, o, end, DHCP_OPTION.requestedAddress),
    serverId: optionAddress(b, o, end, DHCP_OPTION.serverId),
    hostname: optionText(b, o, end, DHCP_OPTION.hostname),
    clientId: optionBytes(b, o, end, DHCP_OPTION.clientId, 2),
  };
}

function optionByte(b: Uint8Array, o: number, end: number, code: number): number {
  const at = findDhcpOption(b, o, end, code);
  return at >= 0 && b[at]! >= 1 ? b[at + 1]! : 0;
}

function optionAddress(b: Uint8Array, o: number, end: number, code: number): number {
  const at = findDhcpOption(b, o, end, code);
  return at >= 0 && b[at]! >= 4 ? u32(b, at + 1) : 0;
}

function optionBytes(b: Uint8Array, o: number, end: number, code: number, least: number): Uint8Array | undefined {
  const at = findDhcpOption(b, o, end, code);
  return at >= 0 && b[at]! >= least ? b.slice(at + 1, at + 1 + b[at]!) : undefined;
}

function optionText(b: Uint8Array, o: number, end: number, code: number): string {
  const at = findDhcpOption(b, o, end, code);
  if (at < 0) return '';
  let text = '';
  for (let i = at + 1; i <= at + b[at]!; i++) {
    const byte = b[i]!;
    if (byte === 0) break;
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?';
  }
  return text;
}

export interface DhcpHeader {
  op: number;
  xid: number;
  flags: number;
  clientAddress: number;
  yourAddress: number;
  serverAddress: number;
  relayAddress: number;
  clientMac: number;
  /** At most DHCP_FILE_LENGTH - 1 bytes. */
  file: Uint8Array;
}

/** Writes a message into a cleared area: the fixed part, then options one by one, then finish(). */
export class DhcpWriter {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  /** @param end first byte behind the message's area; it must hold the fixed part, the cookie and END. */
  constructor(bytes: Uint8Array, o: number, end: number, h: DhcpHeader) {
    bytes.fill(0, o, end);
    bytes[o] = h.op;
    bytes[o + 1] = 1;
    bytes[o + 2] = 6;
    put32(bytes, o + 4, h.xid);
    put16(bytes, o + 10, h.flags);
    put32(bytes, o + 12, h.clientAddress);
    put32(bytes, o + 16, h.yourAddress);
    put32(bytes, o + 20, h.serverAddress);
    put32(bytes, o + 24, h.relayAddress);
    writeMac(bytes, o + 28, h.clientMac);
    bytes.set(h.file.subarray(0, DHCP_FILE_LENGTH - 1), o + FILE_OFFSET);
    put32(bytes, o + DHCP_FIXED_LENGTH, DHCP_COOKIE);
    this.#bytes = bytes;
    this.#at = o + DHCP_FIXED_LENGTH + 4;
    this.#end = end;
  }

  /** Values over 255 bytes become several options of one code (RFC 3396). false = no room, nothing written. */
  option(code: number, value: Uint8Array): boolean {
    const pieces = Math.max(1, Math.ceil(value.length / 255));
    // The last byte belongs to END.
    if (this.#at + value.length + 2 * pieces >= this.#end) return false;
    for (let from = 0; from < Math.max(1, value.length); from += 255) {
      const piece = value.subarray(from, from + 255);
      this.#bytes[this.#at] = code;
      this.#bytes[this.#at + 1] = piece.length;
      this.#bytes.set(piece, this.#at + 2);
      this.#at += 2 + piece.length;
    }
    return true;
  }

  byte(code: number, value: number): boolean {
    return this.option(code, Uint8Array.of(value));
  }

  word(code: number, value: number): boolean {
    const bytes = new Uint8Array(4);
    put32(bytes, 0, value);
    return this.option(code, bytes);
  }

  /** Writes END; returns the offset behind it. */
  finish(): number {
    this.#bytes[this.#at] = DHCP_OPTION.end;
    return this.#at + 1;
  }
}
