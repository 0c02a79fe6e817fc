/**
 * DHCP leases (RFC 2131 4.3): which address belongs to whom.
 *
 * A lease belongs to an Ethernet address, to a client identifier where clients of one Ethernet address give several, and
 * to the port its guest came in by (Frame.ingress). An address is offered (held for OFFER_MS), bound (until its lease
 * ends), declined (somebody else had it: not lent for DECLINE_MS), taken (a guest was heard of there that was not lent it:
 * for as long as the neighbour table remembers one) or free. A free one remembers whose it was: that client gets it again
 * as long as nobody else needed it.
 *
 * `clear` says that the address was found free since this start: nobody answered for it, or its holder gave it back. An
 * address that is not clear is asked for by ARP before it is lent; meanwhile it is `asked` for one client.
 *
 * Limits: the pool, and of it one ingress's share (see Shares) where the yard has a switch; what its guests declined, have
 * taken, or wait for an answer about is in it too. When an ingress is at its
 * limit, its own lease whose guest was heard of longest ago may be lent again, if that guest is silent for QUIET_MS; when
 * the pool is empty, first those whose port is gone, then those of an ingress that has more.
 */

import { ORPHANS, SHARE_OF_FREE, Shares, STRANGERS } from '../net/index.ts';
import { IPV4_BROADCAST } from './address.ts';
import { inNetwork, type StackConfig, subnetBroadcast } from './config.ts';
import type { IpAddress } from './ip-layer.ts';
import { type AddressOwner, type AddressOwners, AGE_MS, type NeighbourTable } from './neighbours.ts';

/** QEMU's, where nothing says otherwise. */
export const POOL_SIZE = 16;
export const MAX_POOL = 8192;
export const LEASE_SECONDS = 86_400;
/** How long an address is held for a client that was offered it. */
export const OFFER_MS = 120_000;
/** How long an address that a client declined is not lent. */
export const DECLINE_MS = 600_000;
/** A guest that was heard of so recently keeps its lease, however much others need one. */
export const QUIET_MS = 60_000;
/** Guests of an earlier run have this long to come back before theirs may be needed. */
export const RETURN_MS = 5_000;
/** Leases looked at for one request before it is given up. */
const MAX_LOOKS = 16;

/** Who asks. */
export interface DhcpClient {
  /** 48-bit number. */
  readonly mac: number;
  /** Hexadecimal; '' = none, or nothing but the Ethernet address. */
  readonly id: string;
  readonly ingress: number;
}

export type LeaseState = 'free' | 'offered' | 'bound' | 'declined' | 'taken';

export interface LeaseSlot extends AddressOwner {
  readonly address: number;
  readonly id: string;
  readonly state: LeaseState;
  /** Monotonic milliseconds; the slot is free from then on. */
  readonly expiresAt: number;
  readonly hostname: string;
  readonly clear: boolean;
}

/** A bound lease as it is kept beyond this run. */
export interface KeptLease {
  readonly address: number;
  readonly mac: number;
  readonly id: string;
  readonly hostname: string;
  /** Until it ends. */
  readonly leftMs: number;
}

class Slot implements LeaseSlot {
  readonly address: number;
  mac = 0;
  id = '';
  ingress = ORPHANS;
  gone = false;
  state: LeaseState = 'free';
  expiresAt = 0;
  hostname = '';
  clear = false;
  /** Counted in its ingress's share. */
  charged = false;
  /** Asked for by ARP, for this client. */
  asked: DhcpClient | undefined;
  /** When its client was last heard of, as far as was looked. */
  seenAt = 0;

  constructor(address: number) {
    this.address = address;
  }
}

export class LeaseTable implements AddressOwners {
  readonly #slots: readonly Slot[];
  readonly #byAddress = new Map<number, Slot>();
  readonly #byMac = new Map<number, Slot[]>();
  readonly #shares: Shares;
  readonly #shared: boolean;
  /** No slot ends before. */
  #nextEnd = Number.POSITIVE_INFINITY;
  /** Called when the bound leases are others than before, or last longer. Set by who keeps them. */
  onChange: () => void = () => {};

