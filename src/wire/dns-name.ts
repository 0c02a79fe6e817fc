/** Domain names on the wire (RFC 1035 3.1, 4.1.4): reading with compression, writing with shared suffixes. */

export const DNS_MAX_NAME = 255;
export const DNS_MAX_LABEL = 63;
const MAX_POINTERS = 32;

/**
 * Offset behind the name at `o`, or -1 if it runs out of the message. Pointers are not followed.
 * @param end first byte behind the message.
 */
export function skipDnsName(b: Uint8Array, o: number, end: number): number {
  let at = o;
  while (at < end) {
    const length = b[at]!;
    if (length === 0) return at - o < DNS_MAX_NAME ? at + 1 : -1;
    if ((length & 0xc0) === 0xc0) return at + 2 <= end ? at + 2 : -1;
    if ((length & 0xc0) !== 0) return -1;
    at += 1 + length;
  }
  return -1;
}

/**
 * The name at `o` as text without a final dot (the root is ''), or undefined. Pointers must point backwards, so the
 * walk ends. Bytes outside printable ASCII, dots and backslashes are written `\DDD` (RFC 1035 5.1).
 * @param start offset of the message that pointers count from.
 */
export function readDnsName(b: Uint8Array, start: number, o: number, end: number): string | undefined {
  let text = '';
  let at = o;
  let wire = 1;
  let limit = o;
  for (let jumps = 0; jumps <= MAX_POINTERS; ) {
    if (at >= end) return undefined;
    const length = b[at]!;
    if (length === 0) return text;
    if ((length & 0xc0) === 0xc0) {
      if (at + 2 > end) return undefined;
      const target = start + (((length & 0x3f) << 8) | b[at + 1]!);
      if (target >= limit) return undefined;
      limit = target;
      at = target;
      jumps++;
      continue;
    }
    wire += 1 + length;
    if ((length & 0xc0) !== 0 || at + 1 + length > end || wire > DNS_MAX_NAME) return undefined;
    if (text !== '') text += '.';
    for (let i = at + 1; i <= at + length; i++) text += escapeByte(b[i]!);
    at += 1 + length;
  }
  return undefined;
}

function escapeByte(byte: number): string {
  if (byte < 0x21 || byte > 0x7e || byte === 0x2e || byte === 0x5c) return `\\${String(byte).padStart(3, '0')}`;
  return String.fromCharCode(byte);
}

/**
 * Labels of a name given by a person: ASCII, at most 63 bytes each, a final dot allowed. undefined when a label is
 * empty or too long, or the whole is.
 */
export function dnsLabels(name: string): string[] | undefined {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  if (bare === '' || bare.length > DNS_MAX_NAME - 2) return undefined;
  const labels = bare.split('.');
  for (const label of labels) {
    if (label.length === 0 || label.length > DNS_MAX_LABEL || !/^[\x21-\x7e]+$/.test(label)) return undefined;
  }
  return labels;
}

/**
 * A list of names one behind the other, a suffix that was written before as a pointer from the start of the list: the
 * data of DHCP option 119 (RFC 3397 2).
 */
export function encodeDnsNames(names: readonly string[][]): Uint8Array {
  const out: number[] = [];
  const suffixes = new Map<string, number>();
  for (const labels of names) {
    let pointed = false;
    for (let i = 0; i < labels.length; i++) {
      const key = labels.slice(i).join('.').toLowerCase();
      const known = suffixes.get(key);
      if (known !== undefined) {
        out.push(0xc0 | (known >> 8), known & 0xff);
        pointed = true;
        break;
      }
      if (out.length < 0x4000) suffixes.set(key, out.length);
      const label = labels[i] ?? '';
      out.push(label.length);
      for (let c = 0; c < label.length; c++) out.push(label.charCodeAt(c));
    }
    if (!pointed) out.push(0);
  }
  return Uint8Array.from(out);
}
