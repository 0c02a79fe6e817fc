/** The checks of the IPv6 options, with QEMU's texts (net/slirp.c). */
import { QapiError } from '../../qapi/error.ts';
import type { NetdevUserOptions } from '../../schema/net.ts';
import { parseIpv6Text } from '../../wire/index.ts';

const DEFAULT_PREFIX = 'fec0::';
const DEFAULT_LENGTH = 64;
const MAX_LENGTH = 126;

/** @throws QapiError */
export function checkIpv6Options(options: NetdevUserOptions): void {
  const prefix = parseIpv6Text(options['ipv6-prefix'] ?? DEFAULT_PREFIX);
  if (prefix === undefined) throw new QapiError('Failed to parse IPv6 prefix');
  const length = Number(options['ipv6-prefixlen'] ?? 0) || DEFAULT_LENGTH;
  if (length < 0 || length > MAX_LENGTH) {
    throw new QapiError('Invalid IPv6 prefix provided (IPv6 prefix length must be between 0 and 126)');
  }
  const host = addressOr(options['ipv6-host'], prefix, 2);
  if (host === undefined) throw new QapiError('Failed to parse IPv6 host');
  if (!samePrefix(prefix, host, length)) throw new QapiError("IPv6 Host doesn't belong to network");
  const dns = addressOr(options['ipv6-dns'], prefix, 3);
  if (dns === undefined) throw new QapiError('Failed to parse IPv6 DNS');
  if (options.restrict === true && !samePrefix(prefix, dns, length)) {
    throw new QapiError("IPv6 DNS doesn't belong to network");
  }
}

function addressOr(text: string | undefined, prefix: Uint32Array, suffix: number): Uint32Array | undefined {
  if (text !== undefined) return parseIpv6Text(text);
  const address = prefix.slice();
  address[3] = (address[3] ?? 0) | suffix;
  return address;
}

function samePrefix(a: Uint32Array, b: Uint32Array, length: number): boolean {
  for (let i = 0; i < 4 && length > 32 * i; i++) {
    const bits = Math.min(32, length - 32 * i);
    const mask = (-1 << (32 - bits)) >>> 0;
    if ((((a[i] ?? 0) ^ (b[i] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}
