/**
 * The flows of the UDP NAT with the host sockets that they share: how they come about, give way and end.
 *
 * Limits: MAX_FLOWS, of which each ingress has its share (its own longest unused goes); so it is with the sockets of a host
 * that is out of them, for CROWDED_MS. Timers:
 * IDLE_MS since the last datagram, DNS_IDLE_MS after an answer from port 53; one sweep every SWEEP_MS while there are
 * flows.
 */
import type { Flow } from '../net/client.ts';
import type { InetAddress, Timer } from '../net/host.ts';
import { DNS_PORT } from '../wire/index.ts';
import { addressText, isIpv4 } from './address.ts';
import { COST_DATAGRAM_SOCKET_MS } from './costs.ts';
import { FlowTable } from './flow-table.ts';
import type { IpAddress } from './ip-layer.ts';
import { SHARE_OF_FREE } from './shares.ts';
import { UdpFlow, UdpHostSocket } from './udp-flow.ts';
import type { UdpLayer } from './udp-layer.ts';

export const MAX_FLOWS = 8192;
export const IDLE_MS = 240_000;
export const DNS_IDLE_MS = 10_000;
const SWEEP_MS = 5000;
/** When the host is out of sockets, this part of the flows gives way, the longest unused first. */
const SHED_PART = 8;
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
    if (owner === undefined) {
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
    return this.#add(owner.guest, owner.guestPort, remote, port, owner, from, remote, owner.ingress);
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
    let excess = Math.ceil(this.table.sizeOf(ingress) / SHED_PART);
    for (let flow = this.table.oldestOf(ingress); flow !== undefined && excess > 0; ) {
      const { newer } = flow;
      // One that is still opening holds nothing yet, and to shed it frees nothing.
      if (!flow.socket.permanent && flow.socket.socket !== undefined) {
        excess--;
        this.#evict(flow);
      }
      flow = newer;
    }
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

  /** While the host is short of sockets, a port has its share of those that there are. */
  #makeSocketRoom(ingress: number): void {
    if (this.#layer.host.clock.now() >= this.#crowdedUntil) return;
    for (;;) {
      const free = this.#room - this.#sockets.size;
      const oldest = this.table.oldestOf(ingress);
      if (this.#sockets.sizeOf(ingress) < SHARE_OF_FREE * free || oldest === undefined) return;
      this.#evict(oldest);
    }
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
