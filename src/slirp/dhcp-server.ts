/**
 * The DHCP and BOOTP server (RFC 2131, RFC 951) on the host alias.
 *
 * | message                      | condition                                  | answer                       |
 * |------------------------------|--------------------------------------------|------------------------------|
 * | DISCOVER                     | an address is left (LeaseTable.choose)     | OFFER of it                  |
 * | REQUEST, plain BOOTP         | names another server                       | none, the offer is withdrawn |
 * |                              | address (option 50, ciaddr) usable         | ACK, bound                   |
 * |                              | address not usable                         | NAK                          |
 * |                              | no address                                 | ACK like DISCOVER's choice   |
 * | DECLINE                      | from the lease's owner                     | none, not lent for a while   |
 * | RELEASE                      | from the lease's owner                     | none, the slot is free       |
 * | INFORM                       |                                            | ACK without address and time |
 * | others                       |                                            | none                         |
 *
 * An address that a neighbour has is never lent: what ARP said is in the lease table (`taken`). Where nothing is known, and
 * the address has not been found free since this start, one ARP request asks, and the answer waits for ASK_MS. A client
 * whose lease belongs to the same Ethernet address at another port waits for as long: while the guest there answers ARP, the
 * lease is not given away.
 *
 * Limits: MAX_ASKED addresses asked for at a time, of which each ingress has its share.
 */
import type { Clock, Log, Timer, Timers } from '../net/host.ts';
import { Shares } from '../net/index.ts';
import {
  DHCP_ACK,
  DHCP_DECLINE,
  DHCP_DISCOVER,
  DHCP_INFORM,
  DHCP_OFFER,
  DHCP_RELEASE,
  DHCP_REQUEST,
  DHCP_REQUEST_OP,
  type DhcpRepr,
  formatIpv4,
  formatMac,
  isMulticastMac,
  parseDhcp,
} from '../wire/index.ts';
import { ipv4Address } from './address.ts';
import type { StackConfig } from './config.ts';
import { COST_LEASE_MS } from './costs.ts';
import { DhcpReplies } from './dhcp-replies.ts';
import { IngressBuckets } from './ingress-buckets.ts';
import type { Ipv4Output } from './ipv4-output.ts';
import type { DhcpClient, LeaseSlot, LeaseTable } from './lease-table.ts';
import type { NeighbourTable } from './neighbours.ts';

/** A guest of this host answers ARP within a millisecond; nobody notices this much. */
export const ASK_MS = 50;
export const MAX_ASKED = 256;
/** Lines about leases in the log, for each port. */
export const LOG_LINES_PER_SECOND = 2;
export const LOG_BURST_LINES = 256;

export interface DhcpHooks {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly neighbours: NeighbourTable;
  /** What that port is called. */
  portName(ingress: number): string | undefined;
  charge(ingress: number, ms: number): void;
  drop(reason: string): void;
}

/** A client that wants an address, or to keep one. */
interface Wish {
  readonly client: DhcpClient;
  readonly message: DhcpRepr;
  /** Ethernet address that the message came from: the client's or a relay's. */
  readonly hop: number;
  readonly answer: typeof DHCP_OFFER | typeof DHCP_ACK;
  /** This address or none. */
  readonly isNamed: boolean;
  /** Addresses that turned out to be taken. */
  readonly passed: Set<number>;
}

/** A wish whose address is asked for. */
interface Asked {
  readonly wish: Wish;
  readonly slot: LeaseSlot;
  readonly at: number;
}

export class DhcpServer {
  readonly #config: StackConfig;
  readonly #hooks: DhcpHooks;
  readonly #leases: LeaseTable;
  readonly #output: Ipv4Output;
  readonly #replies: DhcpReplies;
  readonly #timer: Timer;
  /** By client, the longest asked first. */
  readonly #asked = new Map<string, Asked>();
  readonly #shares = new Shares(MAX_ASKED);
  readonly #lines = new IngressBuckets(LOG_LINES_PER_SECOND, LOG_BURST_LINES);
  #saidExhausted = false;

  constructor(config: StackConfig, leases: LeaseTable, output: Ipv4Output, hooks: DhcpHooks) {
    this.#config = config;
    this.#hooks = hooks;
    this.#leases = leases;
    this.#output = output;
    this.#replies = new DhcpReplies(config, output, hooks.log);
    this.#timer = hooks.timers.create(() => this.#onTimer());
  }

