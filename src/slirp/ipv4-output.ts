/**
 * IPv4 towards the guests: headers written in place, fragmentation, and the Ethernet addresses.
 *
 * Every frame leaves with the host alias's address as its source, whatever its IP source is, as QEMU's user network
 * does. The identification counts up by one a packet.
 */
import { BUSY, type Port, type SendResult, TAKEN } from '../net/client.ts';
import { Frame, GSO_NONE } from '../net/frame.ts';
import type { Clock } from '../net/host.ts';
import {
  ARP_LENGTH,
  ARP_REQUEST,
  ETHERNET_LENGTH,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  emitArp,
  emitEthernet,
  emitIpv4,
  IPV4_HEADER_LENGTH,
  IPV4_MORE_FRAGMENTS,
  ipv4Destination,
  ipv4Id,
  ipv4Protocol,
  ipv4Source,
  ipv4Tos,
  ipv4TotalLength,
  ipv4Ttl,
  MAC_BROADCAST,
  sumBytes,
  writeMac,
} from '../wire/index.ts';
import { IPV4_BROADCAST } from './address.ts';
import type { BroadcastBudget } from './broadcast-budget.ts';
import type { BusyGuests } from './busy-guests.ts';
import { MTU, type StackConfig, subnetBroadcast, virtualMac } from './config.ts';
import type { IpAddress } from './ip-layer.ts';
import type { Neighbour, NeighbourTable, WaitingFrame } from './neighbours.ts';

export const IPV4_HEADROOM = ETHERNET_LENGTH + IPV4_HEADER_LENGTH;
/** Payload of all fragments but the last. */
const PIECE = (MTU - IPV4_HEADER_LENGTH) & ~7;
/** QEMU's user network sends ARP replies as 64 bytes. */
const ARP_FRAME_LENGTH = 64;

export class Ipv4Output {
  readonly config: StackConfig;
  readonly busy: BusyGuests;
  /** Asked before anything is sent to all because of a guest. */
  readonly broadcasts: BroadcastBudget;
  /** Both headers with what is the same in every packet, and the IP header's sum over that. */
  readonly template = new Uint8Array(IPV4_HEADROOM);
  readonly templateSum: number;
  readonly #port: Port;
  readonly #clock: Clock;
  readonly #hostMac: number;
  readonly #subnetBroadcast: number;
  readonly #arp = new Uint8Array(ARP_FRAME_LENGTH);
  readonly #fragment = new Uint8Array(ETHERNET_LENGTH + MTU);
  readonly #frame = new Frame();
  #neighbours: NeighbourTable | undefined;
  #id = 0;
  /** Frames that were on their way while a port answered BUSY. */
  busyAnswers = 0;

  constructor(config: StackConfig, port: Port, clock: Clock, busy: BusyGuests, broadcasts: BroadcastBudget) {
    this.config = config;
    this.busy = busy;
    this.broadcasts = broadcasts;
    this.#port = port;
    this.#clock = clock;
    this.#hostMac = virtualMac(config.host);
    this.#subnetBroadcast = subnetBroadcast(config);
    emitEthernet(this.template, 0, MAC_BROADCAST, this.#hostMac, ETHERTYPE_IPV4);
    this.template[ETHERNET_LENGTH] = 0x45;
    this.templateSum = sumBytes(this.template, ETHERNET_LENGTH, IPV4_HEADER_LENGTH, 0);
  }

  /** The table that resolves guests; it asks and sends through this object. */
  attach(neighbours: NeighbourTable): void {
    this.#neighbours = neighbours;
  }

  get neighbours(): NeighbourTable | undefined {
    return this.#neighbours;
  }

  get clock(): Clock {
    return this.#clock;
  }

  get hostMac(): number {
    return this.#hostMac;
  }

  nextId(): number {
    const id = this.#id;
    this.#id = (id + 1) & 0xffff;
    return id;
  }

  isBroadcast(address: number): boolean {
    return address === 0 || address === IPV4_BROADCAST || address === this.#subnetBroadcast;
  }

  /** An ARP frame; replies are zero-padded. */
  sendArp(
    destination: number,
    operation: number,
    senderMac: number,
    senderAddress: number,
    targetMac: number,
    targetAddress: number,
  ): void {
    const bytes = this.#arp;
    emitEthernet(bytes, 0, destination, senderMac, ETHERTYPE_ARP);
    emitArp(bytes, ETHERNET_LENGTH, { operation, senderMac, senderAddress, targetMac, targetAddress });
    bytes.fill(0, ETHERNET_LENGTH + ARP_LENGTH);
    // QEMU pads its answers, but not its questions.
    const length = operation === ARP_REQUEST ? ETHERNET_LENGTH + ARP_LENGTH : ARP_FRAME_LENGTH;
    this.#port.send(this.#frame.setPlain(bytes, 0, length));
  }

  /**
   * Who has this address? Tell the host alias.
   * @param ingress who causes the question.
   * @returns false: that one causes too many.
   */
  ask(address: number, ingress: number, of: number = MAC_BROADCAST): boolean {
    if (!this.broadcasts.take(ingress)) return false;
    this.sendArp(of, ARP_REQUEST, this.#hostMac, this.config.host, 0, address);
    return true;
  }

  /** A frame that waited for its neighbour. */
  sendWaiting(neighbour: Neighbour, waiting: WaitingFrame): void {
    const frame = this.#frame.setPlain(waiting.bytes, 0, waiting.bytes.length);
    writeMac(waiting.bytes, 0, neighbour.mac);
    frame.flags = waiting.flags;
    frame.gsoType = waiting.gsoType;
    frame.gsoSize = waiting.gsoSize;
    frame.headerLength = waiting.headerLength;
    frame.checksumStart = waiting.checksumStart;
    frame.checksumOffset = waiting.checksumOffset;
    this.transmit(frame, neighbour.guest);
  }

  transmit(frame: Frame, guest: IpAddress): SendResult {
    if (frame.gsoType === GSO_NONE && frame.length > ETHERNET_LENGTH + MTU) return this.#sendFragments(frame, guest);
    return this.#send(frame, guest);
  }

  #send(frame: Frame, guest: IpAddress): SendResult {
    const result = this.#port.send(frame);
    if (result === BUSY) {
      this.busyAnswers++;
      this.busy.add(guest);
    }
    return result;
  }

  #sendFragments(frame: Frame, guest: IpAddress): SendResult {
    const { bytes } = frame;
    const ip = frame.offset + ETHERNET_LENGTH;
    const payload = ipv4TotalLength(bytes, ip) - IPV4_HEADER_LENGTH;
    const out = this.#fragment;
    out.set(bytes.subarray(frame.offset, ip));
    const own = frame === this.#frame ? new Frame() : this.#frame;
    let result: SendResult = TAKEN;
    for (let at = 0; at < payload; at += PIECE) {
      const length = Math.min(PIECE, payload - at);
      const more = at + length < payload ? IPV4_MORE_FRAGMENTS : 0;
      emitIpv4(
        out,
        ETHERNET_LENGTH,
        length,
        ipv4Tos(bytes, ip),
        ipv4Id(bytes, ip),
        (at >> 3) | more,
        ipv4Ttl(bytes, ip),
        ipv4Protocol(bytes, ip),
        ipv4Source(bytes, ip),
        ipv4Destination(bytes, ip),
      );
      const from = ip + IPV4_HEADER_LENGTH + at;
      out.set(bytes.subarray(from, from + length), IPV4_HEADROOM);
      const sent = this.#send(own.setPlain(out, 0, IPV4_HEADROOM + length), guest);
      if (sent > result) result = sent;
    }
    return result;
  }
}
