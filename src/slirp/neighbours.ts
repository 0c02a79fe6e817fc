/**
 * The guests' Ethernet addresses, for both families: ARP and NDP feed it, paths look into it.
 *
 * Theory of operation. An entry is `resolved` (mac known), `asking` (frames wait, a request is out) or gone. It is made
 * by learn() or by the first frame towards an unknown address. While asking, frames wait for at most WAIT_MS; a second
 * request goes out half-way. A resolved entry is confirmed by further ARP and by IP packets that come from the same
 * pair; AGE_MS without that and it has to be asked for again. Paths keep entries; one that left the table has `live`
 * false and is looked up anew.
 *
 * An address belongs to the pair of Ethernet address and port (Frame.ingress) that it was learnt from, or that DHCP lent it
 * to, as long as that guest is there. A claim from elsewhere is not believed at once: the old place is asked, twice, and
 * only if it says nothing for CLAIM_MS, not even an IP packet, the address moves. Once refused, claims to that address are
 * not looked at for CLAIM_REST_MS. The old place of a port that is gone is not asked, and nothing is sent there. Who has the
 * address by a lease gets it back at once.
 *
 * Limits: MAX_NEIGHBOURS entries, MAX_WAITING frames an entry, MAX_WAITING_BYTES in all; of entries and bytes each ingress
 * has its share. An ingress beyond it loses its own longest unused entry; those that something was sent to during IN_USE_MS
 * stay, and nothing more is learnt until one is idle. What is sent to a new address drives out one of them if it must.
 */
import type { Clock, Timer, Timers } from '../net/host.ts';
import { ORPHANS, Shares, STRANGERS } from '../net/index.ts';
import { isMulticastMac } from '../wire/index.ts';
import { type FlowNode, FlowTable, sameAddress } from './flow-table.ts';
import type { IpAddress } from './ip-layer.ts';

export const MAX_NEIGHBOURS = 1024;
export const MAX_WAITING = 16;
export const MAX_WAITING_BYTES = 4 * 1024 * 1024;
export const WAIT_MS = 1000;
export const AGE_MS = 20 * 60 * 1000;
const RETRY_MS = WAIT_MS / 2;
/** A pair that was confirmed so recently is not looked up again. */
const CONFIRM_MS = 1000;
/** An entry that was used so recently keeps its place in the order of use. */
const USE_MS = 1000;

/** How long the old place of a claimed address has to answer. */
export const CLAIM_MS = 500;
/** After a refused claim, the next one is looked at. */
export const CLAIM_REST_MS = 1000;
/** An entry that something was sent to so recently is not given up. */
export const IN_USE_MS = 10_000;
/** Entries looked at to find one that is not in use. */
const MAX_LOOKS = 64;

const NOWHERE: IpAddress = new Uint32Array(4);

/** A frame that waits, with what it needs to be sent later. */
export interface WaitingFrame {
  readonly bytes: Uint8Array;
  readonly flags: number;
  readonly gsoType: number;
  readonly gsoSize: number;
  readonly headerLength: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

/** Whose an address is. */
export interface AddressOwner {
  readonly mac: number;
  /** STRANGERS = known from an earlier run, at whatever port. */
  readonly ingress: number;
  /** Its port is gone. */
  readonly gone: boolean;
}

/** Who knows more about addresses than was heard on the wire: the leases. */
export interface AddressOwners {
  ownerOf(address: IpAddress): AddressOwner | undefined;
  /** The table believes that the address is there now. */
  learnt(address: IpAddress, mac: number, ingress: number, now: number): void;
}

interface Claim {
  readonly mac: number;
  readonly ingress: number;
  readonly holderMac: number;
  readonly since: number;
  askedAt: number;
}

export class Neighbour implements FlowNode<Neighbour> {
  readonly guest: IpAddress;
  readonly guestPort = 0;
  readonly remote = NOWHERE;
  readonly remotePort = 0;
  ingress: number;
  hash = 0;
  chain: Neighbour | undefined;
  older: Neighbour | undefined;
  newer: Neighbour | undefined;

