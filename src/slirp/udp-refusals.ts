/**
 * A closed port of a guest is told to the client of a UDP forward: the guest's ICMP "unreachable" becomes one of the host,
 * about the client's own datagram, as if the host's port were closed.
 *
 * Only a raw socket can send that (CAP_NET_RAW). Where the host gives us none the client hears nothing, as before; it is
 * asked for again RETRY_MS later. The socket is opened for the first refusal, up to MAX_WAITING wait for it meanwhile.
 *
 * Limits: REFUSALS_PER_SECOND for each guest's port, and the client must have written to the forward: a guest cannot make
 * the host send ICMP to whom it likes.
 */
import { type DatagramSocket, HostError, isInet } from '../net/host.ts';
import {
  emitIcmp,
  emitIpv4,
  emitUdp,
  ICMP_HEADER_LENGTH,
  ICMP_PORT_UNREACHABLE,
  ICMP_PROHIBITED,
  ICMP_UNREACHABLE,
  IPV4_HEADER_LENGTH,
  icmpCode,
  icmpType,
  ipv4Destination,
  ipv4HeaderLength,
  ipv4Protocol,
  ipv4Source,
  PROTOCOL_ICMP,
  PROTOCOL_UDP,
  parseIpv4Text,
  UDP_HEADER_LENGTH,
  udpDestinationPort,
  udpSourcePort,
} from '../wire/index.ts';
import { ipv4Of } from './address.ts';
import { IngressBuckets } from './ingress-buckets.ts';
import type { IpPacket } from './ip-layer.ts';
import type { UdpFlow } from './udp-flow.ts';
import type { UdpFlows } from './udp-flows.ts';
import type { UdpLayer } from './udp-layer.ts';
import { newBatch } from './udp-sender.ts';

export const REFUSALS_PER_SECOND = 100;
const BURST = 20;
const MAX_WAITING = 16;
const RETRY_MS = 60_000;
/** IPPROTO_RAW: sent with the IP header we write; nothing is ever received. */
const RAW = 255;
const TTL = 64;
const QUOTE_LENGTH = IPV4_HEADER_LENGTH + UDP_HEADER_LENGTH;
const LENGTH = IPV4_HEADER_LENGTH + ICMP_HEADER_LENGTH + QUOTE_LENGTH;

export class UdpRefusals {
  readonly #layer: UdpLayer;
  readonly #flows: UdpFlows;
  readonly #budget = new IngressBuckets(REFUSALS_PER_SECOND, BURST);
  readonly #batch = newBatch(new Uint8Array(LENGTH), 1);
  #socket: DatagramSocket | undefined;
  #opening: Promise<void> | undefined;
  #waiting: { readonly flow: UdpFlow; readonly code: number }[] = [];
  #refusedUntil = Number.NEGATIVE_INFINITY;
  #closed = false;
  #told = 0;

  constructor(layer: UdpLayer, flows: UdpFlows) {
    this.#layer = layer;
    this.#flows = flows;
  }

  /** Clients told. */
  get told(): number {
    return this.#told;
  }

