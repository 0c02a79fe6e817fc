/**
 * Addresses of the yard's own: those that netdevs on the switch answer for, as the gateway and the name server of `user`. A
 * guest that tells its neighbours that it has one of them would get what they send there, so a frame that says so leaves no
 * port but the one it came in by. Told by ARP (RFC 826): the sender's protocol address, in requests and replies alike.
 */
import type { Frame } from './frame.ts';

const ETHERNET_LENGTH = 14;
const TYPE_ARP = 0x0806;
const TYPE_VLAN = 0x8100;
const TYPE_QINQ = 0x88a8;
/** Below it the field is a length, and LLC follows. */
const FIRST_TYPE = 0x0600;
/** LLC with SNAP, no organisation: the type follows (RFC 1042), and some take ARP so. */
const SNAP_LENGTH = 8;
const VLAN_MASK = 0x0fff;
const MAX_TAGS = 2;
const ARP_SIZES = 4;
const ARP_SENDER = 14;
const ARP_LENGTH = 28;
const NONE = -1;

export class AddressGuard {
  /** Ports by the addresses that they own: two networks may have the same. */
  readonly #owners = new Map<number, Set<number>>();

  /** @param address IPv4, 32 bits; @param port serial */
  claim(address: number, port: number): void {
    const owners = this.#owners.get(address >>> 0) ?? new Set();
    owners.add(port);
    this.#owners.set(address >>> 0, owners);
  }

  forget(port: number): void {
    for (const [address, owners] of this.#owners)
      if (owners.delete(port) && owners.size === 0) this.#owners.delete(address);
  }

  /** Whether a frame that came in by this port claims an address that is others'. */
  forbids(frame: Frame, port: number): boolean {
    if (this.#owners.size === 0) return false;
    const arp = arpAt(frame);
    if (arp === NONE) return false;
    const { bytes } = frame;
    const at = arp + ARP_SENDER;
    const sender = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    const owners = this.#owners.get(sender >>> 0);
    return owners !== undefined && !owners.has(port);
  }
}

/** Where a packet of ARP for IPv4 over Ethernet begins, or NONE. */
function arpAt(frame: Frame): number {
  const { bytes, offset, length } = frame;
  const end = offset + length;
  let at = offset + ETHERNET_LENGTH;
  let type = (bytes[at - 2]! << 8) | bytes[at - 1]!;
  // The tag of no VLAN is passed over by whoever receives it.
  for (let tags = 0; tags < MAX_TAGS && (type === TYPE_VLAN || type === TYPE_QINQ); tags++) {
    if (at + 4 > end || (((bytes[at]! << 8) | bytes[at + 1]!) & VLAN_MASK) !== 0) return NONE;
    type = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    at += 4;
  }
  if (type < FIRST_TYPE && at + SNAP_LENGTH <= end && bytes[at] === 0xaa && bytes[at + 1] === 0xaa) {
    type = (bytes[at + 6]! << 8) | bytes[at + 7]!;
    at += SNAP_LENGTH;
  }
  if (type !== TYPE_ARP || at + ARP_LENGTH > end) return NONE;
  return bytes[at + ARP_SIZES] === 6 && bytes[at + ARP_SIZES + 1] === 4 ? at : NONE;
}