  constructor(config: StackConfig) {
    this.#slots = poolAddresses(config).map((address) => new Slot(address));
    for (const slot of this.#slots) this.#byAddress.set(slot.address, slot);
    this.#shares = new Shares(this.#slots.length);
    this.#shared = config.dhcpShares === true;
  }

  get size(): number {
    return this.#slots.length;
  }

  /** Bound and not expired. */
  bound(now: number): LeaseSlot[] {
    return this.#slots.filter((slot) => slot.state === 'bound' && slot.expiresAt > now);
  }

  find(address: number): LeaseSlot | undefined {
    return this.#byAddress.get(address);
  }

  /** What this client was lent, or else has: by Ethernet address and identifier; one of the two sides may have none. */
  of(client: DhcpClient): LeaseSlot | undefined {
    return this.#lentTo(client) ?? this.#byMac.get(client.mac)?.find((slot) => slot.state === 'taken');
  }

  owns(slot: LeaseSlot, client: DhcpClient): boolean {
    return this.of(client) === slot;
  }

  /** The lease is its client's, and it may be there: its port is not gone. */
  isElsewhere(slot: LeaseSlot, client: DhcpClient): boolean {
    return slot.mac === client.mac && !slot.gone && slot.ingress !== STRANGERS && slot.ingress !== client.ingress;
  }

  /** Whether it may be lent to the client by name. */
  isFreeFor(slot: LeaseSlot, client: DhcpClient, now: number): boolean {
    const { asked } = slot as Slot;
    if (asked !== undefined) return sameClient(asked, client);
    if (slot.state === 'declined') return slot.expiresAt <= now;
    if (slot.state === 'taken') return slot.mac === client.mac;
    const isLent = slot.state !== 'free' && slot.expiresAt > now;
    return isLent ? this.owns(slot, client) : this.#fits(client.ingress, now);
  }

  /**
   * What to lend: the address the client wants, its own, one of its identifier, one never used, the one that ended first,
   * one whose guest is gone.
   * @param wanted 0 = none.
   * @param passed addresses that turned out to be taken.
   * @returns undefined = nothing is left for it.
   */
  choose(
    client: DhcpClient,
    wanted: number,
    now: number,
    neighbours: NeighbourTable,
    passed: ReadonlySet<number>,
  ): LeaseSlot | undefined {
    const usable = (slot: Slot | undefined): slot is Slot =>
      slot !== undefined && !passed.has(slot.address) && this.isFreeFor(slot, client, now);
    const asWanted = this.#byAddress.get(wanted);
    if (usable(asWanted)) return asWanted;
    const own = this.of(client) as Slot | undefined;
    if (usable(own)) return own;
    if (!this.#fits(client.ingress, now)) return this.#needed(client, now, neighbours, passed);
    const named = this.#ofIdentifier(client);
    if (named !== undefined && !passed.has(named.address)) return named;
    let best: Slot | undefined;
    for (const slot of this.#slots) {
      if (slot.state !== 'free' || !usable(slot)) continue;
      if (slot.mac === 0) return slot;
      if (best === undefined || slot.expiresAt < best.expiresAt) best = slot;
    }
    return best ?? this.#needed(client, now, neighbours, passed);
  }

  offer(slot: LeaseSlot, client: DhcpClient, now: number): void {
    if (slot.state === 'bound' && slot.expiresAt > now && this.owns(slot, client)) {
      this.#hold(slot as Slot, client, 'bound', slot.expiresAt, now);
    } else {
      this.#hold(slot as Slot, client, 'offered', now + OFFER_MS, now);
    }
  }

  /** @returns whether it is a new lease, and not one that goes on. */
  bind(slot: LeaseSlot, client: DhcpClient, now: number, hostname: string): boolean {
    const isNew = slot.state !== 'bound' || slot.expiresAt <= now || slot.mac !== client.mac;
    this.#hold(slot as Slot, client, 'bound', now + LEASE_SECONDS * 1000, now);
    if (hostname !== '') (slot as Slot).hostname = hostname;
    this.onChange();
    return isNew;
  }

  /** Its client gives it back. */
  release(slot: LeaseSlot, now: number): void {
    if (slot.state === 'bound') this.onChange();
    this.#free(slot as Slot, now);
  }

  /** Its client found somebody else there. */
  decline(slot: LeaseSlot, now: number): void {
    const it = slot as Slot;
    if (it.state === 'bound') this.onChange();
    const { ingress } = it;
    this.#forget(it);
    it.state = 'declined';
    it.clear = false;
    this.#charge(it, ingress);
    this.#endsAt(it, now + DECLINE_MS);
  }

  /** Nobody else shall be lent it while it is asked for. */
  ask(slot: LeaseSlot, client: DhcpClient): void {
    const it = slot as Slot;
    it.asked = client;
    // It counts already: many that are asked for at once would be granted beyond the share.
    if (it.state === 'free') this.#charge(it, client.ingress);
  }

  /** Nobody answered, or the answer or its sender does not matter any more. */
  notAsked(slot: LeaseSlot): void {
    const it = slot as Slot;
    it.asked = undefined;
    if (it.state === 'free') this.#discharge(it);
  }

  /** The port is gone: so is its guest, unless it comes back elsewhere. */
  ingressGone(ingress: number): void {
    if (this.#shares.heldBy(ingress) === 0) return;
    for (const slot of this.#slots) {
      if (slot.state === 'free' || slot.ingress !== ingress) continue;
      if (slot.state === 'taken') {
        this.#forget(slot);
        continue;
      }
      this.#charge(slot, ORPHANS);
      slot.gone = true;
      slot.clear = false;
    }
  }

  ownerOf(address: IpAddress): AddressOwner | undefined {
    const slot = this.#slotOf(address);
    return slot?.state === 'bound' && !slot.gone ? slot : undefined;
  }

  learnt(address: IpAddress, mac: number, ingress: number, now: number): void {
    const slot = this.#slotOf(address);
    if (slot === undefined) return;
    if (slot.state === 'taken' && slot.mac === mac && slot.ingress === ingress) {
      this.#endsAt(slot, now + AGE_MS);
    } else if (slot.mac === mac && (slot.state === 'offered' || slot.state === 'bound')) {
      if (slot.gone || slot.ingress !== ingress) this.#charge(slot, ingress);
    } else if (slot.state !== 'declined' && (slot.state !== 'bound' || slot.gone)) {
      this.#take(slot, mac, ingress, now);
    }
  }

  /** What may be given to restore() in a later run. */
  kept(now: number): KeptLease[] {
    return this.bound(now).map(({ address, mac, id, hostname, expiresAt }) => ({
      address,
      mac,
      id,
      hostname,
      leftMs: expiresAt - now,
    }));
  }

  /** What was kept of an earlier run; what is not in this pool is left out. */
  restore(leases: readonly KeptLease[], now: number): void {
    for (const { address, mac, id, hostname, leftMs } of leases) {
      const slot = this.#byAddress.get(address);
      if (slot === undefined) continue;
      this.#hold(slot, { mac, id, ingress: STRANGERS }, 'bound', now + Math.min(leftMs, LEASE_SECONDS * 1000), now);
      slot.hostname = hostname;
      slot.clear = false;
    }
  }

  #lentTo({ mac, id }: DhcpClient): Slot | undefined {
    const slots = this.#byMac.get(mac)?.filter((slot) => slot.state !== 'taken');
    return slots?.find((slot) => slot.id === id) ?? slots?.find((slot) => slot.id === '' || id === '');
  }

  /** A guest has the address without a lease. What one ingress can keep from others so is in its share too. */
  #take(slot: Slot, mac: number, ingress: number, now: number): void {
    slot.clear = false;
    if (!this.#fits(ingress, now)) return;
    if (slot.state === 'bound') this.onChange();
    this.#forget(slot);
    this.#own(slot, mac);
    slot.state = 'taken';
    this.#charge(slot, ingress);
    this.#endsAt(slot, now + AGE_MS);
  }

  #own(slot: Slot, mac: number): void {
    slot.mac = mac;
    const slots = this.#byMac.get(mac);
    if (slots === undefined) this.#byMac.set(mac, [slot]);
    else slots.push(slot);
  }

  #slotOf(address: IpAddress): Slot | undefined {
    return address[2] === 0xffff && address[1] === 0 && address[0] === 0
      ? this.#byAddress.get(address[3] ?? 0)
      : undefined;
  }

