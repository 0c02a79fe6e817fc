/**
 * TCP of the user network: what the IP layer, the netdev and the queries see of it.
 *
 * @example
 * const tcp = new TcpStack(ipLayer);
 * tcp.input(packet); // an IP packet of a guest, protocol 6
 * await tcp.addForward({ hostAddress: '127.0.0.1', hostPort: 0, guestAddress: ipv4Address(0x0a00020f), guestPort: 22 });
 * await tcp.close();
 */
import type { Flow, Forward } from '../net/client.ts';
import { isInet, type Timer } from '../net/host.ts';
import { ORPHANS } from '../net/index.ts';
import { seqDiff } from '../wire/index.ts';
import { addressText } from './address.ts';
import type { IpAddress, IpLayer, IpPacket } from './ip-layer.ts';
import { TcpCore, type TcpStackOptions } from './tcp-core.ts';
import { abort } from './tcp-end.ts';
import type { TcpFlow } from './tcp-flow.ts';
import { type ForwardRule, TcpForwards } from './tcp-forward.ts';
import { input } from './tcp-input.ts';
import { MANY_UNREAD, ORPHAN_GRACE_MS } from './tcp-limits.ts';
import { acknowledge, produce } from './tcp-output.ts';
import type { TimeWaitRecord } from './tcp-time-wait.ts';

export type { TcpStackOptions } from './tcp-core.ts';
export type { ForwardRule } from './tcp-forward.ts';

export class TcpStack {
  readonly #core: TcpCore;
  readonly #forwards: TcpForwards;
  readonly #orphansTimer: Timer;

  constructor(ip: IpLayer, options: TcpStackOptions = {}) {
    this.#core = new TcpCore(ip, options);
    const core = this.#core;
    core.rounds.produce = (flow, budget) => produce(core, flow, budget);
    core.rounds.acknowledge = (flow) => acknowledge(core, flow);
    this.#forwards = new TcpForwards(core);
    this.#orphansTimer = core.ip.host.timers.create(() => this.#endOrphans());
  }

  /** An IP packet of protocol 6 from a guest. Borrowed; never throws. */
  input(packet: IpPacket): void {
    if (!this.#core.closed) input(this.#core, packet);
  }

  /** The way to `guest` is clear again after BUSY: its flows go on. */
  resumeGuest(guest: IpAddress): void {
    this.#core.unpark(guest);
  }

  /** The port is gone: what its guests hold gives way first from now on. */
  ingressGone(ingress: number): void {
    const core = this.#core;
    for (let flow = core.table.oldestOf(ingress); flow !== undefined; flow = core.table.oldestOf(ingress)) {
      core.follow(flow, ORPHANS);
    }
    this.#watchOrphans();
  }

  /**
   * Listens on the host; accepted connections dial the guest.
   * @throws HostError when the address cannot be bound.
   */
  addForward(rule: ForwardRule): Promise<Forward> {
    return this.#forwards.add(rule);
  }

  /** Resolves when the address is free again; false if there is no such forward. Connections made so far go on. */
  removeForward(hostAddress: string, hostPort: number): Promise<boolean> {
    return this.#forwards.remove(hostAddress, hostPort);
  }

  forwards(): Forward[] {
    return this.#forwards.list();
  }

  /** Most recently used first. States are RFC 9293's names. */
  flows(): Flow[] {
    const found: Flow[] = [];
    this.#core.table.forEach((flow) => {
      found.push(describe(flow));
    });
    found.reverse();
    this.#core.timeWait.forEach((record) => {
      found.push(describeEnded(record));
    });
    return found;
  }

  /** Counters and gauges; keys begin with `tcp.`. */
  statistics(): Record<string, number> {
    const { counters, pool, table, timeWait, connecting, dialing, parked } = this.#core;
    const result: Record<string, number> = {};
    for (const [name, value] of Object.entries(counters)) result[`tcp.${name}`] = value as number;
    result['tcp.flows'] = table.size;
    result['tcp.timeWait'] = timeWait.size;
    result['tcp.connecting'] = connecting.size;
    result['tcp.dialing'] = dialing.size;
    result['tcp.parkedNow'] = parked.size;
    result['tcp.poolBytes'] = pool.usedBytes;
    result['tcp.poolPeakBytes'] = pool.peakBytes;
    result['tcp.poolRefused'] = pool.refused;
    return result;
  }

  /** Resets every connection towards the host, and resolves when every listening address is free again. Idempotent. */
  async close(): Promise<void> {
    this.#core.closed = true;
    this.#core.table.forEach((flow) => {
      abort(this.#core, flow, false);
    });
    this.#core.timeWait.close();
    this.#orphansTimer.cancel();
    this.#core.lastWords.close();
    await this.#forwards.close();
  }

  #watchOrphans(): void {
    const core = this.#core;
    if (core.table.oldestOf(ORPHANS) !== undefined) this.#orphansTimer.set(core.now() + ORPHAN_GRACE_MS);
  }

  /** The kernel's memory is not held for guests that are gone. What it holds may come only later. */
  #endOrphans(): void {
    const core = this.#core;
    let flow = core.table.oldestOf(ORPHANS);
    while (flow !== undefined && core.unread.countOf(ORPHANS) > MANY_UNREAD) {
      const next: TcpFlow | undefined = flow.newer;
      if (flow.unread) {
        core.counters.evicted++;
        abort(core, flow, true);
      }
      flow = next;
    }
    this.#watchOrphans();
  }
}

function describeEnded({ guest, guestPort, remote, remotePort, forwarded }: TimeWaitRecord): Flow {
  const ends = [
    { address: addressText(guest), port: guestPort },
    { address: addressText(remote), port: remotePort },
  ] as const;
  const [source, destination] = forwarded ? [ends[1], ends[0]] : ends;
  return {
    protocol: 'tcp',
    state: 'TIME-WAIT',
    sourceAddress: source.address,
    sourcePort: source.port,
    destinationAddress: destination.address,
    destinationPort: destination.port,
    receiveQueue: 0,
    sendQueue: 0,
  };
}

function describe(flow: TcpFlow): Flow {
  const local = flow.forwarded ? flow.socket?.localAddress : undefined;
  const guest = addressText(flow.guest);
  const queues = {
    receiveQueue: flow.assembler.heldBytes,
    sendQueue: Math.max(0, seqDiff(flow.bufferEnd, flow.sndUna)),
  };
  if (flow.forwarded) {
    const inet = local !== undefined && isInet(local) ? local : undefined;
    return {
      protocol: 'tcp',
      state: flow.state,
      sourceAddress: inet?.host ?? addressText(flow.remote),
      sourcePort: inet?.port ?? flow.remotePort,
      destinationAddress: guest,
      destinationPort: flow.guestPort,
      ...queues,
    };
  }
  return {
    protocol: 'tcp',
    state: flow.state,
    sourceAddress: guest,
    sourcePort: flow.guestPort,
    destinationAddress: addressText(flow.remote),
    destinationPort: flow.remotePort,
    ...queues,
  };
}