  /** 48-bit number; 0 = unknown. */
  mac = 0;
  confirmedAt = 0;
  /** When something was sent to it, to USE_MS. */
  usedAt = Number.NEGATIVE_INFINITY;
  /** The port of its guest is gone. */
  gone = false;
  claim: Claim | undefined;
  claimLogged = false;
  claimRestUntil = 0;
  /** False once it left the table. */
  live = true;
  waiting: WaitingFrame[] = [];
  waitingSince = 0;
  askedAt = 0;

  constructor(guest: IpAddress, ingress: number) {
    this.guest = guest;
    this.ingress = ingress;
  }
}

export interface NeighbourHooks {
  /**
   * Sends a request for the entry's address.
   * @param ingress who causes it.
   * @returns false: that one causes too many.
   */
  ask(neighbour: Neighbour, ingress: number): boolean;
  /** Sends one to that Ethernet address alone, which may be unknown to the switch: counted as the other. */
  askAt(neighbour: Neighbour, mac: number, ingress: number): boolean;
  /** Somebody claims the address of somebody else: said once for an entry. */
  claimed(neighbour: Neighbour, holderMac: number, mac: number, ingress: number): void;
  /** Sends a frame that waited; the entry's mac is known now. */
  send(neighbour: Neighbour, frame: WaitingFrame): void;
  drop(reason: string): void;
}

export class NeighbourTable {
  readonly #table: FlowTable<Neighbour>;
  readonly #clock: Clock;
  readonly #hooks: NeighbourHooks;
  readonly #owners: AddressOwners;
  readonly #timer: Timer;
  readonly #asking = new Set<Neighbour>();
  /** The pair that was confirmed last. */
  readonly #confirmedAddress: IpAddress = new Uint32Array(4);
  #confirmedMac = 0;
  #confirmedIngress = STRANGERS;
  #confirmedAt = Number.NEGATIVE_INFINITY;
  readonly #waitingBytes = new Shares(MAX_WAITING_BYTES);
  readonly #claims = new Set<Neighbour>();
  readonly #ipv4: IpAddress = Uint32Array.of(0, 0, 0xffff, 0);

  constructor(clock: Clock, timers: Timers, secret: number, owners: AddressOwners, hooks: NeighbourHooks) {
    this.#table = new FlowTable(secret, MAX_NEIGHBOURS);
    this.#owners = owners;
    this.#clock = clock;
    this.#hooks = hooks;
    this.#timer = timers.create(() => this.#onTimer());
  }

  get size(): number {
    return this.#table.size;
  }

  find(address: IpAddress): Neighbour | undefined {
    return this.#table.find(address, 0, NOWHERE, 0);
  }

  /**
   * The entry for an address, made when there is none.
   * @param ingress whose share a new one uses.
   */
  get(address: IpAddress, ingress: number = STRANGERS): Neighbour {
    return this.find(address) ?? this.#admit(address, ingress) ?? this.#force(address, ingress);
  }