  /**
   * @param end first byte behind the UDP payload at `o`.
   * @param hop the Ethernet address it came from.
   * @param ingress the port it came in by.
   */
  input(bytes: Uint8Array, o: number, end: number, hop: number, ingress: number): void {
    const message = parseDhcp(bytes, o, end);
    if (typeof message === 'string') {
      this.#hooks.drop(message);
      return;
    }
    if (message.op !== DHCP_REQUEST_OP) {
      this.#hooks.drop('dhcp-opcode');
      return;
    }
    const mac = message.clientMac;
    if (mac === 0 || isMulticastMac(mac)) {
      this.#hooks.drop('dhcp-client-address');
      return;
    }
    if (!this.#replies.canAnswer(message)) {
      this.#hooks.drop('dhcp-relay-address');
      return;
    }
    const client: DhcpClient = { mac, id: identifierOf(message), ingress };
    switch (message.messageType) {
      case DHCP_DISCOVER:
        this.#lend(wishOf(client, message, hop, DHCP_OFFER, false));
        break;
      case 0:
      case DHCP_REQUEST:
        this.#request(client, message, hop);
        break;
      case DHCP_DECLINE:
        this.#decline(client, message);
        break;
      case DHCP_RELEASE:
        this.#release(client, message);
        break;
      case DHCP_INFORM:
        this.#replies.grant(message, hop, ingress, DHCP_ACK, 0);
        break;
      default:
        this.#hooks.drop('dhcp-message-type');
    }
  }

