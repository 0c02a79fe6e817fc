/**
 * UDP of the user network: NAT between guest endpoints and host sockets, and forwards from host ports to guests.
 *
 * Theory of operation. A flow is a 4-tuple as the guest sees it. All flows of one guest endpoint share one host socket
 * (endpoint-independent mapping), which takes datagrams from anybody (endpoint-independent filtering): an unknown
 * sender makes a flow of its own. Refusals that the kernel reports become ICMP errors (see udp-host-side.ts).
 *
 * A forward is a bound host socket of the same kind: each sender becomes a flow, and the guest's answers leave through
 * it. Such flows are allowed under `restrict`, both ways.
 *
 * Limits: MAX_FLOWS (the longest unused goes). Timers: IDLE_MS since the last datagram, DNS_IDLE_MS after an answer from
 * port 53; one sweep every SWEEP_MS while there are flows.
 */
import type { Flow } from '../net/client.ts';
import { Frame } from '../net/frame.ts';
import {
  type DatagramEvent,
  type DatagramSocket,
  HostError,
  type InetAddress,
  type SocketAddress,
  type Timer,
} from '../net/host.ts';
import {
  DNS_PORT,
  emitUdp,
  PROTOCOL_UDP,
  UDP_HEADER_LENGTH,
  UDP_MAX_PAYLOAD,
  udpCheck,
  udpDestinationPort,
  udpLength,
  udpSourcePort,
} from '../wire/index.ts';
import { addressSum, addressText, isIpv4 } from './address.ts';
import { FlowTable, sameAddress } from './flow-table.ts';
import type { IpAddress, IpLayer, IpPacket } from './ip-layer.ts';
import { UdpFlow, UdpHostSocket } from './udp-flow.ts';
import { UdpHostSide } from './udp-host-side.ts';
import { newBatch } from './udp-sender.ts';

export const MAX_FLOWS = 8192;
export const IDLE_MS = 240_000;
export const DNS_IDLE_MS = 10_000;
const SWEEP_MS = 5000;
/** An error so soon after a send is that send's own. */
const SEND_FAILURE_MS = 20;
/** Room in front of a received datagram for Ethernet, IP and UDP headers of either family. */
const HEADROOM = 64;
const RECEIVE_ARENA = 256 * 1024;
const RECEIVE_COUNT = 64;
const RECEIVE_ROUNDS = 4;
/** When the host is out of sockets, this part of the flows gives way, the longest unused first. */
const SHED_PART = 8;
const OUT_OF_SOCKETS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
const NOWHERE: IpAddress = new Uint32Array(4);

/** What the stack adds to IpLayer for UDP. */
export interface UdpLayer extends IpLayer {
  /** As the guest must see the sender of what it sent to `destination`: broadcasts are answered by the host alias. */
  replySource(destination: IpAddress): IpAddress;
  sendTimeExceeded(packet: IpPacket): void;
  /** An error about a packet that was sent earlier: its first bytes, from the IP header on. */
  sendUnreachableAbout(quote: Uint8Array, length: number, reason: 'network' | 'host' | 'port'): void;
}

export interface UdpForward {
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly guestAddress: IpAddress;
  readonly guestPort: number;
  close(): Promise<void>;
}

export class UdpStack {
  readonly #layer: UdpLayer;
  readonly #flows: FlowTable<UdpFlow>;
  readonly #sockets: FlowTable<UdpHostSocket>;
  readonly #forwards = new Set<UdpHostSocket>();
  readonly #hostSide: UdpHostSide;
  readonly #arena = new Uint8Array(HEADROOM + RECEIVE_ARENA);
  readonly #receive = newBatch(this.#arena.subarray(HEADROOM), RECEIVE_COUNT);
  readonly #frame = new Frame();
  readonly #timer: Timer;
  readonly #parked = new Set<UdpHostSocket>();
  #closed = false;
  #created = 0;
  #evicted = 0;
  #toHost = 0;
  #toGuest = 0;

