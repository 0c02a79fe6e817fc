/** Which addresses are this machine's own. Multicast echoes have us ask for every datagram: see kept-answers. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { parseIpv4Text } from '../wire/index.ts';

const LOCAL_TABLE = '/proc/net/fib_trie';

/** As of now. */
export function isOwn(host: string): boolean {
  const address = parseIpv4Text(host);
  if (address !== undefined && address >>> 24 === 127) return true;
  for (const addresses of Object.values(networkInterfaces())) {
    if (addresses?.some(({ address: own }) => own === host) === true) return true;
  }
  return address !== undefined && isInLocalTable(address);
}

/**
 * Node lists no interface without carrier, and a datagram that leaves by one comes back all the same; routes of type
 * `local` make whole networks our own.
 */
function isInLocalTable(address: number): boolean {
  try {
    return isLocal(readFileSync(LOCAL_TABLE, 'latin1'), address);
  } catch {
    // Without procfs Node's list is all there is.
    return false;
  }
}

/** @param table the kernel's text: prefixes, each followed by the lengths and types it has */
export function isLocal(table: string, address: number): boolean {
  let prefix = 0;
  for (const line of table.split('\n')) {
    const leaf = /^\s*\|-- (\S+)$/.exec(line)?.[1];
    if (leaf !== undefined) {
      prefix = parseIpv4Text(leaf) ?? 0;
      continue;
    }
    const length = /^\s*\/(\d+) host LOCAL$/.exec(line)?.[1];
    if (length === undefined) continue;
    const mask = length === '0' ? 0 : (-1 << (32 - Number(length))) >>> 0;
    if ((address & mask) >>> 0 === prefix) return true;
  }
  return false;
}
