/** Where switches of vde are looked for. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { homeDirectory } from '../node/index.ts';

/** The directories that are there, of all netdevs. */
export async function vdeSwitches(netdevs: readonly object[], home = homeDirectory()): Promise<string[]> {
  const socks = netdevs.flatMap((netdev) => {
    if (!('type' in netdev) || netdev.type !== 'vde') return [];
    return ['sock' in netdev && typeof netdev.sock === 'string' ? netdev.sock : ''];
  });
  if (socks.length === 0) return [];
  // Takes a while to load, and few need it.
  const { vdeDirectories } = await import('../netdevs/index.ts');
  return socks.flatMap((sock) => vdeDirectories(sock, home).map((path) => resolve(path))).filter(existsSync);
}
