/**
 * `net=`, and what follows from it (QEMU net/slirp.c): the mask by address class where none is given, and the host's,
 * the name server's and the first DHCP address.
 */
import { QapiError } from '../../qapi/error.ts';
import { inetAton } from '../../wire/index.ts';
import { strtol10 } from './c-number.ts';

/** QEMU copies the address part into a buffer of this many characters. */
const ADDRESS_CHARACTERS = 19;

export interface Network {
  readonly address: number;
  readonly mask: number;
}

/** @throws QapiError with QEMU's texts. */
export function parseNetwork(text: string): Network {
  const slash = text.indexOf('/');
  if (slash < 0) {
    const address = inetAton(text);
    if (address === undefined) throw new QapiError('Failed to parse netmask');
    const mask = classMask(address);
    return { address: (address & mask) >>> 0, mask };
  }
  const address = inetAton(text.slice(0, slash).slice(0, ADDRESS_CHARACTERS));
  if (address === undefined) throw new QapiError('Failed to parse netmask');
  const mask = parseMask(text.slice(slash + 1));
  return { address: (address & mask) >>> 0, mask };
}

function parseMask(text: string): number {
  const bits = text === '' ? 0 : strtol10(text);
  if (bits === undefined) {
    const mask = inetAton(text);
    if (mask === undefined) throw new QapiError('Failed to parse netmask (trailing chars)');
    return mask;
  }
  if (bits < 4 || bits > 32) throw new QapiError('Invalid netmask provided (must be in range 4-32)');
  return (-1 << (32 - bits)) >>> 0;
}

/** The reference's table, its odd class C and multicast rows included. */
function classMask(address: number): number {
  const high16 = address >>> 16;
  if (address >>> 31 === 0) return 0xff00_0000;
  if ((high16 & 0xfff0) === 0xac10) return 0xfff0_0000;
  if (address >>> 30 === 2) return 0xffff_0000;
  if (high16 === 0xc0a8) return 0xffff_0000;
  if (high16 === 0xc612) return 0xfffe_0000;
  if (address >>> 29 === 7) return 0xffff_ff00;
  return 0xffff_fff0;
}

/** An address in the network from its last bytes (`0.0.2.2`), cut to the host part. */
export const derived = (network: Network, suffix: number): number => (network.address | (suffix & ~network.mask)) >>> 0;

export const contains = (network: Network, address: number): boolean =>
  (address & network.mask) >>> 0 === network.address;
