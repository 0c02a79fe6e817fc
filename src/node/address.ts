/** Addresses on Node: interned objects, the rules for unix names, and which abstract names this Node can bind. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { HostError, type InetAddress, type UnixAddress } from '../net/index.ts';

/** sockaddr_un.sun_path, bytes. */
const SUN_PATH_BYTES = 108;
/** A pathname keeps room for its NUL. */
const MAX_PATH_BYTES = SUN_PATH_BYTES - 1;
/** Peers remembered at once; beyond it the table starts anew (objects handed out stay valid). */
const MAX_INTERNED = 8192;

/** One object per (host, port): datagram sockets see the same few peers again and again. */
export class AddressTable {
  readonly #ipv4 = new Map<string, Map<number, InetAddress>>();
  readonly #ipv6 = new Map<string, Map<number, InetAddress>>();
  #count = 0;

  inet(host: string, port: number, ipv6: boolean): InetAddress {
    const hosts = ipv6 ? this.#ipv6 : this.#ipv4;
    let ports = hosts.get(host);
    const known = ports?.get(port);
    if (known !== undefined) return known;
    if (this.#count >= MAX_INTERNED) {
      this.#ipv4.clear();
      this.#ipv6.clear();
      this.#count = 0;
      ports = undefined;
    }
    if (ports === undefined) {
      ports = new Map();
      hosts.set(host, ports);
    }
    const address: InetAddress = { family: ipv6 ? 'ipv6' : 'ipv4', host, port };
    ports.set(port, address);
    this.#count++;
    return address;
  }
}

/** @returns why this unix name cannot be used here, or undefined. */
export function unixNameError(address: UnixAddress): HostError | undefined {
  const { path } = address;
  const bytes = Buffer.byteLength(path);
  if (path.startsWith('\0')) {
    if (process.platform !== 'linux') return new HostError('ENOTSUP', 'abstract unix sockets exist on Linux only');
    if (bytes > SUN_PATH_BYTES) return tooLong(path.slice(1));
    if (bytes === SUN_PATH_BYTES || bindsExactAbstractNames()) return undefined;
    return new HostError(
      'ENOTSUP',
      `abstract unix sockets with tight=on need a newer Node.js (${process.version} pads the name); use tight=off`,
    );
  }
  if (bytes === 0) return new HostError('EINVAL', 'UNIX socket path is empty');
  if (bytes > MAX_PATH_BYTES) return tooLong(path);
  if (path.includes('\0')) return new HostError('EINVAL', 'UNIX socket path contains a NUL byte');
  return undefined;
}

function tooLong(path: string): HostError {
  return new HostError('ENAMETOOLONG', `UNIX socket path '${path}' is too long`);
}

let exactAbstractNames: boolean | undefined;

/**
 * Whether abstract names are bound with their own length. Older Node pads them with NULs to 108 bytes, which is another
 * name. Found out once, when first needed, by binding one and reading the kernel's table.
 */
function bindsExactAbstractNames(): boolean {
  if (exactAbstractNames !== undefined) return exactAbstractNames;
  const name = `netyard-probe-${process.pid}-${Math.trunc(performance.now() * 1e6).toString(36)}`;
  const server = createServer();
  server.on('error', () => {});
  try {
    server.listen(`\0${name}`);
    exactAbstractNames = readFileSync('/proc/net/unix', 'latin1')
      .split('\n')
      .some((line) => line.endsWith(`@${name}`));
  } catch {
    exactAbstractNames = false;
  }
  server.close();
  return exactAbstractNames;
}