  /** What a client with this identifier and another Ethernet address had, and does not need any more. */
  #ofIdentifier({ id, mac }: DhcpClient): Slot | undefined {
    if (id === '') return undefined;
    return this.#slots.find(
      (slot) => slot.id === id && slot.mac !== mac && slot.asked === undefined && (slot.gone || slot.state === 'free'),
    );
  }

  /** Whether the ingress may have one more. What belongs to nobody's port is as good as free. */
  #fits(ingress: number, now: number): boolean {
    if (now >= this.#nextEnd) this.#sweep(now);
    const left = this.#shares.free + this.#shares.heldBy(ORPHANS);
    if (!this.#shared) return true;
    return this.#shares.heldBy(ingress) < SHARE_OF_FREE * left;
  }

  /** A lease whose guest seems to be gone. It is asked for by ARP before it is lent again. */
  #needed(
    client: DhcpClient,
    now: number,
    neighbours: NeighbourTable,
    passed: ReadonlySet<number>,
  ): LeaseSlot | undefined {
    const { ingress } = client;
    const fits = this.#fits(ingress, now);
    // One pass over the pool: those that come first, in their order.
    const first: Slot[] = [];
    for (const slot of this.#slots) {
      if ((slot.state !== 'offered' && slot.state !== 'bound') || slot.asked !== undefined) continue;
      if (passed.has(slot.address)) continue;
      const mayGive = slot.gone ? fits : slot.ingress === ingress || this.#hasMore(slot.ingress, ingress);
      if (!mayGive || (first.length === MAX_LOOKS && !comesBefore(slot, first[MAX_LOOKS - 1]!))) continue;
      insert(first, slot);
      if (first.length > MAX_LOOKS) first.pop();
    }
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const best = first.shift();
      if (best === undefined) return undefined;
      if (best.gone) return best;
      const heardAt = neighbours.heardAt(best.address, best.mac);
      const quietMs = best.ingress === STRANGERS ? RETURN_MS : QUIET_MS;
      if (heardAt <= best.seenAt) return now - best.seenAt < quietMs ? undefined : best;
      best.seenAt = heardAt;
      insert(first, best);
    }
    return undefined;
  }

  #hasMore(other: number, than: number): boolean {
    return other === STRANGERS || this.#shares.heldBy(other) > this.#shares.heldBy(than);
  }

  #sweep(now: number): void {
    this.#nextEnd = Number.POSITIVE_INFINITY;
    for (const slot of this.#slots) {
      if (slot.state === 'free') continue;
      if (slot.expiresAt <= now) {
        // Whoever had it may still be there.
        if (slot.state !== 'offered') slot.clear = false;
        this.#free(slot, slot.expiresAt);
      } else this.#nextEnd = Math.min(this.#nextEnd, slot.expiresAt);
    }
  }

  /** A client has one address: what it held before is free. */
  #hold(slot: Slot, client: DhcpClient, state: LeaseState, endsAt: number, now: number): void {
    const before = this.#lentTo(client);
    if (before !== undefined && before !== slot) {
      if (before.state === 'bound') this.onChange();
      this.#free(before, now);
      this.#forget(before);
    }
    if (slot.mac !== client.mac) {
      if (slot.state === 'bound') this.onChange();
      this.#forget(slot);
      this.#own(slot, client.mac);
    }
    if (client.id !== '') slot.id = client.id;
    slot.state = state;
    slot.seenAt = now;
    slot.clear = true;
    this.#charge(slot, client.ingress);
    this.#endsAt(slot, endsAt);
  }

  #endsAt(slot: Slot, ms: number): void {
    slot.expiresAt = ms;
    this.#nextEnd = Math.min(this.#nextEnd, ms);
  }

  #charge(slot: Slot, ingress: number): void {
    this.#discharge(slot);
    slot.ingress = ingress;
    slot.charged = true;
    slot.gone = false;
    this.#shares.take(ingress);
  }

  #discharge(slot: Slot): void {
    if (slot.charged) this.#shares.give(slot.ingress);
    slot.charged = false;
  }

  #free(slot: Slot, at: number): void {
    this.#discharge(slot);
    slot.state = 'free';
    slot.gone = false;
    slot.expiresAt = at;
  }

  /** Nobody's any more. */
  #forget(slot: Slot): void {
    this.#discharge(slot);
    const slots = this.#byMac.get(slot.mac);
    const at = slots?.indexOf(slot) ?? -1;
    if (at >= 0) slots?.splice(at, 1);
    if (slots?.length === 0) this.#byMac.delete(slot.mac);
    slot.mac = 0;
    slot.id = '';
    slot.hostname = '';
    slot.state = 'free';
    slot.gone = false;
    slot.expiresAt = 0;
  }
}