  constructor(layer: UdpLayer) {
    this.#layer = layer;
    this.#flows = new FlowTable(layer.host.random.u32());
    this.#sockets = new FlowTable(layer.host.random.u32());
    this.#hostSide = new UdpHostSide(layer.host, {
      drop: (reason) => layer.drop(reason),
      event: (owner, socket, event) => this.#onEvent(owner, socket, event),
      failed: (owner, error) => this.#failedToOpen(owner, error),
    });
    this.#timer = layer.host.timers.create(() => this.#sweep());
  }

  /** A datagram the services did not want. Its length was checked with udpCheckPacket. */
  input(packet: IpPacket): void {
    const { bytes, transportOffset: at } = packet;
    const guestPort = udpSourcePort(bytes, at);
    const remotePort = udpDestinationPort(bytes, at);
    let flow = this.#flows.find(packet.source, guestPort, packet.destination, remotePort);
    if (flow === undefined) {
      const peer = this.#layer.route(packet.destination, 'udp', remotePort);
      if (peer === undefined) {
        const reason = this.#layer.refusal?.(packet.destination, 'udp', remotePort);
        if (reason === undefined) this.#layer.drop('restricted');
        else this.#layer.sendUnreachable(packet, reason);
        return;
      }
      if (packet.ttl <= 1) {
        this.#layer.sendTimeExceeded(packet);
        return;
      }
      flow = this.#openFlow(packet.source, guestPort, packet.destination, remotePort, peer);
      if (flow === undefined) return;
    } else if (packet.ttl <= 1) {
      this.#layer.sendTimeExceeded(packet);
      return;
    }
    flow.usedAt = this.#layer.host.clock.now();
    flow.tos = packet.tos;
    this.#flows.touch(flow);
    flow.remember(packet);
    const length = Math.max(0, Math.min(udpLength(bytes, at), packet.transportLength) - UDP_HEADER_LENGTH);
    this.#toHost++;
    this.#hostSide.send(flow, bytes, at + UDP_HEADER_LENGTH, length, packet.ttl - 1, packet.tos);
  }

  /** Listens on a host port for a guest. Rejects with HostError. */
  async addForward(hostAddress: InetAddress, guestAddress: IpAddress, guestPort: number): Promise<UdpForward> {
    const owner = new UdpHostSocket(guestAddress, guestPort, true);
    const socket = await this.#layer.host.sockets.datagram({ family: hostAddress.family, bind: hostAddress });
    if (this.#closed) {
      await socket.close();
      throw new HostError('ECANCELED', 'Operation canceled');
    }
    const local = socket.localAddress;
    this.#hostSide.start(owner, socket);
    this.#forwards.add(owner);
    return {
      hostAddress: local.family === 'unix' ? hostAddress.host : local.host,
      hostPort: local.family === 'unix' ? hostAddress.port : local.port,
      guestAddress,
      guestPort,
      close: async () => {
        this.#forwards.delete(owner);
        this.#flows.forEach((flow) => {
          if (flow.socket === owner) this.#remove(flow);
        });
        await this.#stop(owner);
      },
    };
  }

  /** The port has room for this guest again. */
  resumeGuest(guest: IpAddress): void {
    for (const owner of this.#parked) {
      if (!sameAddress(owner.guest, guest)) continue;
      this.#parked.delete(owner);
      owner.socket?.interest(true, false);
    }
  }

  flows(): Flow[] {
    const found: Flow[] = [];
    const now = this.#layer.host.clock.now();
    this.#flows.forEach((flow) => {
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

  statistics(): Record<string, number> {
    return {
      'udp.flows': this.#flows.size,
      'udp.sockets': this.#sockets.size + this.#forwards.size,
      'udp.flowsCreated': this.#created,
      'udp.flowsEvicted': this.#evicted,
      'udp.datagramsToHost': this.#toHost,
      'udp.datagramsToGuest': this.#toGuest,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer.cancel();
    this.#flows.forEach((flow) => {
      this.#remove(flow);
    });
    for (const owner of this.#forwards) void this.#stop(owner);
    this.#forwards.clear();
    this.#parked.clear();
    await this.#hostSide.settled();
  }

  #openFlow(
    guest: IpAddress,
    guestPort: number,
    remote: IpAddress,
    remotePort: number,
    peer: InetAddress,
  ): UdpFlow | undefined {
    if (this.#closed) return undefined;
    let owner = this.#sockets.find(guest, guestPort, NOWHERE, 0);
    if (owner === undefined) {
      owner = new UdpHostSocket(guest, guestPort, false);
      this.#sockets.add(owner);
      this.#hostSide.open(owner, isIpv4(guest) ? 'ipv4' : 'ipv6');
    }
    return this.#addFlow(guest, guestPort, remote, remotePort, owner, peer, this.#layer.replySource(remote));
  }

  #addFlow(
    guest: IpAddress,
    guestPort: number,
    remote: IpAddress,
    remotePort: number,
    owner: UdpHostSocket,
    peer: InetAddress,
    seen: IpAddress,
  ): UdpFlow {
    const { oldest } = this.#flows;
    // The newcomer's socket counts as used already, or evicting its last flow would close it.
    owner.flows++;
    if (this.#flows.size >= MAX_FLOWS && oldest !== undefined) {
      this.#evicted++;
      this.#remove(oldest);
    }
    owner.flows--;
    const now = this.#layer.host.clock.now();
    const path = this.#layer.openPath(guest, seen);
    const flow = new UdpFlow(guest, guestPort, remote, remotePort, owner, peer, path, now);
    this.#flows.add(flow);
    owner.adopt(flow);
    this.#created++;
    if (this.#timer.deadlineMs === undefined) this.#timer.set(now + SWEEP_MS);
    return flow;
  }

  #remove(flow: UdpFlow): void {
    this.#flows.remove(flow);
    const owner = flow.socket;
    owner.forget(flow);
    if (owner.flows === 0 && !owner.permanent) {
      this.#sockets.remove(owner);
      void this.#stop(owner);
    }
  }

  #failedToOpen(owner: UdpHostSocket, error: unknown): void {
    this.#layer.drop('udp-socket-failed');
    for (let flow = owner.firstFlow(); flow !== undefined; flow = owner.firstFlow()) this.#remove(flow);
    if (error instanceof HostError && OUT_OF_SOCKETS.has(error.code)) this.#makeRoom();
  }

  /** The host has no more sockets for us: a scan by one guest must not hold them all until its flows are idle. */
  #makeRoom(): void {
    let excess = Math.ceil(this.#flows.size / SHED_PART);
    this.#flows.forEach((flow) => {
      if (excess <= 0 || flow.socket.permanent) return;
      // One that is still opening holds nothing yet, and to shed it frees nothing.
      if (flow.socket.socket === undefined) return;
      excess--;
      this.#evicted++;
      this.#remove(flow);
    });
  }

  /** Resolves when the socket's port is free. */
  #stop(owner: UdpHostSocket): Promise<void> {
    this.#parked.delete(owner);
    return this.#hostSide.stop(owner);
  }

  #onEvent(owner: UdpHostSocket, socket: DatagramSocket, event: DatagramEvent): void {
    if (event === 'readable') this.#readable(owner, socket);
    else if (event === 'error') this.#failed(owner, socket);
  }

  #readable(owner: UdpHostSocket, socket: DatagramSocket): void {
    const batch = this.#receive;
    for (let round = 0; round < RECEIVE_ROUNDS; round++) {
      const count = socket.receiveBatch(batch);
      for (let i = 0; i < count; i++) {
        this.#deliver(owner, batch.peer[i], batch.offset[i] ?? 0, batch.length[i] ?? 0);
        batch.peer[i] = undefined;
        if (owner.socket !== socket) return;
      }
      if (count < RECEIVE_COUNT || this.#layer.busyGuests.has(owner.guest)) break;
    }
    if (this.#layer.busyGuests.has(owner.guest)) {
      this.#parked.add(owner);
      socket.interest(false, false);
    }
  }

  /** The datagram lies in the arena, `offset` behind HEADROOM; datagrams before it were delivered already. */
  #deliver(owner: UdpHostSocket, from: SocketAddress | undefined, offset: number, length: number): void {
    if (from === undefined || from.family === 'unix' || length > UDP_MAX_PAYLOAD) {
      this.#layer.drop('udp-reply-invalid');
      return;
    }
    const flow = owner.flowOf(from) ?? this.#flowFrom(owner, from);
    if (flow === undefined) return;
    flow.usedAt = this.#layer.host.clock.now();
    flow.answered = true;
    owner.last = flow;
    this.#flows.touch(flow);
    const { path } = flow;
    const at = HEADROOM + offset - UDP_HEADER_LENGTH;
    emitUdp(this.#arena, at, flow.remotePort, flow.guestPort, length, path.pseudoSum);
    path.writeHeaders(this.#arena, at, UDP_HEADER_LENGTH + length, PROTOCOL_UDP, flow.tos);
    const start = at - path.headroom;
    this.#toGuest++;
    path.send(this.#frame.setPlain(this.#arena, start, path.headroom + UDP_HEADER_LENGTH + length));
  }

  /** A sender the guest has not written to: it becomes a flow. */
  #flowFrom(owner: UdpHostSocket, from: InetAddress): UdpFlow | undefined {
    if (this.#closed) return undefined;
    const remote = this.#layer.guestView(from);
    const taken = this.#flows.find(owner.guest, owner.guestPort, remote, from.port);
    if (taken !== undefined) {
      if (taken.socket === owner) return taken;
      // The same pair through another socket: who wrote last is answered.
      this.#remove(taken);
    }
    return this.#addFlow(owner.guest, owner.guestPort, remote, from.port, owner, from, remote);
  }

  #failed(owner: UdpHostSocket, socket: DatagramSocket): void {
    const error = socket.takeError();
    if (error === undefined) return;
    const flow = owner.connected ?? owner.last;
    const quote = flow?.quote;
    this.#layer.drop(`udp-error-${error.code}`);
    if (flow === undefined || quote === undefined || error.code === 'EMSGSIZE') return;
    const ownSend = this.#layer.host.clock.now() - flow.sentAt <= SEND_FAILURE_MS;
    let reason: 'network' | 'host' | 'port' = 'network';
    if (error.code === 'ECONNREFUSED') reason = 'port';
    else if ((error.code === 'EHOSTUNREACH' || error.code === 'EHOSTDOWN') && !ownSend) reason = 'host';
    this.#layer.sendUnreachableAbout(quote, flow.quoteLength, reason);
  }

  #sweep(): void {
    const now = this.#layer.host.clock.now();
    this.#flows.forEach((flow) => {
      if (expiryOf(flow) <= now) this.#remove(flow);
    });
    if (this.#flows.size > 0) this.#timer.set(now + SWEEP_MS);
  }
}

function expiryOf(flow: UdpFlow): number {
  return flow.usedAt + (flow.remotePort === DNS_PORT && flow.answered ? DNS_IDLE_MS : IDLE_MS);
}

/** Checks a UDP header and checksum in a packet; counts what is wrong. */
export function udpCheckPacket(layer: IpLayer, packet: IpPacket): boolean {
  const { bytes, transportOffset: at } = packet;
  const pseudo = addressSum(packet.source) + addressSum(packet.destination);
  const drop = udpCheck(bytes, at, at + packet.transportLength, pseudo, packet.checksumTrusted);
  if (drop === undefined) return true;
  layer.drop(drop);
  return false;
}
