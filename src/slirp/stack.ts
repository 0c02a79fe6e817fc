/**
 * The user network's IP layer: what comes from the guests is sorted to ARP, ICMP, the services (DHCP, DNS), UDP and TCP;
 * what goes to them finds its Ethernet address. One stack serves any number of guests on one wire.
 *
 * Only frames to our own Ethernet addresses, broadcast and multicast are taken; QEMU's stack takes everything, which
 * behind a switch would answer for others.
 */
import type { Port } from '../net/client.ts';
import type { Frame } from '../net/frame.ts';
import type { Host, InetAddress, Log, StreamSocket } from '../net/host.ts';
import {
  DHCP_SERVER_PORT,
  DNS_PORT,
  ETHERNET_LENGTH,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_QINQ,
  ETHERTYPE_VLAN,
  ethernetDestination,
  ethernetSource,
  ethernetType,
  formatIpv4,
  formatMac,
  isMulticastMac,
  PROTOCOL_ICMP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  UDP_HEADER_LENGTH,
  udpDestinationPort,
  udpLength,
  udpSourcePort,
} from '../wire/index.ts';
import { IPV4_BROADCAST, ipv4Of, isIpv4Multicast } from './address.ts';
import { ArpResponder } from './arp-responder.ts';
import { BroadcastBudget } from './broadcast-budget.ts';
import { BusyGuests } from './busy-guests.ts';
import { type StackConfig, virtualMac } from './config.ts';
import { Destinations } from './destinations.ts';
import { DhcpServer } from './dhcp-server.ts';
import { DnsForwarder } from './dns-forwarder.ts';
import { DnsStreams } from './dns-stream.ts';
import { EchoRelay } from './echo-relay.ts';
import type { EgressPolicy } from './egress-policy.ts';
import { Icmp } from './icmp.ts';
import { IngressBuckets } from './ingress-buckets.ts';
import type {
  GuestPath,
  IpAddress,
  IpPacket,
  Quote,
  ReasonAbout,
  TcpTransport,
  UnreachableReason,
} from './ip-layer.ts';
import { fillPacket, Ipv4Input, newPacket } from './ipv4-input.ts';
import { Ipv4Output } from './ipv4-output.ts';
import { Ipv4Path } from './ipv4-path.ts';
import { type LeaseSlot, LeaseTable } from './lease-table.ts';
import { NeighbourTable } from './neighbours.ts';
import { Reassembler } from './reassembly.ts';
import { UdpStack } from './udp.ts';
import { type UdpLayer, udpCheckPacket } from './udp-layer.ts';

/** QEMU answers TFTP on this port of the host alias; nothing of the host's stands behind it. */
const TFTP_PORT = 69;
/** Lines in the log about addresses that the guests of one port claim: at once, then one a second. */
const CLAIM_LINES = 32;

export class UserStack<T extends TcpTransport = TcpTransport> implements UdpLayer {
  readonly host: Host;
  readonly config: StackConfig;
  readonly busyGuests = new BusyGuests();
  readonly tcp: T;
  readonly udp: UdpStack;
  readonly echo: EchoRelay;
  readonly #port: Port;
  readonly #log: Log;
  readonly #hostMac: number;
  readonly #dnsMac: number;
  readonly #broadcasts: BroadcastBudget;
  readonly #output: Ipv4Output;
  readonly #destinations: Destinations;
  readonly #neighbours: NeighbourTable;
  readonly #reassembler: Reassembler;
  readonly #input: Ipv4Input;
  readonly #arp: ArpResponder;
  readonly #icmp: Icmp;
  readonly leases: LeaseTable;
  readonly #dhcp: DhcpServer;
  readonly #dns: DnsForwarder;
  readonly #dnsStreams: DnsStreams;
  readonly #quoted = newPacket();
  readonly #drops = new Map<string, number>();
  readonly #claimLines = new IngressBuckets(1, CLAIM_LINES);
  #sawIpv6 = false;
  #closed = false;

