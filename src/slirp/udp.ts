/**
 * UDP of the user network: NAT between guest endpoints and host sockets, and forwards from host ports to guests.
 *
 * Theory of operation. A flow is a 4-tuple as the guest sees it. All flows of one guest endpoint share one host socket
 * (endpoint-independent mapping), which takes datagrams from anybody (endpoint-independent filtering): an unknown
 * sender makes a flow of its own. Errors that the kernel reports become ICMP errors (see udp-errors.ts).
 *
 * A forward is a bound host socket of the same kind: each sender becomes a flow, and the guest's answers leave through
 * it. Such flows are allowed under `restrict`, both ways. That a guest refuses is told to the client (udp-refusals.ts).
 *
 * Limits and timers: see udp-flows.ts.
 */
import type { Flow } from '../net/client.ts';
import { type DatagramEvent, type DatagramSocket, HostError, type InetAddress, isInet } from '../net/host.ts';
import { STRANGERS } from '../net/index.ts';
import { UDP_HEADER_LENGTH, udpDestinationPort, udpLength, udpSourcePort } from '../wire/index.ts';
import type { IpAddress, IpPacket } from './ip-layer.ts';
import { UdpErrors } from './udp-errors.ts';
import { UdpHostSocket } from './udp-flow.ts';
import { UdpFlows } from './udp-flows.ts';
import { UdpGuestSide } from './udp-guest-side.ts';
import { UdpHostSide } from './udp-host-side.ts';
import type { UdpLayer } from './udp-layer.ts';
import { UdpRefusals } from './udp-refusals.ts';

const OUT_OF_SOCKETS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

export interface UdpForward {
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly guestAddress: IpAddress;
  readonly guestPort: number;
  close(): Promise<void>;
}

export class UdpStack {
  readonly #layer: UdpLayer;
  readonly #flows: UdpFlows;
  readonly #hostSide: UdpHostSide;
  readonly #guestSide: UdpGuestSide;
  readonly #errors: UdpErrors;
  readonly #refusals: UdpRefusals;
  readonly #forwards = new Set<UdpHostSocket>();
  #closed = false;
  #toHost = 0;

  constructor(layer: UdpLayer) {
    this.#layer = layer;
    this.#flows = new UdpFlows(layer, {
      open: (owner, family) => this.#hostSide.open(owner, family),
      stop: (owner) => void this.#stop(owner),
    });
    this.#hostSide = new UdpHostSide(layer.host, {
      drop: (reason) => layer.drop(reason),
      event: (owner, socket, event) => this.#onEvent(owner, socket, event),
      failed: (owner, error) => this.#failedToOpen(owner, error),
    });
    this.#guestSide = new UdpGuestSide(layer, this.#flows);
    this.#errors = new UdpErrors(layer);
    this.#refusals = new UdpRefusals(layer, this.#flows);
  }

  /** A datagram the services did not want. Its length was checked with udpCheckPacket. */
  input(packet: IpPacket): void {
    const { bytes, transportOffset: at } = packet;
    const guestPort = udpSourcePort(bytes, at);
    const remotePort = udpDestinationPort(bytes, at);
    let flow = this.#flows.table.find(packet.source, guestPort, packet.destination, remotePort);
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
      flow = this.#flows.open(packet.source, guestPort, packet.destination, remotePort, packet.ingress, peer);
      if (flow === undefined) return;
    } else if (packet.ttl <= 1) {
      this.#layer.sendTimeExceeded(packet);
      return;
    }
    flow.usedAt = this.#layer.host.clock.now();
    flow.tos = packet.tos;
    this.#flows.usedByGuest(flow, packet.ingress);
    flow.quote.remember(packet);
    const length = Math.max(0, Math.min(udpLength(bytes, at), packet.transportLength) - UDP_HEADER_LENGTH);
    this.#toHost++;
    this.#hostSide.send(flow, bytes, at + UDP_HEADER_LENGTH, length, packet.ttl - 1, packet.tos);
  }

  /** An ICMP error of a guest. @returns whether it is about a datagram of a forward's client. */
  guestRefused(packet: IpPacket): boolean {
    return this.#refusals.input(packet);
  }

  /** Listens on a host port for a guest. Rejects with HostError. */
  async addForward(hostAddress: InetAddress, guestAddress: IpAddress, guestPort: number): Promise<UdpForward> {
    const owner = new UdpHostSocket(guestAddress, guestPort, STRANGERS, true);
    const { family } = hostAddress;
    const options = { family, bind: hostAddress, localAddresses: true };
    const socket = await this.#layer.host.sockets.datagram(options);
    if (this.#closed) {
      await socket.close();
      throw new HostError('ECANCELED', 'Operation canceled');
    }
    const local = socket.localAddress;
    this.#hostSide.start(owner, socket);
    this.#forwards.add(owner);
    return {
      hostAddress: isInet(local) ? local.host : hostAddress.host,
      hostPort: isInet(local) ? local.port : hostAddress.port,
      guestAddress,
      guestPort,
      close: async () => {
        this.#forwards.delete(owner);
        this.#flows.removeOf(owner);
        await this.#stop(owner);
      },
    };
  }

  /** The port has room for this guest again. */
  resumeGuest(guest: IpAddress): void {
    this.#guestSide.resume(guest);
  }

  ingressGone(ingress: number): void {
    this.#flows.ingressGone(ingress);
    this.#refusals.ingressGone(ingress);
  }

  flows(): Flow[] {
    return this.#flows.list();
  }

  statistics(): Record<string, number> {
    return {
      'udp.flows': this.#flows.table.size,
      'udp.sockets': this.#flows.sockets + this.#forwards.size,
      'udp.flowsCreated': this.#flows.created,
      'udp.flowsEvicted': this.#flows.evicted,
      'udp.datagramsToHost': this.#toHost,
      'udp.datagramsToGuest': this.#guestSide.datagrams,
      'udp.refusalsToHost': this.#refusals.told,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#flows.close();
    for (const owner of this.#forwards) void this.#stop(owner);
    this.#forwards.clear();
    await Promise.all([this.#hostSide.settled(), this.#refusals.close()]);
  }

  #failedToOpen(owner: UdpHostSocket, error: unknown): void {
    this.#layer.drop('udp-socket-failed');
    this.#flows.removeOf(owner);
    if (!(error instanceof HostError) || !OUT_OF_SOCKETS.has(error.code)) return;
    if (!this.#flows.isShareUsedUp(owner.ingress)) this.#flows.makeRoom();
  }

  /** Resolves when the socket's port is free. */
  #stop(owner: UdpHostSocket): Promise<void> {
    this.#guestSide.forget(owner);
    return this.#hostSide.stop(owner);
  }

  #onEvent(owner: UdpHostSocket, socket: DatagramSocket, event: DatagramEvent): void {
    if (event === 'readable') this.#guestSide.readable(owner, socket);
    else if (event === 'error') this.#errors.failed(owner, socket);
  }
}
