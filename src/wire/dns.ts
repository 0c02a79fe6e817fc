/**
 * DNS messages (RFC 1035 4.1), as far as a forwarder needs them: header and first question. Accessors assume
 * dnsCheck() returned undefined for these bytes.
 */
import { put16, u16 } from './bytes.ts';
import { readDnsName, skipDnsName } from './dns-name.ts';
import type { WireDrop } from './drop-reason.ts';

export const DNS_HEADER_LENGTH = 12;
export const DNS_PORT = 53;
/** Bits of the flags word. */
export const DNS_RESPONSE = 0x8000;
export const DNS_OPCODE_MASK = 0x7800;
export const DNS_RECURSION_DESIRED = 0x0100;
export const DNS_RECURSION_AVAILABLE = 0x0080;
/** Response codes. */
export const DNS_SERVFAIL = 2;
export const DNS_NOTIMP = 4;
export const DNS_REFUSED = 5;

export const dnsId = (b: Uint8Array, o: number): number => u16(b, o);
export const dnsFlags = (b: Uint8Array, o: number): number => u16(b, o + 2);
export const dnsResponseCode = (b: Uint8Array, o: number): number => b[o + 3]! & 0x0f;
export const dnsQuestionCount = (b: Uint8Array, o: number): number => u16(b, o + 4);
export const dnsIsResponse = (b: Uint8Array, o: number): boolean => (b[o + 2]! & 0x80) !== 0;

/** A whole header and, if a question is announced, one that fits. */
export function dnsCheck(b: Uint8Array, o: number, end: number): WireDrop | undefined {
  if (end - o < DNS_HEADER_LENGTH) return 'dns-short';
  return dnsQuestionCount(b, o) > 0 && dnsQuestionEnd(b, o, end) < 0 ? 'dns-format' : undefined;
}

/** Offset behind the first question (name, type, class), or -1. */
export function dnsQuestionEnd(b: Uint8Array, o: number, end: number): number {
  const name = skipDnsName(b, o + DNS_HEADER_LENGTH, end);
  return name < 0 || name + 4 > end ? -1 : name + 4;
}

export interface DnsRepr {
  id: number;
  flags: number;
  questionCount: number;
  /** Of the first question; '' and zeros when there is none. */
  name: string;
  type: number;
  class: number;
}

export function parseDns(b: Uint8Array, o: number, end: number): DnsRepr | WireDrop {
  const drop = dnsCheck(b, o, end);
  if (drop !== undefined) return drop;
  const r: DnsRepr = {
    id: dnsId(b, o),
    flags: dnsFlags(b, o),
    questionCount: dnsQuestionCount(b, o),
    name: '',
    type: 0,
    class: 0,
  };
  if (r.questionCount > 0) {
    const name = readDnsName(b, o, o + DNS_HEADER_LENGTH, end);
    if (name === undefined) return 'dns-format';
    const tail = dnsQuestionEnd(b, o, end);
    r.name = name;
    r.type = u16(b, tail - 4);
    r.class = u16(b, tail - 2);
  }
  return r;
}

/**
 * Writes a query or an answer without records: header and one question.
 * @param labels of the name, see dnsLabels.
 * @returns bytes written; the caller made room for DNS_HEADER_LENGTH + 255 + 4.
 */
export function emitDns(
  b: Uint8Array,
  o: number,
  id: number,
  flags: number,
  labels: readonly string[],
  type: number,
  cls: number,
): number {
  put16(b, o, id);
  put16(b, o + 2, flags);
  put16(b, o + 4, 1);
  b.fill(0, o + 6, o + DNS_HEADER_LENGTH);
  let at = o + DNS_HEADER_LENGTH;
  for (const label of labels) {
    b[at++] = label.length;
    for (let i = 0; i < label.length; i++) b[at++] = label.charCodeAt(i);
  }
  b[at++] = 0;
  put16(b, at, type);
  put16(b, at + 2, cls);
  return at + 4 - o;
}