  /** The port that the guest's last packet came in by, if it was the last one of all; else STRANGERS. */
  recentIngress(address: IpAddress): number {
    return sameAddress(address, this.#confirmedAddress) ? this.#confirmedIngress : STRANGERS;
  }

  /** ARP or NDP said so. The caller has refused addresses of our own. */
  learn(address: IpAddress, mac: number, ingress: number): void {
    if (mac === 0 || isMulticastMac(mac)) {
      this.#hooks.drop('neighbour-bad-mac');
      return;
    }
    let neighbour = this.find(address);
    const holder = this.#holder(address, neighbour);
    const isElsewhere = holder !== undefined && !isAt(holder, mac, ingress) && !this.#isOwner(address, mac, ingress);
    neighbour ??= this.#admit(address, ingress);
    if (neighbour === undefined) this.#hooks.drop('neighbour-share');
    else if (isElsewhere) this.#challenge(neighbour, holder, mac, ingress);
    else this.#believe(neighbour, mac, ingress);
  }

  /** DHCP lent the address to this guest, after it had asked for it: nobody else is there. */
  assign(address: IpAddress, mac: number, ingress: number): void {
    this.#believe(this.get(address, ingress), mac, ingress);
  }

  /** Its guest gave the address back. */
  forget(address: number, mac: number): void {
    const neighbour = this.#findIpv4(address);
    if (neighbour?.mac === mac) neighbour.mac = 0;
  }

  /** A packet came from this guest: the entry is alive. Nothing is learnt from it. */
  confirm(address: IpAddress, mac: number, ingress: number): void {
    const now = this.#clock.now();
    const known =
      mac === this.#confirmedMac && ingress === this.#confirmedIngress && sameAddress(address, this.#confirmedAddress);
    if (known && now - this.#confirmedAt < CONFIRM_MS && this.#claims.size === 0) return;
    this.#confirmedMac = mac;
    this.#confirmedIngress = ingress;
    this.#confirmedAddress.set(address);
    this.#confirmedAt = now;
    const neighbour = this.find(address);
    if (neighbour === undefined || neighbour.mac !== mac) return;
    if (neighbour.ingress === ingress) this.#heard(neighbour, now);
    // A guest that came back by another port, and whose old one is gone.
    else if (neighbour.gone) this.#believe(neighbour, mac, ingress);
  }

  /** Another guest, or the same Ethernet address at another port, answered for the address since then. */
  isHeardElsewhere(address: number, mac: number, ingress: number, since: number): boolean {
    const neighbour = this.#findIpv4(address);
    if (neighbour === undefined || neighbour.gone || neighbour.mac === 0 || neighbour.confirmedAt < since) return false;
    return neighbour.mac !== mac || neighbour.ingress !== ingress;
  }

  /** When this guest was last heard of at that address; -Infinity = unknown. */
  heardAt(address: number, mac: number): number {
    const neighbour = this.#findIpv4(address);
    return neighbour !== undefined && neighbour.mac === mac && !neighbour.gone
      ? neighbour.confirmedAt
      : Number.NEGATIVE_INFINITY;
  }

  /** The mac if it is known and fresh, else 0. */
  macOf(neighbour: Neighbour): number {
    if (neighbour.mac !== 0 && this.#clock.now() - neighbour.confirmedAt > AGE_MS) neighbour.mac = 0;
    return neighbour.mac;
  }

  /** The same, for sending: the entry is in use. 0 also while its port is gone: nobody but others would get the frame. */
  macToSend(neighbour: Neighbour): number {
    const now = this.#clock.now();
    if (now - neighbour.usedAt >= USE_MS) {
      neighbour.usedAt = now;
      this.#table.touch(neighbour);
    }
    if (neighbour.mac !== 0 && now - neighbour.confirmedAt > AGE_MS) neighbour.mac = 0;
    return neighbour.gone ? 0 : neighbour.mac;
  }

  /** Keeps a frame (already copied) until the address is known; asks for it. False: too many wait. */
  wait(neighbour: Neighbour, frame: WaitingFrame): boolean {
    const { length } = frame.bytes;
    if (neighbour.waiting.length >= MAX_WAITING || !this.#waitingBytes.allows(neighbour.ingress, length)) {
      this.#hooks.drop('neighbour-queue-full');
      return false;
    }
    const now = this.#clock.now();
    neighbour.waiting.push(frame);
    this.#waitingBytes.take(neighbour.ingress, length);
    if (this.#asking.has(neighbour)) return true;
    this.#asking.add(neighbour);
    neighbour.waitingSince = now;
    this.#ask(neighbour, now);
    return true;
  }

  /** The port is gone: its guests are not there any more, and their entries belong to nobody. */
  ingressGone(ingress: number): void {
    if (ingress === ORPHANS) return;
    for (const n of this.#claims) if (n.claim?.ingress === ingress) this.#dropClaim(n);
    for (let n = this.#table.oldestOf(ingress); n !== undefined; n = this.#table.oldestOf(ingress)) {
      this.#move(n, ORPHANS);
      n.gone = true;
      // Whoever claims it need not wait.
      if (n.claim !== undefined) this.#believe(n, n.claim.mac, n.claim.ingress);
    }
    if (this.#confirmedIngress !== ingress) return;
    this.#confirmedIngress = STRANGERS;
    this.#confirmedAt = Number.NEGATIVE_INFINITY;
  }

  close(): void {
    this.#timer.cancel();
    this.#table.forEach((neighbour) => {
      this.#remove(neighbour);
    });
  }

  #findIpv4(address: number): Neighbour | undefined {
    this.#ipv4[3] = address;
    return this.find(this.#ipv4);
  }

  /** Whose the address is, if that guest may be there. */
  #holder(address: IpAddress, neighbour: Neighbour | undefined): AddressOwner | undefined {
    if (neighbour !== undefined && this.macOf(neighbour) !== 0) return neighbour.gone ? undefined : neighbour;
    return this.#owners.ownerOf(address);
  }

  /** Whether a lease gives it the address, at that very port: whoever is believed to be there came while it was silent. */
  #isOwner(address: IpAddress, mac: number, ingress: number): boolean {
    const owner = this.#owners.ownerOf(address);
    return owner !== undefined && owner.mac === mac && owner.ingress === ingress;
  }

  #believe(neighbour: Neighbour, mac: number, ingress: number): void {
    this.#move(neighbour, ingress);
    this.#table.touch(neighbour);
    neighbour.gone = false;
    if (neighbour.mac !== mac) neighbour.claimLogged = false;
    neighbour.mac = mac;
    const now = this.#clock.now();
    this.#heard(neighbour, now);
    this.#owners.learnt(neighbour.guest, mac, ingress, now);
    this.#release(neighbour);
  }

  /** Its guest is there: a claim from elsewhere is refused. */
  #heard(neighbour: Neighbour, now: number): void {
    neighbour.confirmedAt = now;
    if (neighbour.claim === undefined) return;
    this.#dropClaim(neighbour);
    neighbour.claimRestUntil = now + CLAIM_REST_MS;
  }