  /** An ICMP message of a guest, its checksum verified. @returns whether it is about a datagram of a forward's client. */
  input(packet: IpPacket): boolean {
    const flow = this.#flowOf(packet);
    if (flow === undefined) return false;
    const now = this.#layer.host.clock.now();
    if (!this.#budget.take(packet.ingress, now)) {
      this.#layer.drop('udp-refusal-rate');
      return true;
    }
    const code = icmpCode(packet.bytes, packet.transportOffset);
    if (this.#socket !== undefined) this.#tell(this.#socket, flow, code);
    else if (now < this.#refusedUntil || this.#waiting.length >= MAX_WAITING) this.#layer.drop('udp-refusal-untold');
    else {
      this.#waiting.push({ flow, code });
      this.#opening ??= this.#open();
    }
    return true;
  }

  ingressGone(ingress: number): void {
    this.#budget.ingressGone(ingress);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening;
    await this.#socket?.close();
  }

  /** The error's quotation must be what we sent for the client: to this guest, from that client. */
  #flowOf(packet: IpPacket): UdpFlow | undefined {
    const { bytes, transportOffset: at, source, destination } = packet;
    const end = at + packet.transportLength;
    const ip = at + ICMP_HEADER_LENGTH;
    if (icmpType(bytes, at) !== ICMP_UNREACHABLE || !isRefusal(icmpCode(bytes, at))) return undefined;
    if (end - ip < QUOTE_LENGTH || ipv4Protocol(bytes, ip) !== PROTOCOL_UDP) return undefined;
    if (ipv4Source(bytes, ip) !== ipv4Of(destination) || ipv4Destination(bytes, ip) !== ipv4Of(source))
      return undefined;
    const udp = ip + ipv4HeaderLength(bytes, ip);
    if (udp - ip < IPV4_HEADER_LENGTH || end - udp < UDP_HEADER_LENGTH) return undefined;
    const guestPort = udpDestinationPort(bytes, udp);
    const flow = this.#flows.table.find(source, guestPort, destination, udpSourcePort(bytes, udp));
    return flow?.socket.permanent === true ? flow : undefined;
  }

  async #open(): Promise<void> {
    try {
      const socket = await this.#layer.host.sockets.datagram({ family: 'ipv4', rawProtocol: RAW });
      this.#socket = socket;
      const waiting = this.#waiting.splice(0);
      if (!this.#closed) for (const { flow, code } of waiting) this.#tell(socket, flow, code);
    } catch (error) {
      // No right, or no native layer.
      const reason = error instanceof HostError ? error.message : error;
      this.#layer.host.log.info('clients of UDP forwards cannot be told of closed ports of guests', { reason });
      for (const _ of this.#waiting.splice(0)) this.#layer.drop('udp-refusal-untold');
      this.#refusedUntil = this.#layer.host.clock.now() + RETRY_MS;
    } finally {
      this.#opening = undefined;
    }
  }

  #tell(socket: DatagramSocket, flow: UdpFlow, code: number): void {
    const bound = flow.socket.socket?.localAddress;
    const local = flow.local ?? bound;
    if (local === undefined || bound === undefined || !isInet(local) || !isInet(bound)) return;
    const from = parseIpv4Text(local.host);
    const to = parseIpv4Text(flow.peer.host);
    if (from === undefined || from === 0 || to === undefined) {
      this.#layer.drop('udp-refusal-untold');
      return;
    }
    const batch = this.#batch;
    const { bytes } = batch;
    const quote = IPV4_HEADER_LENGTH + ICMP_HEADER_LENGTH;
    emitIpv4(bytes, quote, UDP_HEADER_LENGTH, 0, 0, 0, TTL, PROTOCOL_UDP, to, from);
    emitUdp(bytes, quote + IPV4_HEADER_LENGTH, flow.peer.port, bound.port, 0, 0);
    emitIcmp(bytes, IPV4_HEADER_LENGTH, ICMP_UNREACHABLE, code, 0, QUOTE_LENGTH);
    emitIpv4(bytes, 0, LENGTH - IPV4_HEADER_LENGTH, 0, 0, 0, TTL, PROTOCOL_ICMP, from, to);
    batch.length[0] = LENGTH;
    batch.peer[0] = { ...flow.peer, port: 0 };
    batch.count = 1;
    if (socket.sendBatch(batch) === 1) this.#told++;
    else this.#layer.drop('udp-refusal-untold');
  }
}

/** A closed port, or a firewall's word for one (RFC 1812, 5.2.7.1: 9, 10 and 13). */
const isRefusal = (code: number): boolean =>
  code === ICMP_PORT_UNREACHABLE || code === 9 || code === 10 || code === ICMP_PROHIBITED;
