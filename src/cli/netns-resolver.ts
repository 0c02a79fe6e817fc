/** The resolv.conf of a network namespace: that of the host, with our name server instead of its own. */
import { realpathSync } from 'node:fs';

/** What else of it holds inside too (resolv.conf(5)). */
const KEPT = /^[ \t]*(search|domain|options)[ \t]/;

/** /etc/resolv.conf without the links on the way, which a mount would not replace. */
export function resolverFile(): string | undefined {
  try {
    return realpathSync('/etc/resolv.conf');
  } catch {
    return undefined;
  }
}

/** @param ofHost the host's own file */
export function resolverText(nameServer: string, ofHost: string): string {
  const kept = ofHost.split('\n').filter((line) => KEPT.test(line));
  return [`nameserver ${nameServer}`, ...kept, ''].join('\n').replaceAll('\0', '');
}
