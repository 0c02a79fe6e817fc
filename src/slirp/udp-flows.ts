/**
 * The flows of the UDP NAT with the host sockets that they share: how they come about, give way and end.
 *
 * Limits: MAX_FLOWS, of which each ingress has its share (its own longest unused goes). The host's descriptors have shares
 * too: beyond its own an ingress loses the socket that it has not used for longest, with all its flows. So it is for
 * CROWDED_MS with the sockets of a host that is out of them. Flows that senders outside begin are those of STRANGERS until
 * the guest answers.
 *
 * Timers: IDLE_MS since the last datagram, DNS_IDLE_MS after an answer from port 53; one sweep every SWEEP_MS while there
 * are flows.
 */
import type { Flow } from '../net/client.ts';
import type { InetAddress, Timer } from '../net/host.ts';
import { ORPHANS, SHARE_OF_FREE, STRANGERS } from '../net/index.ts';
import { DNS_PORT } from '../wire/index.ts';
import { addressText, isIpv4 } from './address.ts';
import { COST_DATAGRAM_SOCKET_MS } from './costs.ts';
import { FlowTable } from './flow-table.ts';
import type { IpAddress } from './ip-layer.ts';
import { UdpFlow, UdpHostSocket } from './udp-flow.ts';
import type { UdpLayer } from './udp-layer.ts';

export const MAX_FLOWS = 8192;
export const IDLE_MS = 240_000;
export const DNS_IDLE_MS = 10_000;
const SWEEP_MS = 5000;
/** When the host is out of sockets, this part of them gives way, the longest unused first. */
const SHED_PART = 8;
/** Sockets that one newcomer may cost: a host may close a descriptor a little later. */
const MAX_GIVEN_UP = 4;
const SHED_PAUSE_MS = 10;
export const CROWDED_MS = 60_000;
/** Under which a guest sees a sender whose own port somebody else of the same looks has. */
const FIRST_EPHEMERAL = 49_152;
const EPHEMERAL_PORTS = 16_384;
const PORT_TRIES = 16;
const NOWHERE: IpAddress = new Uint32Array(4);

export interface UdpFlowsHooks {
  /** A guest endpoint needs its host socket. */
  open(owner: UdpHostSocket, family: 'ipv4' | 'ipv6'): void;
  /** It lost its last flow. */
  stop(owner: UdpHostSocket): void;
}

export class UdpFlows {
  /** For lookups and touches of the data path. */
  readonly table: FlowTable<UdpFlow>;
  readonly #layer: UdpLayer;
  readonly #hooks: UdpFlowsHooks;
  readonly #sockets: FlowTable<UdpHostSocket>;
  readonly #timer: Timer;
  #closed = false;
  /** Sockets that the host had for us when it had no more, and how long that counts. */
  #room = MAX_FLOWS;
  #crowdedUntil = Number.NEGATIVE_INFINITY;
  #shedAt = Number.NEGATIVE_INFINITY;
  #created = 0;
  #evicted = 0;

  constructor(layer: UdpLayer, hooks: UdpFlowsHooks) {
    this.#layer = layer;
    this.#hooks = hooks;
    this.table = new FlowTable(layer.host.random.u32(), MAX_FLOWS);
    this.#sockets = new FlowTable(layer.host.random.u32(), MAX_FLOWS);
    this.#timer = layer.host.timers.create(() => this.#sweep());
  }

  get sockets(): number {
    return this.#sockets.size;
  }

  get created(): number {
    return this.#created;
  }

  get evicted(): number {
    return this.#evicted;
  }

