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
  parseAddress,
  toInetAddress,
} from './address.ts';
import { inNetwork, type StackConfig } from './config.ts';
import type { IpAddress, UnreachableReason } from './ip-layer.ts';

const LOOPBACK = '127.0.0.1';

export class Destinations {
  readonly #config: StackConfig;
  readonly #resolver: Resolver;
  readonly #isBroadcast: (address: number) => boolean;
  readonly #hostAlias: IpAddress;

  /** @param isBroadcast whether an IPv4 address means all guests. */
  constructor(config: StackConfig, resolver: Resolver, isBroadcast: (address: number) => boolean) {
    this.#config = config;
    this.#resolver = resolver;
    this.#isBroadcast = isBroadcast;
    this.#hostAlias = ipv4Address(config.host);
  }

  /** See IpLayer. */
  route(destination: IpAddress, protocol: 'tcp' | 'udp', port: number): InetAddress | undefined {
    const { restrict, host, dns } = this.#config;
    if (restrict || !isIpv4(destination)) return undefined;
    const address = ipv4Of(destination);
    if (address === host) return { family: 'ipv4', host: LOOPBACK, port };
    if (address === dns) return port === DNS_PORT ? this.#nameServer(protocol) : undefined;
    if (address === IPV4_BROADCAST && protocol === 'udp') return { family: 'ipv4', host: LOOPBACK, port };
    if (this.#isBroadcast(address) || isIpv4Multicast(address)) return undefined;
    return toInetAddress(destination, port);
  }

  /** What a guest is told where route() leads nowhere; see IpLayer. */
  refusal(): UnreachableReason | undefined {
    return this.#config.restrict ? undefined : 'network';
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

  #nameServer(protocol: 'tcp' | 'udp'): InetAddress | undefined {
    for (const server of this.#resolver.servers()) {
      // A guest endpoint's UDP socket is of its own family.
      if (protocol === 'tcp' || server.family === 'ipv4') return server;
    }
    return undefined;
  }
}