  #challenge(neighbour: Neighbour, holder: AddressOwner, mac: number, ingress: number): void {
    this.#hooks.drop('neighbour-claim');
    const now = this.#clock.now();
    if (neighbour.claim !== undefined || now < neighbour.claimRestUntil) return;
    if (!this.#hooks.askAt(neighbour, holder.mac, ingress)) return;
    if (!neighbour.claimLogged) this.#hooks.claimed(neighbour, holder.mac, mac, ingress);
    neighbour.claimLogged = true;
    neighbour.claim = { mac, ingress, holderMac: holder.mac, since: now, askedAt: now };
    this.#claims.add(neighbour);
    this.#wake(now + CLAIM_MS / 2);
  }

  #dropClaim(neighbour: Neighbour): void {
    neighbour.claim = undefined;
    this.#claims.delete(neighbour);
  }

  /** Another port, and with it another share. */
  #move(neighbour: Neighbour, ingress: number): void {
    if (neighbour.ingress === ingress) return;
    for (const { bytes } of neighbour.waiting) {
      this.#waitingBytes.give(neighbour.ingress, bytes.length);
      this.#waitingBytes.take(ingress, bytes.length);
    }
    this.#table.move(neighbour, ingress);
  }

  /** A new entry in the share of an ingress; undefined = all of its entries are in use. */
  #admit(address: IpAddress, ingress: number): Neighbour | undefined {
    for (let l = this.#table.loser(ingress); l !== undefined; l = this.#table.loser(ingress)) {
      // What belongs to nobody is of no use, whatever is still sent there.
      const idle = l.ingress === ORPHANS ? l : this.#idleFrom(l);
      if (idle === undefined) return undefined;
      this.#evict(idle);
    }
    return this.#insert(address, ingress);
  }

  /** The same, and whatever is unused for longest gives way. */
  #force(address: IpAddress, ingress: number): Neighbour {
    for (let l = this.#table.loser(ingress); l !== undefined; l = this.#table.loser(ingress)) this.#evict(l);
    return this.#insert(address, ingress);
  }

  /** From this one on, in the order of use: the first one that is not in use. */
  #idleFrom(oldest: Neighbour): Neighbour | undefined {
    const inUseSince = this.#clock.now() - IN_USE_MS;
    let found: Neighbour | undefined = oldest;
    for (let looks = 0; looks < MAX_LOOKS && found !== undefined; looks++) {
      if (found.usedAt <= inUseSince) return found;
      found = found.newer;
    }
    return undefined;
  }

  #evict(neighbour: Neighbour): void {
    this.#hooks.drop('neighbour-evicted');
    this.#remove(neighbour);
  }

  #insert(address: IpAddress, ingress: number): Neighbour {
    const neighbour = new Neighbour(Uint32Array.from(address), ingress);
    this.#table.add(neighbour);
    return neighbour;
  }

  #remove(neighbour: Neighbour): void {
    neighbour.live = false;
    this.#dropClaim(neighbour);
    this.#discard(neighbour);
    this.#table.remove(neighbour);
  }

  #discard(neighbour: Neighbour): void {
    this.#asking.delete(neighbour);
    for (const frame of neighbour.waiting) {
      this.#waitingBytes.give(neighbour.ingress, frame.bytes.length);
      this.#hooks.drop('neighbour-unresolved');
    }
    neighbour.waiting = [];
  }

  #release(neighbour: Neighbour): void {
    this.#asking.delete(neighbour);
    if (neighbour.waiting.length === 0) return;
    const frames = neighbour.waiting;
    neighbour.waiting = [];
    for (const frame of frames) {
      this.#waitingBytes.give(neighbour.ingress, frame.bytes.length);
      this.#hooks.send(neighbour, frame);
    }
  }

  #ask(neighbour: Neighbour, now: number): void {
    neighbour.askedAt = now;
    this.#hooks.ask(neighbour, neighbour.ingress);
    this.#wake(now + RETRY_MS);
  }

  #wake(at: number): void {
    const { deadlineMs } = this.#timer;
    if (deadlineMs === undefined || deadlineMs > at) this.#timer.set(at);
  }

  #onTimer(): void {
    const now = this.#clock.now();
    for (const neighbour of this.#asking) {
      if (now - neighbour.waitingSince >= WAIT_MS) this.#discard(neighbour);
      else if (now - neighbour.askedAt >= RETRY_MS) this.#ask(neighbour, now);
    }
    for (const neighbour of this.#claims) this.#decide(neighbour, now);
    if (this.#claims.size > 0) this.#wake(now + CLAIM_MS / 2);
    if (this.#asking.size > 0) this.#wake(now + RETRY_MS / 2);
  }

  #decide(neighbour: Neighbour, now: number): void {
    const { claim } = neighbour;
    if (claim === undefined) return;
    if (now - claim.since >= CLAIM_MS) {
      this.#dropClaim(neighbour);
      this.#believe(neighbour, claim.mac, claim.ingress);
    } else if (now - claim.askedAt >= CLAIM_MS / 2) {
      claim.askedAt = now;
      // To all: what the switch believes about that Ethernet address may be what the claimer wants it to.
      if (this.#hooks.ask(neighbour, claim.ingress)) return;
      // Nobody is believed whom the old place could not contradict.
      this.#dropClaim(neighbour);
      neighbour.claimRestUntil = now + CLAIM_REST_MS;
    }
  }
}

/** An owner from an earlier run is at whatever port its Ethernet address is seen. */
function isAt(owner: AddressOwner, mac: number, ingress: number): boolean {
  return owner.mac === mac && (owner.ingress === ingress || owner.ingress === STRANGERS);
}
