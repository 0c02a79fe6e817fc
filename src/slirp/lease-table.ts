/**
 * DHCP leases by Ethernet address (RFC 2131 4.3). Up to POOL_SIZE addresses, walking from the first one through the
 * subnet; the network's, the broadcast's, the host's and the name server's own addresses are left out, and the walk
 * starts over at the subnet's begin.
 *
 * A slot is offered (held for OFFER_MS), bound (until its lease ends) or free. A free slot remembers whose it was: the
 * owner gets it again as long as nobody else needed it.
 */
import { IPV4_BROADCAST } from './address.ts';
import { inNetwork, type StackConfig, subnetBroadcast } from './config.ts';

export const POOL_SIZE = 16;
export const LEASE_SECONDS = 86_400;
/** How long an address is held for a client that was offered it. */
export const OFFER_MS = 120_000;

export interface LeaseSlot {
  readonly address: number;
  /** 48-bit number; 0 = never used. */
  mac: number;
  bound: boolean;
  /** Monotonic milliseconds; the slot is free from then on. */
  expiresAt: number;
  hostname: string;
}

export class LeaseTable {
  readonly #slots: readonly LeaseSlot[];

  constructor(config: StackConfig) {
    this.#slots = poolAddresses(config).map((address) => ({
      address,
      mac: 0,
      bound: false,
      expiresAt: 0,
      hostname: '',
    }));
  }

  /** Bound and not expired. */
  bound(now: number): LeaseSlot[] {
    return this.#slots.filter((slot) => slot.bound && slot.expiresAt > now);
  }

  find(address: number): LeaseSlot | undefined {
    return this.#slots.find((slot) => slot.address === address);
  }

  of(mac: number): LeaseSlot | undefined {
    return this.#slots.find((slot) => slot.mac === mac);
  }

  isFreeFor(slot: LeaseSlot, mac: number, now: number): boolean {
    return slot.mac === mac || slot.mac === 0 || slot.expiresAt <= now;
  }

  /** The client's own slot, else one never used, else the one that expired first. undefined = the pool is used up. */
  choose(mac: number, now: number): LeaseSlot | undefined {
    const own = this.of(mac);
    if (own !== undefined) return own;
    const unused = this.#slots.find((slot) => slot.mac === 0);
    if (unused !== undefined) return unused;
    let best: LeaseSlot | undefined;
    for (const slot of this.#slots) {
      if (slot.expiresAt <= now && (best === undefined || slot.expiresAt < best.expiresAt)) best = slot;
    }
    return best;
  }

  offer(slot: LeaseSlot, mac: number, now: number): void {
    if (slot.mac === mac && slot.bound && slot.expiresAt > now) return;
    this.#take(slot, mac);
    slot.bound = false;
    slot.expiresAt = now + OFFER_MS;
  }

  bind(slot: LeaseSlot, mac: number, now: number, hostname: string): void {
    this.#take(slot, mac);
    slot.bound = true;
    slot.expiresAt = now + LEASE_SECONDS * 1000;
    if (hostname !== '') slot.hostname = hostname;
  }

  release(slot: LeaseSlot, now: number): void {
    slot.bound = false;
    slot.expiresAt = now;
  }

  /** A client has one address: what it held before is free. */
  #take(slot: LeaseSlot, mac: number): void {
    for (const other of this.#slots) if (other !== slot && other.mac === mac) clear(other);
    if (slot.mac !== mac) clear(slot);
    slot.mac = mac;
  }
}

function clear(slot: LeaseSlot): void {
  slot.mac = 0;
  slot.bound = false;
  slot.expiresAt = 0;
  slot.hostname = '';
}

function poolAddresses(config: StackConfig): number[] {
  const broadcast = subnetBroadcast(config);
  const found: number[] = [];
  let address = config.dhcpStart;
  // Two reserved and two own addresses, and a start that may repeat: enough steps for any subnet.
  for (let step = 0; step < POOL_SIZE + 5 && found.length < POOL_SIZE; step++) {
    if (!inNetwork(config, address)) address = config.network;
    const usable = address !== config.network && address !== broadcast && address !== IPV4_BROADCAST && address !== 0;
    if (usable && address !== config.host && address !== config.dns) {
      if (found.includes(address)) break;
      found.push(address);
    }
    address = (address + 1) >>> 0;
  }
  return found;
}
