/** Names and name servers of the machine: getaddrinfo through node:dns, and /etc/resolv.conf. */
import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Family, InetAddress, ResolvedAddress, Resolver } from '../net/index.ts';
import { hostError, toHostError } from './errno.ts';

const RESOLV_CONF = '/etc/resolv.conf';
/** The file is looked at again at most this often. */
const CHECK_MS = 1000;
const DNS_PORT = 53;
/** Where no server is named, or the file is missing, it is the one on this machine (resolv.conf(5)). */
const LOCAL: readonly InetAddress[] = [{ family: 'ipv4', host: '127.0.0.1', port: DNS_PORT }];
/** resolv.conf lists three; a few more do no harm, endless ones would. */
const MAX_SERVERS = 8;
const MAX_FILE_BYTES = 64 * 1024;

export class NodeResolver implements Resolver {
  readonly #path: string;
  #servers: readonly InetAddress[] = [];
  #checkedAt = Number.NEGATIVE_INFINITY;
  #stamp = '';

  constructor(path = RESOLV_CONF) {
    this.#path = path;
  }

  servers(): readonly InetAddress[] {
    const now = performance.now();
    if (now - this.#checkedAt >= CHECK_MS) {
      this.#checkedAt = now;
      this.#refresh();
    }
    return this.#servers;
  }

  async lookup(name: string, options: { family?: Family; signal?: AbortSignal }): Promise<readonly ResolvedAddress[]> {
    const { family, signal } = options;
    if (signal?.aborted) throw hostError('ECANCELED', signal.reason);
    const { lookup } = await import('node:dns');
    return new Promise((resolve, reject) => {
      const aborted = (): void => reject(hostError('ECANCELED', signal?.reason));
      if (signal?.aborted) {
        aborted();
        return;
      }
      signal?.addEventListener('abort', aborted, { once: true });
      const wanted = family === undefined ? 0 : family === 'ipv6' ? 6 : 4;
      try {
        lookup(name, { all: true, verbatim: true, family: wanted }, (error, found) => {
          signal?.removeEventListener('abort', aborted);
          if (error !== null) reject(toHostError(error));
          else resolve(found.map((a) => ({ family: a.family === 6 ? 'ipv6' : 'ipv4', host: a.address })));
        });
      } catch (error) {
        signal?.removeEventListener('abort', aborted);
        reject(hostError('ENOTFOUND', error));
      }
    });
  }

  #refresh(): void {
    try {
      const file = statSync(this.#path);
      const { mtimeMs, ino, size } = file;
      const stamp = `${mtimeMs} ${ino} ${size}`;
      if (stamp === this.#stamp) return;
      // Reading a pipe would wait for a writer, and the whole yard with it.
      if (!file.isFile()) throw hostError('EINVAL');
      const found = parseResolvConf(readFileSync(this.#path, 'utf8').slice(0, MAX_FILE_BYTES));
      this.#servers = found.length === 0 ? LOCAL : found;
      this.#stamp = stamp;
    } catch {
      this.#servers = LOCAL;
      this.#stamp = '';
    }
  }
}

/** The `nameserver` lines, in order (resolv.conf(5)). */
export function parseResolvConf(text: string): InetAddress[] {
  const servers: InetAddress[] = [];
  for (const line of text.split('\n')) {
    const host = /^\s*nameserver[ \t]+(\S+)/.exec(line)?.[1];
    if (host === undefined || servers.length >= MAX_SERVERS) continue;
    const version = isIP(host);
    if (version !== 0) servers.push({ family: version === 6 ? 'ipv6' : 'ipv4', host, port: DNS_PORT });
  }
  return servers;
}