  /** The port is gone: whoever asked by it gets no answer. */
  ingressGone(ingress: number): void {
    this.#lines.ingressGone(ingress);
    for (const [key, asked] of [...this.#asked]) if (asked.wish.client.ingress === ingress) this.#end(key, asked);
  }

  close(): void {
    this.#timer.cancel();
    for (const asked of this.#asked.values()) this.#leases.notAsked(asked.slot);
    this.#asked.clear();
  }

  #request(client: DhcpClient, message: DhcpRepr, hop: number): void {
    const now = this.#hooks.clock.now();
    if (message.serverId !== 0 && message.serverId !== this.#config.host) {
      this.#withdraw(client, now);
      this.#hooks.drop('dhcp-other-server');
      return;
    }
    const address = message.requestedAddress !== 0 ? message.requestedAddress : message.clientAddress;
    if (address === 0) {
      this.#lend(wishOf(client, message, hop, DHCP_ACK, false));
      return;
    }
    const slot = this.#leases.find(address);
    if (slot === undefined || !this.#leases.isFreeFor(slot, client, now))
      this.#replies.refuse(message, hop, client.ingress);
    else this.#consider(wishOf(client, message, hop, DHCP_ACK, true), slot, now);
  }

  #withdraw(client: DhcpClient, now: number): void {
    const slot = this.#leases.of(client);
    if (slot === undefined || slot.state !== 'offered' || this.#leases.isElsewhere(slot, client)) return;
    this.#giveBack(slot, client, now);
  }

  #release(client: DhcpClient, message: DhcpRepr): void {
    const slot = this.#leases.of(client);
    const isOwner = slot?.address === message.clientAddress && !this.#leases.isElsewhere(slot, client);
    if (slot !== undefined && isOwner) this.#giveBack(slot, client, this.#hooks.clock.now());
    else this.#hooks.drop('dhcp-release-stranger');
  }

  #giveBack(slot: LeaseSlot, client: DhcpClient, now: number): void {
    this.#leases.release(slot, now);
    this.#hooks.neighbours.forget(slot.address, client.mac);
  }

  #decline(client: DhcpClient, message: DhcpRepr): void {
    const slot = this.#leases.of(client);
    const isOurs = message.serverId === 0 || message.serverId === this.#config.host;
    const isOwner = slot?.address === message.requestedAddress && !this.#leases.isElsewhere(slot, client);
    if (slot === undefined || !isOurs || !isOwner || slot.state === 'free') {
      this.#hooks.drop('dhcp-decline-stranger');
      return;
    }
    const now = this.#hooks.clock.now();
    this.#leases.decline(slot, now);
    this.#hooks.neighbours.forget(slot.address, client.mac);
    if (this.#lines.take(client.ingress, now)) {
      this.#hooks.log.warn('an address is not lent for a while: a guest found somebody else there', {
        ...this.#about(client.ingress),
        address: formatIpv4(slot.address),
        mac: formatMac(client.mac),
      });
    }
  }

  /** Whatever address is left. */
  #lend(wish: Wish): void {
    const { client, message, passed } = wish;
    const now = this.#hooks.clock.now();
    // Also when the timer tries the next address.
    this.#hooks.charge(client.ingress, COST_LEASE_MS);
    const slot = this.#leases.choose(client, message.requestedAddress, now, this.#hooks.neighbours, passed);
    if (slot !== undefined) {
      this.#consider(wish, slot, now);
      return;
    }
    this.#hooks.drop('dhcp-pool-exhausted');
    if (this.#saidExhausted) return;
    this.#saidExhausted = true;
    this.#hooks.log.warn(
      `no address is left to lend to ${formatMac(client.mac)}: ${this.#leases.size} are in the pool; dhcp-pool= or a larger net= gives more`,
    );
  }

  #consider(wish: Wish, slot: LeaseSlot, now: number): void {
    if (this.#verdict(slot, wish.client) === 'clear') this.#grant(wish, slot, now);
    else this.#ask(wish, slot, now);
  }

  #verdict(slot: LeaseSlot, client: DhcpClient): 'clear' | 'ask' {
    const leases = this.#leases;
    if (leases.isElsewhere(slot, client)) return 'ask';
    if (slot.state === 'free') return slot.clear ? 'clear' : 'ask';
    return leases.owns(slot, client) || slot.state === 'taken' ? 'clear' : 'ask';
  }

  #ask(wish: Wish, slot: LeaseSlot, now: number): void {
    const key = keyOf(wish.client);
    const before = this.#asked.get(key);
    if (before !== undefined && before.wish.client.ingress !== wish.client.ingress) {
      // The same client by another port: it waits until the first one has its answer, and can end nothing of that one's.
      this.#hooks.drop('dhcp-client-elsewhere');
      return;
    }
    if (before !== undefined && before.slot === slot && before.wish.answer === wish.answer) {
      // Asked already: the answer goes to the client's latest message.
      this.#asked.set(key, { wish, slot, at: before.at });
      return;
    }
    if (before !== undefined) this.#end(key, before);
    if (!this.#shares.allows(wish.client.ingress)) {
      this.#hooks.drop('dhcp-asking-limit');
      return;
    }
    if (!this.#output.ask(slot.address, wish.client.ingress)) return;
    this.#shares.take(wish.client.ingress);
    this.#asked.set(key, { wish, slot, at: now });
    this.#leases.ask(slot, wish.client);
    if (this.#timer.deadlineMs === undefined) this.#timer.set(now + ASK_MS);
  }

  #end(key: string, { wish, slot }: Asked): void {
    this.#asked.delete(key);
    this.#shares.give(wish.client.ingress);
    this.#leases.notAsked(slot);
  }

  #onTimer(): void {
    const now = this.#hooks.clock.now();
    // Those that are asked for next come behind these.
    for (const [key, asked] of [...this.#asked]) if (asked.at + ASK_MS <= now) this.#decide(key, asked, now);
    let next = Number.POSITIVE_INFINITY;
    for (const { at } of this.#asked.values()) next = Math.min(next, at + ASK_MS);
    if (next < Number.POSITIVE_INFINITY) this.#timer.set(next);
  }

  #decide(key: string, asked: Asked, now: number): void {
    const { wish, slot, at } = asked;
    const { mac, ingress } = wish.client;
    this.#end(key, asked);
    const isLent = slot.state === 'offered' || slot.state === 'bound';
    const isTaken = isLent
      ? this.#hooks.neighbours.isHeardElsewhere(slot.address, mac, ingress, at)
      : slot.state === 'taken' && (slot.mac !== mac || slot.ingress !== ingress);
    if (isTaken) this.#taken(wish, slot);
    else this.#grant(wish, slot, now);
  }

  #taken(wish: Wish, slot: LeaseSlot): void {
    const { client, message, hop, passed } = wish;
    if (this.#leases.isElsewhere(slot, client)) {
      // Another lease would take this one from the guest that has it.
      this.#hooks.drop('dhcp-client-elsewhere');
      if (!this.#lines.take(client.ingress, this.#hooks.clock.now())) return;
      this.#hooks.log.warn('two guests have the same Ethernet address: the one that has the lease keeps it', {
        ...this.#about(client.ingress),
        mac: formatMac(client.mac),
        address: formatIpv4(slot.address),
      });
    } else if (wish.isNamed) {
      this.#replies.refuse(message, hop, client.ingress);
    } else {
      passed.add(slot.address);
      this.#lend(wish);
    }
  }

  #grant(wish: Wish, slot: LeaseSlot, now: number): void {
    const { client, message, hop, answer } = wish;
    const { neighbours } = this.#hooks;
    if (answer === DHCP_OFFER) this.#leases.offer(slot, client, now);
    else if (this.#leases.bind(slot, client, now, message.hostname)) this.#say(slot, now);
    // A client that has just been given an address answers for it: no ARP needed. Behind a relay it may be elsewhere.
    if (message.relayAddress === 0) neighbours.assign(ipv4Address(slot.address), client.mac, client.ingress);
    this.#replies.grant(message, hop, client.ingress, answer, slot.address);
  }

  #say({ address, mac, hostname, ingress }: LeaseSlot, now: number): void {
    if (!this.#lines.take(ingress, now)) return;
    const fields = { ...this.#about(ingress), address: formatIpv4(address), mac: formatMac(mac) };
    this.#hooks.log.info('an address is lent', hostname === '' ? fields : { ...fields, hostname });
  }

  /** Which port a line is about. */
  #about(ingress: number): { port?: string } {
    const port = this.#hooks.portName(ingress);
    return port === undefined ? {} : { port };
  }
}

const keyOf = ({ mac, id }: DhcpClient): string => `${mac}/${id}`;

function wishOf(client: DhcpClient, message: DhcpRepr, hop: number, answer: Wish['answer'], isNamed: boolean): Wish {
  return { client, message, hop, answer, isNamed, passed: new Set() };
}

/** Hexadecimal. The usual one, hardware type and Ethernet address, says nothing new. */
function identifierOf({ clientId, clientMac }: DhcpRepr): string {
  if (clientId === undefined) return '';
  let text = '';
  for (const byte of clientId) text += byte.toString(16).padStart(2, '0');
  return text === `01${clientMac.toString(16).padStart(12, '0')}` ? '' : text;
}
