/**
 * Which addresses are this machine's own, each asked for at most once a second: multicast echoes have us ask for every
 * datagram, and addresses come and go.
 */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { nodeClock } from './clock.ts';

/** An answer holds for so long. */
const KEPT_MS = 1000;
/** Beyond it all are forgotten. */
const MAX_KEPT = 64;
const LOCAL_TABLE = '/proc/net/fib_trie';

interface Kept {
  readonly isOwn: boolean;
  readonly untilMs: number;
}

export class OwnAddresses {
  readonly #kept = new Map<string, Kept>();
  readonly #ask: (host: string) => boolean;
  readonly #now: () => number;

  constructor(ask: (host: string) => boolean = isOwn, now: () => number = nodeClock.now) {
    this.#ask = ask;
    this.#now = now;
  }

  has(host: string): boolean {
    const now = this.#now();
    const kept = this.#kept.get(host);
    if (kept !== undefined && now < kept.untilMs) return kept.isOwn;
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    const answer = { isOwn: this.#ask(host), untilMs: now + KEPT_MS };
    this.#kept.set(host, answer);
    return answer.isOwn;
  }
}

function isOwn(host: string): boolean {
  for (const addresses of Object.values(networkInterfaces())) {
    if (addresses?.some(({ address }) => address === host) === true) return true;
  }
  return isInLocalTable(host);
}

/** Node lists no interface without carrier, and a datagram that leaves by one comes back all the same. */
function isInLocalTable(host: string): boolean {
  try {
    const text = readFileSync(LOCAL_TABLE, 'latin1');
    const entry = `-- ${host}\n`;
    for (let at = text.indexOf(entry); at >= 0; at = text.indexOf(entry, at + 1)) {
      if (
        text
          .slice(at + entry.length)
          .trimStart()
          .startsWith('/32 host LOCAL')
      )
        return true;
    }
  } catch {
    // Without procfs Node's list is all there is.
  }
  return false;
}
