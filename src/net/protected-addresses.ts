/**
 * TCP addresses of this machine at which the yard's own monitors listen. User networks keep their guests away from them:
 * whoever reaches a monitor owns the yard.
 */
import type { GuardedAddresses } from './client.ts';
import type { InetAddress } from './host.ts';

export class ProtectedAddresses implements GuardedAddresses {
  readonly #addresses = new Set<InetAddress>();

  /** From now on. @returns what takes it back. */
  add(address: InetAddress): () => void {
    const entry = { ...address, host: plain(address.host) };
    this.#addresses.add(entry);
    return () => this.#addresses.delete(entry);
  }

  includes(to: InetAddress, isOwnAddress: (host: string) => boolean): boolean {
    const host = plain(to.host);
    for (const address of this.#addresses) {
      if (address.port !== to.port) continue;
      if (address.host === host) return true;
      if (isAny(address.host) && isOwnAddress(host)) return true;
    }
    return false;
  }
}

/** An IPv4 address that is written as one of IPv6 is that IPv4 address. */
const plain = (host: string): string => host.replace(/^::ffff:(?=\d+\.)/i, '');
const isAny = (host: string): boolean => host === '0.0.0.0' || host === '::';
