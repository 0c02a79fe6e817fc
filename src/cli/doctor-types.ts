/** What each type of netdev needs of a host, and what to do about what is missing. */
import type { Netdev } from '../schema/net.ts';
import type { HostFacts } from './doctor-probes.ts';

/** partly: it works, but not with everything. unavailable: this version does not have it. */
export type Verdict = 'yes' | 'partly' | 'no' | 'unavailable';

export interface Finding {
  readonly type: string;
  readonly verdict: Verdict;
  /** What is missing, and what to do: a line each. */
  readonly notes: readonly string[];
}

interface Need {
  /** 'no': nothing works without it. 'partly': some options do not. 'note': worth knowing. */
  readonly costs: 'no' | 'partly' | 'note';
  readonly text: string;
}

type Check = (facts: HostFacts) => (Need | undefined)[];

const PING = "sysctl -w net.ipv4.ping_group_range='0 2147483647'";

const addon =
  (costs: Need['costs'], what: string) =>
  (facts: HostFacts): Need | undefined =>
    'reason' in facts.native ? { costs, text: `${what} the native layer: netyard doctor --build` } : undefined;

const sockets: Check = (facts) => [
  addon('partly', 'fd=, unix datagrams and abstract names of unix sockets need')(facts),
];

const tun = ({ tun: code }: HostFacts): Need | undefined => {
  if (code === undefined) return undefined;
  const todo =
    code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO'
      ? 'modprobe tun (in a container: give it the device)'
      : 'its mode, or the container around, keeps us out';
  return { costs: 'no', text: `/dev/net/tun cannot be opened (${code}): ${todo}` };
};

type NetdevType = Exclude<Netdev['type'], 'none'>;

const CHECKS: Record<NetdevType, Check | string> = {
  user: (facts) => [
    addon('partly', 'ICMP echo and errors, and full speed, need')(facts),
    facts.ping === undefined || 'reason' in facts.native
      ? undefined
      : { costs: 'partly', text: `pings of guests beyond this host get no answer (${facts.ping}): ${PING}` },
    facts.has('CAP_NET_BIND_SERVICE') || facts.firstFreePort <= 1
      ? undefined
      : {
          costs: 'note',
          text: `hostfwd from ports below ${facts.firstFreePort} needs CAP_NET_BIND_SERVICE, or sysctl -w net.ipv4.ip_unprivileged_port_start=N`,
        },
  ],
  stream: sockets,
  dgram: sockets,
  socket: sockets,
  listener: sockets,
  hubport: () => [],
  tap: (facts) => [
    addon('no', 'needs')(facts),
    tun(facts),
    facts.has('CAP_NET_ADMIN')
      ? undefined
      : {
          costs: 'partly',
          text: 'making an interface needs CAP_NET_ADMIN: only fd=, helper= and persistent taps of this user (ip tuntap add NAME mode tap user NAME) work; `netyard netns` needs none of it',
        },
  ],
  bridge: (facts) => [
    addon('no', 'needs')(facts),
    tun(facts),
    facts.has('CAP_NET_ADMIN') || facts.bridgeHelper?.isPrivileged === true
      ? undefined
      : {
          costs: 'no',
          text:
            facts.bridgeHelper === undefined
              ? 'needs CAP_NET_ADMIN, or qemu-bridge-helper: apt-get install qemu-system-common'
              : `needs CAP_NET_ADMIN, or the right for the helper: chmod u+s ${facts.bridgeHelper.path}`,
        },
    facts.bridgeList || facts.bridgeHelper === undefined
      ? undefined
      : {
          costs: 'note',
          text: "the helper allows no bridge: echo 'allow br0' >> /etc/qemu/bridge.conf",
        },
  ],
  l2tpv3: (facts) => [
    addon('no', 'needs')(facts),
    facts.has('CAP_NET_RAW') ? undefined : { costs: 'partly', text: 'without udp=on it needs CAP_NET_RAW' },
  ],
  vde: (facts) => [
    addon('no', 'needs')(facts),
    facts.vdeSwitch === undefined
      ? { costs: 'note', text: 'no switch at the usual places: start one (vde_switch -s PATH) and give sock=PATH' }
      : undefined,
  ],
  nic: 'a NIC is part of a guest, which this program does not run',
  netmap: 'not in this version',
  'af-xdp': 'not in this version',
  'vhost-user': 'not in this version',
  'vhost-vdpa': 'not in this version',
  passt: 'not in this version: `user` does the same',
  'vmnet-host': 'for macOS, and not in this version',
  'vmnet-shared': 'for macOS, and not in this version',
  'vmnet-bridged': 'for macOS, and not in this version',
};

/** `netyard netns` is no netdev, but the way to one without root. */
const netns: Check = (facts) => [
  addon('no', 'needs')(facts),
  tun(facts),
  facts.namespaces === undefined
    ? undefined
    : { costs: 'partly', text: `no namespaces of its own, only those of others: ${facts.namespaces}` },
];

export const TYPES: readonly string[] = [...Object.keys(CHECKS), 'netns'];

/** Why this version does not have a type, if it does not. */
export function whyUnavailable(type: string): string | undefined {
  const check = Object.hasOwn(CHECKS, type) ? CHECKS[type as NetdevType] : undefined;
  return typeof check === 'string' ? check : undefined;
}

/** @param type one of TYPES */
export function examine(type: string, facts: HostFacts): Finding {
  const check = type === 'netns' ? netns : CHECKS[type as NetdevType];
  if (typeof check === 'string') return { type, verdict: 'unavailable', notes: [check] };
  const needs = check(facts).filter((need) => need !== undefined);
  const costs = (what: Need['costs']): boolean => needs.some((need) => need.costs === what);
  return {
    type,
    verdict: costs('no') ? 'no' : costs('partly') ? 'partly' : 'yes',
    notes: needs.map(({ text }) => text),
  };
}
