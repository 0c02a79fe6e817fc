/**
 * ICMP of the user network: echo for our own addresses (others: echo-relay.ts), and the errors we tell guests (RFC 792,
 * RFC 1122 3.2.2).
 *
 * Errors carry tos, ttl and quotation as QEMU's user network does: ttl 255, tos = the original's precedence bits with
 * 0xc0, the original's IP header and data up to QUOTE bytes, and come from the host alias unless the offender is known.
 * They are rate limited for each ingress, and never sent about ICMP errors, later fragments, packets to many hosts, or
 * sources that are no single host.
 */
import { Frame } from '../net/frame.ts';
import type { Clock } from '../net/host.ts';
import {
  emitIcmp,
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_FRAGMENTATION_NEEDED,
  ICMP_HEADER_LENGTH,
  ICMP_HOST_UNREACHABLE,
  ICMP_NET_UNREACHABLE,
  ICMP_PORT_UNREACHABLE,
  ICMP_PROHIBITED,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  IPV4_OFFSET_MASK,
  icmpCheck,
  icmpIsError,
  icmpRest,
  icmpType,
  ipv4FlagsAndOffset,
  PROTOCOL_ICMP,
} from '../wire/index.ts';
import { ipv4Address, ipv4Of, isThisHost } from './address.ts';
import type { StackConfig } from './config.ts';
import { sameAddress } from './flow-table.ts';
import { IngressBuckets } from './ingress-buckets.ts';
import type { IpAddress, IpPacket, UnreachableReason } from './ip-layer.ts';
import { IPV4_HEADROOM, type Ipv4Output } from './ipv4-output.ts';
import { Ipv4Path } from './ipv4-path.ts';

/** Most bytes of the original packet in an error. */
export const QUOTE = 548;
export const ICMP_TTL = 255;
export const ERRORS_PER_SECOND = 1000;
export const ERROR_BURST = 100;

export interface IcmpHooks {
  drop(reason: string): void;
  /** An echo request to an outside address. false = none can go out from this host. */
  relayEcho(packet: IpPacket): boolean;
  /** An ICMP error of a guest, about what it was sent. false = it concerns nobody. */
  guestRefused(packet: IpPacket): boolean;
}

export class Icmp {
  readonly #config: StackConfig;
  readonly #output: Ipv4Output;
  readonly #clock: Clock;
  readonly #hooks: IcmpHooks;
  readonly #budget = new IngressBuckets(ERRORS_PER_SECOND, ERROR_BURST);
  readonly #hostAlias: IpAddress;
  readonly #bytes = new Uint8Array(IPV4_HEADROOM + 65_536);
  readonly #frame = new Frame();
  #path: Ipv4Path | undefined;
  /** Errors of the network behind us that were for a guest. */
  relayed = 0;
  readonly #pathGuest = new Uint32Array(4);
  readonly #pathRemote = new Uint32Array(4);

  constructor(config: StackConfig, output: Ipv4Output, clock: Clock, hooks: IcmpHooks) {
    this.#config = config;
    this.#output = output;
    this.#clock = clock;
    this.#hooks = hooks;
    this.#hostAlias = ipv4Address(config.host);
  }

  input(packet: IpPacket): void {
    const { bytes, transportOffset: at } = packet;
    const drop = icmpCheck(bytes, at, at + packet.transportLength, packet.checksumTrusted);
    if (drop !== undefined) {
      this.#hooks.drop(drop);
      return;
    }
    if (icmpType(bytes, at) !== ICMP_ECHO_REQUEST) {
      if (!this.#hooks.guestRefused(packet)) this.#hooks.drop('icmp-type');
      return;
    }
    const destination = ipv4Of(packet.destination);
    if (destination === this.#config.host || destination === this.#config.dns) this.#echo(packet);
    else this.#echoElsewhere(packet, destination);
  }

  sendUnreachable(packet: IpPacket, reason: UnreachableReason, mtu = 0): void {
    const code = UNREACHABLE_CODES[reason];
    // Only a port is refused by the destination itself.
    const source = reason === 'port' ? this.#offender(packet.destination) : this.#hostAlias;
    this.#sendError(packet, ICMP_UNREACHABLE, code, reason === 'fragmentation-needed' ? mtu & 0xffff : 0, source);
  }

  sendTimeExceeded(packet: IpPacket): void {
    this.#sendError(packet, ICMP_TIME_EXCEEDED, 0, 0, this.#hostAlias);
  }

  /** An error of the network behind us; see IpLayer. */
  relay(packet: IpPacket, type: number, code: number, mtu: number, offender: IpAddress | undefined): void {
    this.relayed++;
    this.#sendError(
      packet,
      type,
      code,
      mtu & 0xffff,
      offender === undefined ? this.#hostAlias : this.#offender(offender),
    );
  }

  ingressGone(ingress: number): void {
    this.#budget.ingressGone(ingress);
  }

  #echo(packet: IpPacket): void {
    const length = packet.transportLength;
    const from = packet.transportOffset;
    const out = this.#bytes;
    out.set(packet.bytes.subarray(from + ICMP_HEADER_LENGTH, from + length), IPV4_HEADROOM + ICMP_HEADER_LENGTH);
    const rest = icmpRest(packet.bytes, from);
    emitIcmp(out, IPV4_HEADROOM, ICMP_ECHO_REPLY, 0, rest, length - ICMP_HEADER_LENGTH);
    this.#send(packet.source, packet.destination, length, packet.tos);
  }

