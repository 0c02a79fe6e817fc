/** Sockets of one machine of the in-memory network. Every socket opened here is remembered until it is closed. */

import {
  type Capabilities,
  type DatagramOptions,
  type DatagramSocket,
  type Family,
  type InetAddress,
  isInet,
  type Listener,
  type Sockets,
  type StreamSocket,
} from '../../../src/net/host.ts';
import { type DatagramRoute, MemoryDatagram } from './datagram.ts';
import { hostError } from './errors.ts';
import { MemoryListener } from './listener.ts';
import type { MemoryAddress } from './network.ts';
import { accepts, isLoopback, isWildcard, type MemoryHost, type MemoryNetwork, sourceAddress } from './network.ts';
import { MemoryStream } from './stream.ts';

/** Linux gives up on a SYN after about this long. */
const CONNECT_TIMEOUT_MS = 127_000;

export class MemorySockets implements Sockets, DatagramRoute {
  readonly #network: MemoryNetwork;
  readonly #host: MemoryHost;
  /** What is open and was opened here (accepted streams count). */
  readonly open = new Set<MemoryStream | MemoryListener | MemoryDatagram>();

  constructor(network: MemoryNetwork, host: MemoryHost) {
    this.#network = network;
    this.#host = host;
  }

  get can(): Capabilities {
    return {
      unixDatagram: false,
      descriptors: false,
      abstractUnix: true,
      ping: this.#host.icmp,
      tcp: true,
      udp: true,
    };
  }

