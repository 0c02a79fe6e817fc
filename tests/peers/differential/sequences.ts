/**
 * Random histories of a set of netdevs. A model of names and wires keeps out what aborts QEMU (a hub port wired to a
 * netdev that has a peer) and what netyard refuses on purpose (loops of hubs).
 */
import type { Prng } from '../../kit/prng.ts';
import type { Exchange } from './raw-qmp.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const HUBS = 3;

interface Modelled {
  peer: string | undefined;
  /** undefined = no hub port. */
  readonly hub: number | undefined;
}

export class History {
  readonly #random: Prng;
  readonly #netdevs = new Map<string, Modelled>();

  constructor(random: Prng) {
    this.#random = random;
  }

  /** One request; the model takes it as done if the programs will. */
  next(): string {
    const roll = this.#random.below(100);
    if (roll < 30) return this.#addHubport();
    if (roll < 55) return this.#addOther();
    if (roll < 80) return this.#delete();
    if (roll < 92) return request('set_link', { name: this.#name(), up: this.#random.below(2) === 1 });
    return request('query-rx-filter', this.#random.below(3) === 0 ? {} : { name: this.#name() });
  }

  /** Requests that leave nothing but hubs. */
  end(): string[] {
    return NAMES.map((id) => request('netdev_del', { id }));
  }

  #addHubport(): string {
    const id = this.#name();
    const hubid = this.#random.below(HUBS);
    const netdev = this.#random.below(2) === 0 ? undefined : this.#wireable(hubid);
    if (!this.#netdevs.has(id) && (netdev === undefined || this.#netdevs.has(netdev))) {
      this.#netdevs.set(id, { peer: netdev, hub: hubid });
      if (netdev !== undefined) this.#netdevs.get(netdev)!.peer = id;
    }
    return request('netdev_add', { type: 'hubport', id, hubid, ...(netdev === undefined ? {} : { netdev }) });
  }

  /** A netdev without a peer, or a name that does not exist. */
  #wireable(hubid: number): string {
    const netdev = this.#name();
    const found = this.#netdevs.get(netdev);
    if (found === undefined) return netdev;
    const loops = found.hub !== undefined && this.#reach(hubid).has(found.hub);
    return found.peer === undefined && !loops ? netdev : 'nobody';
  }

  /** Hubs that are connected to this one by wires between hub ports. */
  #reach(hubid: number): Set<number> {
    const reached = new Set([hubid]);
    for (let grown = true; grown; ) {
      const before = reached.size;
      for (const { hub, peer } of this.#netdevs.values()) {
        const other = peer === undefined ? undefined : this.#netdevs.get(peer)?.hub;
        if (hub !== undefined && other !== undefined && reached.has(hub)) reached.add(other);
      }
      grown = reached.size > before;
    }
    return reached;
  }

  #addOther(): string {
    const id = this.#name();
    if (!this.#netdevs.has(id)) this.#netdevs.set(id, { peer: undefined, hub: undefined });
    const options = OTHERS[this.#random.below(OTHERS.length)]!;
    return request('netdev_add', { ...options, id });
  }

  #delete(): string {
    const id = this.#name();
    const found = this.#netdevs.get(id);
    if (found?.peer !== undefined) this.#netdevs.get(found.peer)!.peer = undefined;
    this.#netdevs.delete(id);
    return request('netdev_del', { id });
  }

  #name(): string {
    return NAMES[this.#random.below(NAMES.length)]!;
  }
}

const inet = (host: string, port: number): object => ({ type: 'inet', host, port: `${port}` });

/** Netdevs whose line in `info network` holds no port that the kernel chose. */
const OTHERS: readonly object[] = [
  { type: 'user' },
  { type: 'user', net: '192.168.76.0/24', restrict: true },
  { type: 'socket', listen: '127.0.0.1:0' },
  { type: 'socket', udp: '127.0.0.1:9', localaddr: '127.0.0.1:0' },
  { type: 'dgram', local: inet('127.0.0.1', 0), remote: inet('230.0.0.1', 5555) },
];

const request = (name: string, args: object): string => JSON.stringify({ execute: name, arguments: args });

/** Steps that show known differences, for a yard without netdevs. */
export function knownSteps(folder: string): Exchange[] {
  const add = (args: object): string => request('netdev_add', args);
  const del = (id: string): string => request('netdev_del', { id });
  return [
    {
      text: add({ type: 'dgram', id: 'a', local: inet('127.0.0.1', 0), remote: inet('127.0.0.2', 9) }),
      cleanup: del('a'),
    },
    { text: add({ type: 'hubport', id: 'a', hubid: 0 }) },
    { text: add({ type: 'hubport', id: 'b', hubid: 0, netdev: 'a' }), cleanup: del('b') },
    { text: del('a') },
    // Last: QEMU 7.2 crashes when a stream is deleted while it connects.
    { text: add({ type: 'stream', id: 'a', server: true, addr: { type: 'unix', path: `${folder}/listening` } }) },
    { text: add({ type: 'stream', id: 'b', addr: { type: 'unix', path: `${folder}/nobody` } }) },
  ];
}