  /** For a datagram of a guest. The flow is not in the table yet; undefined = closed. */
  open(
    guest: IpAddress,
    guestPort: number,
    remote: IpAddress,
    remotePort: number,
    ingress: number,
    peer: InetAddress,
  ): UdpFlow | undefined {
    if (this.#closed) return undefined;
    let owner = this.#sockets.find(guest, guestPort, NOWHERE, 0);
    if (owner !== undefined) {
      this.#claim(owner, ingress);
    } else {
      this.#makeSocketRoom(ingress);
      owner = new UdpHostSocket(guest, guestPort, ingress, false);
      this.#sockets.add(owner);
      this.#layer.charge(ingress, COST_DATAGRAM_SOCKET_MS);
      this.#hooks.open(owner, isIpv4(guest) ? 'ipv4' : 'ipv6');
    }
    const seen = this.#layer.replySource(remote);
    return this.#add(guest, guestPort, remote, remotePort, owner, peer, seen, ingress);
  }

  /** For a datagram of a sender that the guest has not written to. */
  openFrom(owner: UdpHostSocket, from: InetAddress): UdpFlow | undefined {
    if (this.#closed) return undefined;
    const remote = this.#layer.guestView(from);
    let port = from.port;
    const taken = this.table.find(owner.guest, owner.guestPort, remote, port);
    if (taken !== undefined) {
      const { peer } = taken;
      if (taken.socket === owner && peer.host === from.host && peer.port === from.port) return taken;
      // The same sender through another socket: who wrote last is answered. Two senders look alike: they get two ports.
      if (taken.socket === owner) port = this.#freePort(owner, remote);
      if (taken.socket !== owner || port === 0) this.#remove(taken);
    }
    if (port === 0) port = from.port;
    return this.#add(owner.guest, owner.guestPort, remote, port, owner, from, remote, STRANGERS);
  }

  /** A datagram of the guest, by this port. */
  usedByGuest(flow: UdpFlow, ingress: number): void {
    const owner = flow.socket;
    this.#claim(owner, ingress);
    // A stranger that the guest answers is its own business, but not that of another port that writes in its name.
    const isItsOwn = owner.permanent || owner.ingress === ingress;
    if (flow.ingress === ORPHANS || (flow.ingress === STRANGERS && isItsOwn)) this.table.move(flow, ingress);
    this.#touch(flow);
  }

  /** A datagram for the guest. */
  usedByRemote(flow: UdpFlow): void {
    if (flow.ingress === STRANGERS) this.table.touch(flow);
    else this.#touch(flow);
  }

  #touch(flow: UdpFlow): void {
    this.table.touch(flow);
    if (!flow.socket.permanent) this.#sockets.touch(flow.socket);
  }

  /** Its guest is back, by another port. */
  #claim(owner: UdpHostSocket, ingress: number): void {
    if (owner.ingress === ORPHANS) this.#sockets.move(owner, ingress);
  }

  /** 0 = none was found. */
  #freePort(owner: UdpHostSocket, remote: IpAddress): number {
    for (let i = 0; i < PORT_TRIES; i++) {
      const port = FIRST_EPHEMERAL + (this.#layer.host.random.u32() % EPHEMERAL_PORTS);
      if (this.table.find(owner.guest, owner.guestPort, remote, port) === undefined) return port;
    }
    return 0;
  }

  removeOf(owner: UdpHostSocket): void {
    for (let flow = owner.firstFlow(); flow !== undefined; flow = owner.firstFlow()) this.#remove(flow);
    if (owner.flows === 0) return;
    // Where two flows lead to one peer (the host alias and broadcast), the socket knows the later one only.
    this.table.forEach((flow) => {
      if (flow.socket === owner) this.#remove(flow);
    });
  }

