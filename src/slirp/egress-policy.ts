/**
 * What a guest may not reach on the host's side although a route leads there: monitors of its own yard always, the host's
 * loopback and its other addresses where the user says so. The name server asks the host's resolver wherever that is.
 */
import type { GuardedAddresses } from '../net/client.ts';
import type { InetAddress, Log, Sockets } from '../net/host.ts';
import { isLoopbackOrAny, parseAddress } from './address.ts';

export type Denial = 'denied-monitor' | 'denied-loopback' | 'denied-host';

export interface EgressRules {
  /** Loopback, also as the host alias. */
  readonly hostLoopback: boolean;
  /** The other addresses of the host's interfaces. */
  readonly hostAddresses: boolean;
}

export class EgressPolicy {
  readonly #rules: EgressRules;
  readonly #protected: GuardedAddresses;
  readonly #isOwn: (host: string) => boolean;
  readonly #log: Log;
  #told = false;

  constructor(rules: EgressRules, addresses: GuardedAddresses, sockets: Sockets, log: Log) {
    this.#rules = rules;
    this.#protected = addresses;
    this.#isOwn = (host) => sockets.isOwnAddress(host, 0);
    this.#log = log;
  }

  /** Why a guest may not reach `to`; undefined = it may. The addresses of the host are those of this moment. */
  denial(to: InetAddress, protocol: 'tcp' | 'udp' | 'icmp'): Denial | undefined {
    if (protocol === 'tcp' && this.isMonitor(to)) return 'denied-monitor';
    const { hostLoopback, hostAddresses } = this.#rules;
    if (hostLoopback && hostAddresses) return undefined;
    const address = parseAddress(to.host);
    if (address === undefined || isLoopbackOrAny(address)) return hostLoopback ? undefined : 'denied-loopback';
    return hostAddresses || !this.#isOwn(to.host) ? undefined : 'denied-host';
  }

  /** Whether a monitor of this yard listens there on TCP. */
  isMonitor(to: InetAddress): boolean {
    if (!this.#protected.includes(to, this.#isOwn)) return false;
    if (!this.#told) {
      this.#told = true;
      this.#log.warn('a guest tried to connect to a monitor of this yard: refused, and from now on only counted', {
        address: `${to.host}:${to.port}`,
      });
    }
    return true;
  }
}
