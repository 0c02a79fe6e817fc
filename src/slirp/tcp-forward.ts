/**
 * TCP forwards (hostfwd): a listener on the host, each accepted connection a dial to the guest from the client's address
 * as the guest sees it. Back-pressure is end to end: nothing is read from the client before the guest has answered, and
 * a guest that refuses, or does not answer, resets the client. A client that resets takes its dial back.
 */
import type { Forward } from '../net/client.ts';
import { HostError, isInet, type Listener, type StreamSocket } from '../net/host.ts';
import { STRANGERS } from '../net/index.ts';
import { addressText, ipv4Address } from './address.ts';
import type { IpAddress } from './ip-layer.ts';
import type { TcpCore } from './tcp-core.ts';
import { dialGuest } from './tcp-open.ts';

const BACKLOG = 511;
/** Where ports are looked for when the client's own is taken, or it has none. */
const FIRST_EPHEMERAL = 49_152;
const EPHEMERAL_PORTS = 65_536 - FIRST_EPHEMERAL;
const PORT_TRIES = 64;
const LOOPBACK = ipv4Address(0x7f000001);

export interface ForwardRule {
  /** Numeric; '' = any IPv4 address. */
  readonly hostAddress: string;
  /** 0 = any free one. */
  readonly hostPort: number;
  readonly guestAddress: IpAddress;
  readonly guestPort: number;
}

interface Entry {
  readonly forward: Forward;
  readonly listener: Listener;
}

export class TcpForwards {
  readonly #core: TcpCore;
  readonly #entries: Entry[] = [];
  #nextPort = 0;
  #added = 0;

  constructor(core: TcpCore) {
    this.#core = core;
  }

  list(): Forward[] {
    return this.#entries.map((entry) => entry.forward);
  }

  /** @throws HostError when the address cannot be bound. */
  async add(rule: ForwardRule): Promise<Forward> {
    const host = rule.hostAddress === '' ? '0.0.0.0' : rule.hostAddress;
    const family = host.includes(':') ? 'ipv6' : 'ipv4';
    const listener = await this.#core.ip.host.sockets.listen(
      { family, host, port: rule.hostPort },
      { backlog: BACKLOG, share: STRANGERS },
    );
    if (this.#core.closed) {
      await listener.close();
      throw new HostError('ECANCELED', 'Operation canceled');
    }
    const bound = listener.address;
    const forward: Forward = {
      protocol: 'tcp',
      hostAddress: host,
      hostPort: bound.family === 'unix' ? rule.hostPort : bound.port,
      guestAddress: addressText(rule.guestAddress),
      guestPort: rule.guestPort,
    };
    const guest = rule.guestAddress.slice();
    // From 1 on, as owners of shares are.
    const number = ++this.#added;
    listener.onConnection = (socket) => this.#accept(socket, number, guest, rule.guestPort);
    this.#entries.push({ forward, listener });
    return forward;
  }

  /** Stops listening; connections made so far go on. False if there is no such forward. */
  async remove(hostAddress: string, hostPort: number): Promise<boolean> {
    const host = hostAddress === '' ? '0.0.0.0' : hostAddress;
    const index = this.#entries.findIndex(
      ({ forward }) => forward.hostAddress === host && forward.hostPort === hostPort,
    );
    const entry = this.#entries[index];
    if (entry === undefined) return false;
    this.#entries.splice(index, 1);
    await entry.listener.close();
    return true;
  }

  async close(): Promise<void> {
    const entries = this.#entries.splice(0);
    await Promise.all(entries.map(({ listener }) => listener.close()));
  }

  #accept(socket: StreamSocket, forward: number, guest: IpAddress, guestPort: number): void {
    const core = this.#core;
    const from = socket.remoteAddress;
    const unnamed = from === undefined || !isInet(from);
    const remote = unnamed
      ? core.ip.guestView({ family: 'ipv4', host: addressText(LOOPBACK), port: 0 })
      : core.ip.guestView(from);
    const port = this.#freePort(guest, guestPort, remote, unnamed ? 0 : from.port);
    if (core.closed || port === 0 || !dialGuest(core, socket, forward, guest, guestPort, remote, port)) socket.reset();
  }

  /** The client's own port unless that 4-tuple is in use, which two clients behind one view can make it. */
  #freePort(guest: IpAddress, guestPort: number, remote: IpAddress, wanted: number): number {
    const { table } = this.#core;
    if (wanted !== 0 && table.find(guest, guestPort, remote, wanted) === undefined) return wanted;
    for (let i = 0; i < PORT_TRIES; i++) {
      const port = FIRST_EPHEMERAL + this.#nextPort;
      this.#nextPort = (this.#nextPort + 1) % EPHEMERAL_PORTS;
      if (table.find(guest, guestPort, remote, port) === undefined) return port;
    }
    return 0;
  }
}