  connect(
    to: MemoryAddress,
    options: { bind?: InetAddress; noDelay?: boolean; hopLimit?: number | undefined } = {},
  ): StreamSocket {
    const { loop } = this.#network;
    const stream = this.#newStream();
    stream.remoteAddress = to;
    const fault = this.#network.fault('connect', to);
    if (fault !== undefined) {
      if (fault.hop !== undefined && options.hopLimit !== undefined) stream.stopAt(fault.hop);
      if (fault.code !== 'none') loop.after(fault.afterMs ?? 0, () => stream.fail(fault.code));
      return stream;
    }
    const target = to.family === 'unix' ? this.#host : this.#network.find(this.#host, to.host);
    if (target === undefined) {
      loop.after(0, () => stream.fail('ENETUNREACH'));
      return stream;
    }
    if (to.family !== 'unix') {
      const bound = options.bind ?? { family: to.family, host: to.family === 'ipv6' ? '::' : '0.0.0.0', port: 0 };
      const source = sourceAddress(this.#host, bound, to);
      stream.localAddress = source.port === 0 ? { ...source, port: this.#port() } : source;
    } else {
      stream.localAddress = { family: 'unix', path: '' };
    }
    const latencyMs = this.#network.latency(this.#host, target);
    loop.after(latencyMs, () => {
      const listener = findListener(target, to);
      if (listener === undefined) {
        loop.after(latencyMs, () => stream.fail(this.#refusal(to)));
        return;
      }
      if (stream.isClosed) return;
      const accepted = listener.owner.#newStream(target.streamCapacity);
      accepted.localAddress = to.family === 'unix' ? to : localOf(to);
      accepted.remoteAddress = stream.localAddress;
      stream.join(accepted, latencyMs);
      if (!listener.offer(accepted)) {
        accepted.close();
        loop.after(CONNECT_TIMEOUT_MS, () => stream.fail('ETIMEDOUT'));
        return;
      }
      loop.after(latencyMs, () => stream.announce());
    });
    return stream;
  }

  async listen(
    at: MemoryAddress,
    options: { backlog?: number; v6Only?: boolean; mode?: number } = {},
  ): Promise<Listener> {
    const fault = this.#network.fault('listen', at);
    if (fault !== undefined) throw hostError(fault.code);
    const v6Only = options.v6Only ?? false;
    let address = at;
    if (at.family !== 'unix') {
      this.#checkLocal(at.host);
      address = at.port === 0 ? { ...at, port: this.#port() } : at;
    }
    for (const other of this.#host.listeners) {
      if (clash(other.address, other.v6Only, address, v6Only)) throw hostError('EADDRINUSE');
    }
    const listener = new OwnedListener(this, address, { backlog: options.backlog ?? 511, v6Only }, (gone) => {
      this.#host.listeners.delete(gone);
      this.open.delete(gone);
    });
    this.#host.listeners.add(listener);
    this.open.add(listener);
    return listener;
  }

  async ping(family: Family): Promise<DatagramSocket> {
    const local: InetAddress = { family, host: family === 'ipv6' ? '::' : '0.0.0.0', port: this.#port() };
    const fault = this.#network.fault('ping', local);
    if (fault !== undefined || !this.#host.icmp) throw hostError(fault?.code ?? 'EACCES');
    const options = { multicast: undefined, reuseAddress: false, icmp: true };
    const socket = new MemoryDatagram(this.#network.loop, this, local, options);
    this.#host.pings.add(socket);
    this.open.add(socket);
    return socket;
  }

  adopt(): never {
    throw hostError('ENOTSUP');
  }

  isOwnAddress(host: string): boolean {
    return isLoopback(host) || this.#host.owns(host);
  }

  async datagram(options: DatagramOptions): Promise<DatagramSocket> {
    if (options.family === 'unix') throw hostError('ENOTSUP');
    if (options.rawProtocol !== undefined) return this.#raw(options.rawProtocol);
    const any: InetAddress = { family: options.family, host: options.family === 'ipv6' ? '::' : '0.0.0.0', port: 0 };
    const bind = options.bind ?? any;
    if (!isInet(bind)) throw hostError('ENOTSUP');
    const fault = this.#network.fault('datagram', bind);
    if (fault !== undefined) throw hostError(fault.code);
    const group = options.multicast?.group;
    if (bind.host !== group) this.#checkLocal(bind.host);
    const address = bind.port === 0 ? { ...bind, port: this.#port() } : bind;
    const reuse = options.reuseAddress ?? false;
    for (const other of this.#host.datagrams) {
      if (clash(other.localAddress, true, address, true) && !(reuse && other.reuseAddress)) {
        throw hostError('EADDRINUSE');
      }
    }
    const socket = new MemoryDatagram(this.#network.loop, this, address, {
      multicast: options.multicast,
      reuseAddress: reuse,
      icmp: this.#host.icmp,
      localAddresses: options.localAddresses === true,
    });
    this.#host.datagrams.add(socket);
    this.open.add(socket);
    return socket;
  }

  /** As far as a machine with `icmp` has the right to send what it likes (IPPROTO_RAW). */
  #raw(protocol: number): MemoryDatagram {
    if (protocol !== 255 || !this.#host.icmp) throw hostError('EACCES');
    const local: InetAddress = { family: 'ipv4', host: '0.0.0.0', port: 0 };
    const options = { multicast: undefined, reuseAddress: false, icmp: true };
    const socket = new MemoryDatagram(this.#network.loop, this, local, options);
    this.#host.raws.add(socket);
    this.open.add(socket);
    return socket;
  }

  sendDatagram(
    socket: MemoryDatagram,
    to: InetAddress,
    bytes: Uint8Array,
    ttl: number,
    tos: number,
    local: InetAddress | undefined,
  ): void {
    if (local !== undefined && !isLoopback(local.host) && !this.#host.owns(local.host)) {
      socket.raise('EINVAL');
      return;
    }
    if (this.#host.raws.has(socket)) this.#network.sendRaw(this.#host, to, bytes);
    else if (this.#host.pings.has(socket)) this.#network.sendEcho(this.#host, socket, to, bytes, ttl);
    else this.#network.sendDatagram(this.#host, socket, to, bytes, ttl, tos, local);
  }

  sendFault(to: InetAddress): string | undefined {
    return this.#network.fault('send', to)?.code;
  }

  datagramGone(socket: MemoryDatagram): void {
    this.#host.datagrams.delete(socket);
    this.#host.pings.delete(socket);
    this.#host.raws.delete(socket);
    this.open.delete(socket);
  }

  #newStream(capacity = this.#host.streamCapacity): MemoryStream {
    const stream = new MemoryStream(this.#network.loop, capacity, (gone) => {
      this.open.delete(gone);
      this.#network.streams.delete(gone);
    });
    this.open.add(stream);
    this.#network.streams.add(stream);
    return stream;
  }

  #port(): number {
    return this.#host.nextPort++;
  }

  #checkLocal(address: string): void {
    if (!isWildcard(address) && !isLoopback(address) && !this.#host.owns(address)) throw hostError('EADDRNOTAVAIL');
  }

  #refusal(to: MemoryAddress): string {
    return to.family === 'unix' ? 'ENOENT' : 'ECONNREFUSED';
  }
}

/** A listener remembers whose it is, so that accepted streams are counted there. */
class OwnedListener extends MemoryListener {
  readonly owner: MemorySockets;

  constructor(
    owner: MemorySockets,
    address: MemoryAddress,
    options: { backlog: number; v6Only: boolean },
    onGone: (listener: MemoryListener) => void,
  ) {
    super(address, options, onGone);
    this.owner = owner;
  }
}

function findListener(host: MemoryHost, to: MemoryAddress): OwnedListener | undefined {
  for (const listener of host.listeners) {
    const { address } = listener;
    const found =
      address.family === 'unix' || to.family === 'unix'
        ? address.family === 'unix' && to.family === 'unix' && address.path === to.path
        : accepts(address, to, listener.v6Only);
    if (found && listener instanceof OwnedListener) return listener;
  }
  return undefined;
}

function localOf(to: InetAddress): InetAddress {
  if (!isWildcard(to.host)) return to;
  return { ...to, host: to.family === 'ipv6' ? '::1' : '127.0.0.1' };
}

function clash(a: MemoryAddress, aV6Only: boolean, b: MemoryAddress, bV6Only: boolean): boolean {
  if (a.family === 'unix' || b.family === 'unix') {
    return a.family === 'unix' && b.family === 'unix' && a.path === b.path;
  }
  if (a.port !== b.port) return false;
  if (a.host === b.host) return true;
  if (a.family === b.family) return isWildcard(a.host) || isWildcard(b.host);
  return (a.host === '::' && !aV6Only) || (b.host === '::' && !bV6Only);
}
