/** The golden vectors of the user network, and which of them are not plain equality in this release, each with why. */
import { readFileSync } from 'node:fs';

export interface Vector {
  readonly name: string;
  readonly group: string;
  readonly netdev: string;
  readonly request: readonly string[];
  readonly reply: readonly string[];
  readonly note: string;
  readonly policy: 'match' | 'improve' | 'reference';
}

const FILE = new URL('../../vectors/user-vectors.json', import.meta.url);

export const vectors = (JSON.parse(readFileSync(FILE, 'utf8')) as { vectors: Vector[] }).vectors;

/** Rows of the IPv4 groups that need something a later release brings. They fail today; the list shrinks with them. */
export const LATER: Readonly<Record<string, readonly string[]>> = {
  IPv6: [
    'udp6-host',
    'udp6-onnet-any',
    'udp6-dns',
    'udp6-dns-otherport',
    'udp6-ext',
    'udp6-closed',
    'udp6-noroute',
    'udp6-hl1',
    'udp6-allnodes',
    'tcp6-syn',
    'tcp6-refused',
    'tcp6-noroute',
    'tcp6-stray',
    'r-rs',
    'r-ns',
    'r-echo6',
    'r-tcp6',
  ],
  'guest forwards': ['arp-guestfwd', 'r-guestfwd', 'evil-tcp-optlen-big', 'evil-tcp-opt-trunc', 'evil-tcp-mss1'],
  TFTP: ['r-tftp', 'evil-tftp-noend'],
};

const TO_MANY = 'no ICMP error answers what is sent to many (RFC 1122, 3.2.2)';

/** Rows marked `match` that are answered differently on purpose; each has a test of its own. */
export const DELIBERATE: Readonly<Record<string, string>> = {
  'arp-unicast-other-dst': 'frames for other Ethernet addresses are not ours behind a switch',
  'icmp-echo-noarp': 'a neighbour that does not answer is told as host unreachable',
  'icmp-echo-bcast': TO_MANY,
  'icmp-echo-subnet-bcast': TO_MANY,
  'icmp-echo-mcast': TO_MANY,
  'udp-subnet-bcast': TO_MANY,
  'udp-mcast': TO_MANY,
  'evil-ip-opts-trunc': 'an ICMP error must not come from 127.0.0.1: it comes from the host alias',
};

export const later = (name: string): string | undefined =>
  Object.keys(LATER).find((feature) => LATER[feature]?.includes(name));