  /** Where nothing can be asked out there, the guest is told, not left waiting. */
  #echoElsewhere(packet: IpPacket, destination: number): void {
    if (this.#config.restrict) {
      this.#hooks.drop('restricted');
      return;
    }
    const routable = !this.#output.isBroadcast(destination) && destination >>> 28 < 0xe && !isThisHost(destination);
    const onNetwork = (destination & this.#config.mask) >>> 0 === this.#config.network;
    const outside = routable && !onNetwork;
    if (outside && this.#hooks.relayEcho(packet)) return;
    this.#hooks.drop('icmp-echo-elsewhere');
    this.sendUnreachable(packet, outside ? 'prohibited' : 'network');
  }

  #offender(address: IpAddress): IpAddress {
    const v4 = ipv4Of(address);
    return v4 >>> 24 === 127 || this.#output.isBroadcast(v4) ? this.#hostAlias : address;
  }

  #sendError(packet: IpPacket, type: number, code: number, rest: number, source: IpAddress): void {
    const { bytes, ipOffset } = packet;
    if (!this.#mayComplain(packet)) {
      this.#hooks.drop('icmp-error-suppressed');
      return;
    }
    if (!this.#budget.take(packet.ingress, this.#clock.now())) {
      this.#hooks.drop('icmp-error-rate');
      return;
    }
    const total = packet.transportOffset - ipOffset + packet.transportLength;
    const quoted = Math.min(QUOTE, total, bytes.length - ipOffset);
    const out = this.#bytes;
    out.set(bytes.subarray(ipOffset, ipOffset + quoted), IPV4_HEADROOM + ICMP_HEADER_LENGTH);
    emitIcmp(out, IPV4_HEADROOM, type, code, rest, quoted);
    this.#send(packet.source, source, ICMP_HEADER_LENGTH + quoted, (packet.tos & 0x1e) | 0xc0);
  }

  #mayComplain(packet: IpPacket): boolean {
    const { bytes, ipOffset } = packet;
    if (packet.toGroup || !this.#isOneHost(ipv4Of(packet.destination))) return false;
    if (!this.#isOneHost(ipv4Of(packet.source))) return false;
    if ((ipv4FlagsAndOffset(bytes, ipOffset) & IPV4_OFFSET_MASK) !== 0) return false;
    if (packet.protocol !== PROTOCOL_ICMP) return true;
    return packet.transportLength > 0 && !icmpIsError(icmpType(bytes, packet.transportOffset));
  }

  /** Not a network's zero, everybody, a group, or class E; a guest that writes to 127.0.0.1 means one host. */
  #isOneHost(address: number): boolean {
    return address >>> 24 !== 0 && address >>> 28 < 0xe && !this.#output.isBroadcast(address);
  }

  #send(guest: IpAddress, remote: IpAddress, length: number, tos: number): void {
    const path = this.#pathTo(guest, remote);
    path.writeHeaders(this.#bytes, IPV4_HEADROOM, length, PROTOCOL_ICMP, tos, ICMP_TTL);
    path.send(this.#frame.setPlain(this.#bytes, 0, IPV4_HEADROOM + length));
  }

  /** A ping comes from the same pair again and again: the last path is kept. */
  #pathTo(guest: IpAddress, remote: IpAddress): Ipv4Path {
    let path = this.#path;
    if (path === undefined || !sameAddress(this.#pathGuest, guest) || !sameAddress(this.#pathRemote, remote)) {
      this.#pathGuest.set(guest);
      this.#pathRemote.set(remote);
      path = new Ipv4Path(this.#output, Uint32Array.from(guest), remote);
      this.#path = path;
    }
    return path;
  }
}

const UNREACHABLE_CODES: Record<UnreachableReason, number> = {
  network: ICMP_NET_UNREACHABLE,
  host: ICMP_HOST_UNREACHABLE,
  port: ICMP_PORT_UNREACHABLE,
  prohibited: ICMP_PROHIBITED,
  'fragmentation-needed': ICMP_FRAGMENTATION_NEEDED,
};