/**
 * Whether a lease gives way before another: its port is gone, or its client was heard of longer ago, or, in an earlier run,
 * renewed it longer ago.
 */
function comesBefore(slot: Slot, other: Slot): boolean {
  if (slot.gone !== other.gone) return slot.gone;
  return slot.seenAt === other.seenAt ? slot.expiresAt < other.expiresAt : slot.seenAt < other.seenAt;
}

function insert(slots: Slot[], slot: Slot): void {
  let at = slots.length;
  while (at > 0 && comesBefore(slot, slots[at - 1]!)) at--;
  slots.splice(at, 0, slot);
}

const sameClient = (a: DhcpClient, b: DhcpClient): boolean => a.mac === b.mac && a.id === b.id;

/** From the first address to the network's end, then from its begin, without special addresses and our own. */
function poolAddresses(config: StackConfig): number[] {
  const broadcast = subnetBroadcast(config);
  const size = Math.min(config.dhcpPool ?? POOL_SIZE, MAX_POOL);
  const found = new Set<number>();
  let address = config.dhcpStart;
  // Two reserved and two own addresses, and a start that may repeat: enough steps for any subnet.
  for (let step = 0; step < size + 5 && found.size < size; step++) {
    if (!inNetwork(config, address)) address = config.network;
    if (found.has(address)) break;
    const usable = address !== config.network && address !== broadcast && address !== IPV4_BROADCAST && address !== 0;
    if (usable && address !== config.host && address !== config.dns) found.add(address);
    address = (address + 1) >>> 0;
  }
  return [...found];
}