  /**
   * The host has no more sockets for us. Who has most of them loses a part, and for a while what we have now is all that the
   * ports may share: a scan by one guest must not hold them all until its flows are idle.
   */
  makeRoom(): void {
    const now = this.#layer.host.clock.now();
    this.#room = Math.max(1, this.#sockets.size);
    this.#crowdedUntil = now + CROWDED_MS;
    // Openings that were under way fail one after the other.
    if (now < this.#shedAt + SHED_PAUSE_MS) return;
    this.#shedAt = now;
    const ingress = this.#sockets.crowder();
    this.#shed(ingress, Math.ceil(this.#sockets.sizeOf(ingress) / SHED_PART));
  }

  /** The host has none for this port because of what it holds already: no other port loses any for it. */
  isShareUsedUp(ingress: number): boolean {
    return this.#layer.host.sockets.mayConnect?.(ingress) === false;
  }

  ingressGone(ingress: number): void {
    this.table.orphan(ingress);
    this.#sockets.orphan(ingress);
  }

  /** For people, the most recently used first. */
  list(): Flow[] {
    const found: Flow[] = [];
    const now = this.#layer.host.clock.now();
    this.table.forEach((flow) => {
      found.push({
        protocol: 'udp',
        state: `${Math.max(0, Math.ceil((expiryOf(flow) - now) / 1000))} sec`,
        sourceAddress: addressText(flow.guest),
        sourcePort: flow.guestPort,
        destinationAddress: addressText(flow.remote),
        destinationPort: flow.remotePort,
        receiveQueue: 0,
        sendQueue: 0,
      });
    });
    return found.reverse();
  }

  close(): void {
    this.#closed = true;
    this.#timer.cancel();
    this.table.forEach((flow) => {
      this.#remove(flow);
    });
  }

  #add(
    guest: IpAddress,
    guestPort: number,
    remote: IpAddress,
    remotePort: number,
    owner: UdpHostSocket,
    peer: InetAddress,
    seen: IpAddress,
    ingress: number,
  ): UdpFlow {
    // The newcomer's socket counts as used already, or evicting its last flow would close it.
    owner.flows++;
    for (let l = this.table.loser(ingress); l !== undefined; l = this.table.loser(ingress)) this.#evict(l);
    owner.flows--;
    const now = this.#layer.host.clock.now();
    const path = this.#layer.openPath(owner.guest, seen);
    const flow = new UdpFlow(guest, guestPort, remote, remotePort, owner, peer, path, ingress, now);
    this.table.add(flow);
    owner.adopt(flow);
    this.#created++;
    if (this.#timer.deadlineMs === undefined) this.#timer.set(now + SWEEP_MS);
    return flow;
  }

  /** A port has its share of the descriptors, and while the host is short of sockets, of those that there are. */
  #makeSocketRoom(ingress: number): void {
    for (let tries = 0; tries < MAX_GIVEN_UP && this.isShareUsedUp(ingress); tries++) {
      if (this.#shed(ORPHANS, 1) === 0 && this.#shed(ingress, 1) === 0) break;
    }
    if (this.#layer.host.clock.now() >= this.#crowdedUntil) return;
    for (;;) {
      const free = this.#room - this.#sockets.size;
      const oldest = this.#sockets.oldestOf(ingress);
      if (this.#sockets.sizeOf(ingress) < SHARE_OF_FREE * free || oldest === undefined) return;
      this.#evictAll(oldest);
    }
  }

  /** Gives up so many open sockets of a port, the longest unused first. @returns how many there were. */
  #shed(ingress: number, count: number): number {
    let shed = 0;
    for (let owner = this.#sockets.oldestOf(ingress); owner !== undefined && shed < count; ) {
      const { newer } = owner;
      // One that is still opening holds nothing yet, and to shed it frees nothing.
      if (owner.socket !== undefined) {
        shed++;
        this.#evictAll(owner);
      }
      owner = newer;
    }
    return shed;
  }

  #evictAll(owner: UdpHostSocket): void {
    this.#evicted += owner.flows;
    this.removeOf(owner);
  }

  #evict(flow: UdpFlow): void {
    this.#evicted++;
    this.#remove(flow);
  }

  #remove(flow: UdpFlow): void {
    this.table.remove(flow);
    const owner = flow.socket;
    owner.forget(flow);
    if (owner.flows === 0 && !owner.permanent) {
      this.#sockets.remove(owner);
      this.#hooks.stop(owner);
    }
  }

  #sweep(): void {
    const now = this.#layer.host.clock.now();
    this.table.forEach((flow) => {
      if (expiryOf(flow) <= now) this.#remove(flow);
    });
    if (this.table.size > 0) this.#timer.set(now + SWEEP_MS);
  }
}

function expiryOf(flow: UdpFlow): number {
  return flow.usedAt + (flow.remotePort === DNS_PORT && flow.answered ? DNS_IDLE_MS : IDLE_MS);
}