  /** @param createTcp makes the TCP half on top of this layer. */
  constructor(
    config: StackConfig,
    port: Port,
    host: Host,
    log: Log,
    policy: EgressPolicy,
    createTcp: (layer: UdpLayer) => T,
  ) {
    this.config = config;
    this.host = host;
    this.#port = port;
    this.#log = log;
    this.#hostMac = virtualMac(config.host);
    this.#dnsMac = virtualMac(config.dns);
    const drop = (reason: string): void => this.drop(reason);
    this.#broadcasts = new BroadcastBudget(host.clock, drop);
    this.#output = new Ipv4Output(config, port, host.clock, this.busyGuests, this.#broadcasts);
    const output = this.#output;
    const isBroadcast = (address: number): boolean => output.isBroadcast(address);
    this.#destinations = new Destinations(config, host.resolver, policy, { isBroadcast, drop });
    this.leases = new LeaseTable(config);
    this.#neighbours = new NeighbourTable(host.clock, host.timers, host.random.u32(), this.leases, {
      ask: (neighbour, ingress) => output.ask(ipv4Of(neighbour.guest), ingress),
      askAt: (neighbour, mac, ingress) => output.ask(ipv4Of(neighbour.guest), ingress, mac),
      claimed: (neighbour, holder, mac, ingress) => this.#sayClaimed(ipv4Of(neighbour.guest), holder, mac, ingress),
      send: (neighbour, frame) => output.sendWaiting(neighbour, frame),
      drop,
    });
    output.attach(this.#neighbours);
    this.#reassembler = new Reassembler(host.clock, host.timers, host.random.u32(), drop);
    this.#input = new Ipv4Input(config, isBroadcast, this.#reassembler, drop);
    this.#arp = new ArpResponder(config, output, this.#neighbours, drop);
    this.echo = new EchoRelay(this);
    this.#icmp = new Icmp(config, output, host.clock, {
      drop,
      relayEcho: (packet) => this.#destinations.mayPing(packet.destination) && this.echo.input(packet),
      guestRefused: (packet) => this.udp.guestRefused(packet),
    });
    const { clock, timers } = host;
    this.#dhcp = new DhcpServer(config, this.leases, output, {
      clock,
      timers,
      log,
      neighbours: this.#neighbours,
      portName: (ingress) => port.nameOf(ingress),
      charge: (ingress, ms) => this.charge(ingress, ms),
      drop,
    });
    this.#dns = new DnsForwarder(this);
    this.#dnsStreams = new DnsStreams(host, (server) => policy.isMonitor(server), drop);
    this.udp = new UdpStack(this);
    this.tcp = createTcp(this);
    port.onReady = () => this.#resume();
  }

  /** A frame from the guests. Always taken. */
  receive(frame: Frame): void {
    const { bytes, offset, length } = frame;
    if (this.#closed) return;
    if (length < ETHERNET_LENGTH) {
      this.drop('ethernet-short');
      return;
    }
    const destination = ethernetDestination(bytes, offset);
    if (destination !== this.#hostMac && destination !== this.#dnsMac && !isMulticastMac(destination)) {
      this.drop('ethernet-other-destination');
      return;
    }
    switch (ethernetType(bytes, offset)) {
      case ETHERTYPE_IPV4:
        this.#ipv4(frame, ethernetSource(bytes, offset));
        break;
      case ETHERTYPE_ARP:
        this.#arp.input(bytes, offset, offset + length, frame.ingress);
        break;
      case ETHERTYPE_IPV6:
        this.#ipv6();
        break;
      case ETHERTYPE_VLAN:
      case ETHERTYPE_QINQ:
        this.drop('ethernet-vlan');
        break;
      default:
        this.drop('ethernet-type');
    }
  }

  openPath(guest: IpAddress, remote: IpAddress): GuestPath {
    return new Ipv4Path(this.#output, guest, remote);
  }

  sendUnreachable(packet: IpPacket, reason: UnreachableReason, mtu?: number): void {
    this.#icmp.sendUnreachable(packet, reason, mtu);
  }

  sendTimeExceeded(packet: IpPacket): void {
    this.#icmp.sendTimeExceeded(packet);
  }

  sendUnreachableAbout(quote: Quote, reason: ReasonAbout): void {
    this.#icmp.sendUnreachable(this.#packetOf(quote), reason);
  }

  relayError(quote: Quote, type: number, code: number, mtu: number, offender: IpAddress | undefined): void {
    this.#icmp.relay(this.#packetOf(quote), type, code, mtu, offender);
  }

  route(destination: IpAddress, protocol: 'tcp' | 'udp', port: number): InetAddress | undefined {
    return this.#destinations.route(destination, protocol, port);
  }

  refusal(destination: IpAddress, protocol: 'tcp' | 'udp', port: number): UnreachableReason | undefined {
    return this.#destinations.refusal(destination, protocol, port);
  }

  connect(packet: IpPacket, to: InetAddress, hopLimit: number | undefined): StreamSocket {
    const isNameServer = ipv4Of(packet.destination) === this.config.dns;
    return isNameServer
      ? this.#dnsStreams.open(packet.ingress)
      : this.host.sockets.connect(to, { noDelay: true, share: packet.ingress, hopLimit });
  }

  replySource(destination: IpAddress): IpAddress {
    return this.#destinations.replySource(destination);
  }

  guestView(address: InetAddress): IpAddress {
    return this.#destinations.guestView(address);
  }

  charge(ingress: number, ms: number): void {
    this.#port.charge(ingress, ms);
  }

  drop(reason: string): void {
    this.#drops.set(reason, (this.#drops.get(reason) ?? 0) + 1);
    this.#port.drop(reason);
  }

  /** The port is gone: what its guests hold gives way first from now on. */
  ingressGone(ingress: number): void {
    this.#broadcasts.ingressGone(ingress);
    this.#claimLines.ingressGone(ingress);
    this.#dhcp.ingressGone(ingress);
    this.leases.ingressGone(ingress);
    this.#neighbours.ingressGone(ingress);
    this.#icmp.ingressGone(ingress);
    this.#reassembler.ingressGone(ingress);
    this.echo.ingressGone(ingress);
    this.udp.ingressGone(ingress);
    this.tcp.ingressGone(ingress);
    this.#dns.ingressGone(ingress);
  }

  boundLeases(): LeaseSlot[] {
    return this.leases.bound(this.host.clock.now());
  }

  statistics(): Record<string, number> {
    const found: Record<string, number> = {
      'ip.neighbours': this.#neighbours.size,
      'ip.incompleteDatagrams': this.#reassembler.size,
      'ip.fragmentBytes': this.#reassembler.bytes,
      'ip.busyAnswers': this.#output.busyAnswers,
      'icmp.relayed': this.#icmp.relayed,
      ...this.echo.statistics(),
      ...this.udp.statistics(),
      ...this.#dns.statistics(),
      ...this.#dnsStreams.statistics(),
      ...this.tcp.statistics(),
    };
    for (const [reason, count] of this.#drops) found[`drop.${reason}`] = count;
    return found;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#port.onReady = () => {};
    await Promise.all([this.tcp.close(), this.udp.close(), this.echo.close(), this.#dns.close()]);
    this.#dhcp.close();
    this.#neighbours.close();
    this.#reassembler.close();
  }

  #packetOf(quote: Quote): IpPacket {
    fillPacket(this.#quoted, quote.bytes, 0, quote.length);
    this.#quoted.ingress = quote.ingress;
    return this.#quoted;
  }

  #ipv4(frame: Frame, sourceMac: number): void {
    const packet = this.#input.input(frame, frame.offset + ETHERNET_LENGTH, sourceMac);
    if (packet === undefined) return;
    this.#neighbours.confirm(packet.source, packet.sourceMac, packet.ingress);
    if (packet.ttl === 0) {
      this.drop('ipv4-ttl');
      this.#icmp.sendTimeExceeded(packet);
      return;
    }
    if (packet.protocol === PROTOCOL_TCP) {
      if (packet.source[3] === 0) this.drop('ipv4-martian-source');
      else if (this.#isToMany(packet)) this.drop('tcp-to-many');
      else this.tcp.input(packet);
    } else if (packet.protocol === PROTOCOL_UDP) {
      this.#udp(packet);
    } else if (packet.protocol === PROTOCOL_ICMP) {
      if (packet.source[3] === 0) this.drop('ipv4-martian-source');
      else this.#icmp.input(packet);
    } else {
      this.drop('ipv4-protocol');
    }
  }

  /** No connection is with everybody (RFC 1122, 4.2.3.10), and no segment to everybody is answered (3.2.2). */
  #isToMany(packet: IpPacket): boolean {
    const destination = ipv4Of(packet.destination);
    return packet.toGroup || this.#output.isBroadcast(destination) || isIpv4Multicast(destination);
  }

  #udp(packet: IpPacket): void {
    if (!udpCheckPacket(this, packet)) return;
    const { bytes, transportOffset: at } = packet;
    const port = udpDestinationPort(bytes, at);
    const destination = ipv4Of(packet.destination);
    const payload = at + UDP_HEADER_LENGTH;
    const end = at + Math.min(udpLength(bytes, at), packet.transportLength);
    const toHost = destination === this.config.host;
    if (port === DHCP_SERVER_PORT && (toHost || destination === IPV4_BROADCAST)) {
      this.#dhcp.input(bytes, payload, end, packet.sourceMac, packet.ingress);
    } else if (packet.source[3] === 0) {
      this.drop('ipv4-martian-source');
    } else if (port === TFTP_PORT && toHost) {
      this.sendUnreachable(packet, 'port');
    } else if (port === DNS_PORT && destination === this.config.dns && !this.config.restrict) {
      const query = this.#dns.input(packet, udpSourcePort(bytes, at), payload, Math.max(0, end - payload));
      if (!query) this.udp.input(packet);
    } else {
      this.udp.input(packet);
    }
  }

  #sayClaimed(address: number, holder: number, mac: number, ingress: number): void {
    if (!this.#claimLines.take(ingress, this.host.clock.now())) return;
    const port = this.#port.nameOf(ingress);
    this.#log.warn('a guest claims the address of another one: believed only if that one is silent', {
      ...(port === undefined ? {} : { port }),
      address: formatIpv4(address),
      holder: formatMac(holder),
      mac: formatMac(mac),
    });
  }

  #ipv6(): void {
    if (!this.#sawIpv6) {
      this.#sawIpv6 = true;
      this.#log.debug('IPv6 is not available yet: the user network answers nothing to it');
    }
    this.drop('ipv6-unavailable');
  }

  #resume(): void {
    for (const guest of this.busyGuests.take()) {
      this.udp.resumeGuest(guest);
      this.tcp.resumeGuest(guest);
    }
  }
}
