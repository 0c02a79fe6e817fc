/**
 * The line between the IP layer of the user network (ARP, IPv4, later IPv6, reassembly, ICMP errors) and the transport
 * protocols above it (TCP, UDP). Addresses are four 32-bit words, IPv4 as ::ffff:a.b.c.d, so that nothing above this
 * line is written twice for two families.
 */

import type { Flow, SendResult } from '../net/client.ts';
import type { Frame } from '../net/frame.ts';
import type { Host, InetAddress, StreamSocket } from '../net/host.ts';

/** Four 32-bit words in network order. */
export type IpAddress = Uint32Array;

/** An IP packet from a guest: checked, reassembled. One object, reused: valid only during the call. */
export interface IpPacket {
  family: 'ipv4' | 'ipv6';
  bytes: Uint8Array;
  ipOffset: number;
  protocol: number;
  ttl: number;
  tos: number;
  transportOffset: number;
  /** Bytes of transport header and payload. */
  transportLength: number;
  /** 48-bit number. */
  sourceMac: number;
  /** The port it came in by (Frame.ingress): whose share it uses. */
  ingress: number;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** Its Ethernet destination was a group or everybody: no ICMP error answers it. */
  toGroup: boolean;
  /** The transport checksum need not be verified (offload metadata said so). */
  checksumTrusted: boolean;
}

/** The way from one remote address, as the guest sees it, to one guest. Headers are written in place. */
export interface GuestPath {
  readonly family: 'ipv4' | 'ipv6';
  /** Bytes in front of the transport header: Ethernet and IP. Constant for a path. */
  readonly headroom: number;
  /** Largest IP packet, bytes. */
  readonly mtu: number;
  /** One's complement sum of the pseudo header's two addresses (not folded, not complemented; protocol and length not included). */
  readonly pseudoSum: number;
  /**
   * Writes Ethernet and IP headers into the `headroom` bytes in front of `transportOffset` for `transportLength` bytes
   * of transport header and payload. A GSO packet is longer than the MTU; its IP length covers all of it.
   * `ttl` 64 unless given.
   */
  writeHeaders(
    bytes: Uint8Array,
    transportOffset: number,
    transportLength: number,
    protocol: number,
    tos: number,
    ttl?: number,
  ): void;
  /**
   * Sends a frame whose headers writeHeaders made (frame.offset = transportOffset - headroom). While the guest's
   * Ethernet address is unknown the frame is copied and waits for ARP (capped).
   */
  send(frame: Frame): SendResult;
}

/** A packet of a guest that was sent earlier: its first bytes, from the IP header on, and the port it came in by. */
export interface Quote {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly ingress: number;
}

export type UnreachableReason = 'network' | 'host' | 'port' | 'prohibited' | 'fragmentation-needed';
/** Those that need no MTU. */
export type ReasonAbout = Exclude<UnreachableReason, 'fragmentation-needed'>;

/** What the IP layer offers to the transports. */
export interface IpLayer {
  readonly host: Host;
  /** @param guest kept by the path: it must stay as it is. */
  openPath(guest: IpAddress, remote: IpAddress): GuestPath;
  /** The packet's destination may be an ICMP error's reason: quotes the packet back to its sender, rate limited. */
  sendUnreachable(packet: IpPacket, reason: UnreachableReason, mtu?: number): void;
  /** An error about a packet that was sent earlier. */
  sendUnreachableAbout(quote: Quote, reason: ReasonAbout): void;
  /** The packet's hops end here. */
  sendTimeExceeded(packet: IpPacket): void;
  /**
   * An ICMP error that the host side got about a packet that was sent earlier.
   * @param mtu next hop's, of "fragmentation needed", else 0.
   * @param offender who sent it, as the guest sees it; undefined = unknown.
   */
  relayError(quote: Quote, type: number, code: number, mtu: number, offender: IpAddress | undefined): void;
  /**
   * Where the host side goes for a packet of a guest: the host alias is the host's loopback, the name server's address
   * a real one, others are themselves. undefined = not allowed (restrict) or not routable (multicast, broadcast).
   */
  route(destination: IpAddress, protocol: 'tcp' | 'udp', port: number): InetAddress | undefined;
  /**
   * Asked when route() answered undefined: the ICMP reason to tell the guest, or undefined where its transport refuses by
   * itself (TCP: RST, as QEMU does under restrict). Absent: always the latter.
   */
  refusal?(destination: IpAddress, protocol: 'tcp' | 'udp', port: number): UnreachableReason | undefined;
  /** The host side of a connection that a guest begins, to where route() said; `hopLimit` where its hops are counted. */
  connect(packet: IpPacket, to: InetAddress, hopLimit: number | undefined): StreamSocket;
  /** How a host-side address looks to the guest: loopback and the host's own forwarding source become the host alias. */
  guestView(address: InetAddress): IpAddress;
  /** What a packet of that port's guests will cost later, milliseconds (costs.ts). */
  charge(ingress: number, ms: number): void;
  /** Counts a drop, shown in the statistics. */
  drop(reason: string): void;
  /** BUSY from the port towards `guest`: the flows towards that address wait until `resume` of their protocol is called. */
  readonly busyGuests: { has(guest: IpAddress): boolean };
}

/** What the IP layer needs of TCP. */
export interface TcpTransport {
  input(packet: IpPacket): void;
  resumeGuest(guest: IpAddress): void;
  ingressGone(ingress: number): void;
  flows(): Flow[];
  statistics(): Record<string, number>;
  close(): Promise<void>;
}
