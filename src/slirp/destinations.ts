/**
 * Where what a guest sends leads on the host side, and how the host side's addresses look to a guest: the host alias is
 * the host's loopback, the name server's address a real name server, the others are themselves.
 */
import type { InetAddress, Resolver } from '../net/host.ts';
import { DNS_PORT } from '../wire/index.ts';
import {
  IPV4_BROADCAST,
  ipv4Address,
  ipv4Of,
  isIpv4,
  isIpv4Multicast,
  isLoopbackOrAny,
  isThisHost,
  parseAddress,
  toInetAddress,
} from './address.ts';
import { inNetwork, type StackConfig } from './config.ts';
import type { Denial, EgressPolicy } from './egress-policy.ts';
import type { IpAddress, UnreachableReason } from './ip-layer.ts';

const LOOPBACK = '127.0.0.1';

export class Destinations {
  readonly #config: StackConfig;
  readonly #resolver: Resolver;
  readonly #isBroadcast: (address: number) => boolean;
  readonly #policy: EgressPolicy;
  readonly #drop: (reason: string) => void;
  readonly #hostAlias: IpAddress;

  /** @param isBroadcast whether an IPv4 address means all guests. */
  constructor(
    config: StackConfig,
    resolver: Resolver,
    policy: EgressPolicy,
    { isBroadcast, drop }: { isBroadcast: (address: number) => boolean; drop: (reason: string) => void },
  ) {
    this.#config = config;
    this.#resolver = resolver;
    this.#policy = policy;
    this.#isBroadcast = isBroadcast;
    this.#drop = drop;
    this.#hostAlias = ipv4Address(config.host);
  }

  /** See IpLayer. What the policy denies is counted. */
  route(destination: IpAddress, protocol: 'tcp' | 'udp', port: number): InetAddress | undefined {
    const to = this.#find(destination, protocol, port);
    const denial = to === undefined ? undefined : this.#denial(to, destination, protocol);
    if (denial === undefined) return to;
    this.#drop(denial);
    return undefined;
  }

  /** What a guest is told where route() leads nowhere; see IpLayer. */
  refusal(destination: IpAddress, protocol: 'tcp' | 'udp', port: number): UnreachableReason | undefined {
    if (this.#config.restrict) return undefined;
    // What the policy denies looks like a closed port.
    if (this.#find(destination, protocol, port) === undefined) return 'network';
    return protocol === 'tcp' ? undefined : 'port';
  }

  /** Whether echo requests may go there. */
  mayPing(destination: IpAddress): boolean {
    const denial = this.#policy.denial(toInetAddress(destination, 0), 'icmp');
    if (denial !== undefined) this.#drop(denial);
    return denial === undefined;
  }

  /** See UdpLayer. */
  replySource(destination: IpAddress): IpAddress {
    return this.#isBroadcast(ipv4Of(destination)) ? this.#hostAlias : destination;
  }

  /** See IpLayer. */
  guestView(address: InetAddress): IpAddress {
    const parsed = parseAddress(address.host);
    if (parsed === undefined || !isIpv4(parsed) || isLoopbackOrAny(parsed)) return this.#hostAlias;
    // The guest would look for it on its own wire, or take it for another guest.
    return inNetwork(this.#config, ipv4Of(parsed)) ? this.#hostAlias : parsed;
  }

  #find(destination: IpAddress, protocol: 'tcp' | 'udp', port: number): InetAddress | undefined {
    const { restrict, host, dns } = this.#config;
    if (restrict || !isIpv4(destination)) return undefined;
    const address = ipv4Of(destination);
    if (address === host) return { family: 'ipv4', host: LOOPBACK, port };
    if (address === dns) return port === DNS_PORT ? this.#nameServer(protocol) : undefined;
    if (address === IPV4_BROADCAST && protocol === 'udp') return { family: 'ipv4', host: LOOPBACK, port };
    if (this.#isBroadcast(address) || isIpv4Multicast(address) || isThisHost(address)) return undefined;
    return toInetAddress(destination, port);
  }

  #denial(to: InetAddress, destination: IpAddress, protocol: 'tcp' | 'udp'): Denial | undefined {
    if (ipv4Of(destination) !== this.#config.dns) return this.#policy.denial(to, protocol);
    // The host's resolver is asked also where guests may not go, but a monitor is none.
    return protocol === 'tcp' && this.#policy.isMonitor(to) ? 'denied-monitor' : undefined;
  }

  #nameServer(protocol: 'tcp' | 'udp'): InetAddress | undefined {
    for (const server of this.#resolver.servers()) {
      // A guest endpoint's UDP socket is of its own family.
      if (protocol === 'tcp' || server.family === 'ipv4') return server;
    }
    return undefined;
  }
}
