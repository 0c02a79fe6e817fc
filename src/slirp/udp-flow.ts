/** The two tables of the UDP NAT: flows by 4-tuple, and host sockets by guest endpoint. */
import type { DatagramSocket, InetAddress, SocketAddress } from '../net/host.ts';
import type { FlowNode } from './flow-table.ts';
import type { GuestPath, IpAddress } from './ip-layer.ts';
import { PacketQuote } from './packet-quote.ts';

const NOWHERE: IpAddress = new Uint32Array(4);

/** What one guest endpoint and one remote endpoint (as the guest sees it) say to each other. */
export class UdpFlow implements FlowNode<UdpFlow> {
  readonly guest: IpAddress;
  readonly guestPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  ingress: number;
  hash = 0;
  chain: UdpFlow | undefined;
  older: UdpFlow | undefined;
  newer: UdpFlow | undefined;

  readonly socket: UdpHostSocket;
  /** The remote endpoint as the host side sees it. */
  readonly peer: InetAddress;
  /** Of a forward: the address of ours that the remote wrote to last; answers leave from it. */
  local: SocketAddress | undefined;
  readonly path: GuestPath;
  usedAt: number;
  sentAt = Number.NEGATIVE_INFINITY;
  /** A datagram came back. */
  answered = false;
  tos = 0;
  /** The guest's last packet, for ICMP errors. */
  readonly quote = new PacketQuote();

  constructor(
    guest: IpAddress,
    guestPort: number,
    remote: IpAddress,
    remotePort: number,
    socket: UdpHostSocket,
    peer: InetAddress,
    path: GuestPath,
    ingress: number,
    now: number,
  ) {
    this.guest = Uint32Array.from(guest);
    this.guestPort = guestPort;
    this.remote = Uint32Array.from(remote);
    this.remotePort = remotePort;
    this.ingress = ingress;
    this.socket = socket;
    this.peer = peer;
    this.path = path;
    this.usedAt = now;
  }
}

/** A datagram that waits until its socket is open. */
export interface WaitingDatagram {
  readonly flow: UdpFlow;
  readonly bytes: Uint8Array;
  readonly ttl: number;
  readonly tos: number;
  /** Whose share its bytes use. */
  readonly ingress: number;
}

/**
 * The host's socket of one guest endpoint: one for all that the guest's port talks to, so the outside sees one port.
 * A forward's socket is `permanent`; the others end with their last flow.
 */
export class UdpHostSocket implements FlowNode<UdpHostSocket> {
  readonly guest: IpAddress;
  readonly guestPort: number;
  readonly remote = NOWHERE;
  readonly remotePort = 0;
  ingress: number;
  hash = 0;
  chain: UdpHostSocket | undefined;
  older: UdpHostSocket | undefined;
  newer: UdpHostSocket | undefined;

  readonly permanent: boolean;
  socket: DatagramSocket | undefined;
  /** Open, or about to be; false once it was given up. */
  live = true;
  readonly waiting: WaitingDatagram[] = [];
  flows = 0;
  /** The flow of the last datagram: mostly that of the next one too. */
  last: UdpFlow | undefined;
  readonly #peers = new Map<string, Map<number, UdpFlow>>();

  constructor(guest: IpAddress, guestPort: number, ingress: number, permanent: boolean) {
    this.guest = Uint32Array.from(guest);
    this.guestPort = guestPort;
    this.ingress = ingress;
    this.permanent = permanent;
  }

  flowOf(peer: InetAddress): UdpFlow | undefined {
    const { last } = this;
    if (last !== undefined && last.peer.port === peer.port && last.peer.host === peer.host) return last;
    return this.#peers.get(peer.host)?.get(peer.port);
  }

  adopt(flow: UdpFlow): void {
    let ports = this.#peers.get(flow.peer.host);
    if (ports === undefined) {
      ports = new Map();
      this.#peers.set(flow.peer.host, ports);
    }
    ports.set(flow.peer.port, flow);
    this.flows++;
    this.last = flow;
  }

  forget(flow: UdpFlow): void {
    const ports = this.#peers.get(flow.peer.host);
    if (ports?.get(flow.peer.port) === flow) {
      ports.delete(flow.peer.port);
      if (ports.size === 0) this.#peers.delete(flow.peer.host);
    }
    this.flows--;
    if (this.last === flow) this.last = undefined;
  }

  firstFlow(): UdpFlow | undefined {
    for (const ports of this.#peers.values()) for (const flow of ports.values()) return flow;
    return undefined;
  }
}
