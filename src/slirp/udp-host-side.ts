/**
 * The host side of the UDP NAT: opening, sending on and closing the sockets of guest endpoints.
 *
 * A socket opens asynchronously, and takes of the descriptors of the port that its guest came in by. Up to MAX_WAITING
 * datagrams of an endpoint wait meanwhile, MAX_WAITING_BYTES of all, of which each ingress has its share.
 *
 * It is never connected: a connected one takes datagrams of one peer only, and keeps the address and the route that the
 * host had at that time.
 */
import type { DatagramEvent, DatagramSocket, Host } from '../net/host.ts';
import { Shares } from '../net/index.ts';
import type { UdpFlow, UdpHostSocket } from './udp-flow.ts';
import { UdpSender } from './udp-sender.ts';

export const MAX_WAITING = 16;
export const MAX_WAITING_BYTES = 1024 * 1024;

export interface UdpHostSideHooks {
  drop(reason: string): void;
  event(owner: UdpHostSocket, socket: DatagramSocket, event: DatagramEvent): void;
  /** The socket could not be had: its flows are to go. */
  failed(owner: UdpHostSocket, error: unknown): void;
}

export class UdpHostSide {
  readonly #host: Host;
  readonly #hooks: UdpHostSideHooks;
  readonly #sender: UdpSender;
  readonly #pending = new Set<Promise<void>>();
  readonly #waitingBytes = new Shares(MAX_WAITING_BYTES);

  constructor(host: Host, hooks: UdpHostSideHooks) {
    this.#host = host;
    this.#hooks = hooks;
    this.#sender = new UdpSender(host.loop, (reason) => hooks.drop(reason));
  }

  open(owner: UdpHostSocket, family: 'ipv4' | 'ipv6'): void {
    this.#track(
      this.#host.sockets.datagram({ family, share: owner.ingress }).then(
        (socket) => {
          if (owner.live) this.start(owner, socket);
          else this.#track(socket.close());
        },
        (error: unknown) => this.#hooks.failed(owner, error),
      ),
    );
  }

  /** The endpoint's socket is there: what waited for it goes out. */
  start(owner: UdpHostSocket, socket: DatagramSocket): void {
    owner.socket = socket;
    socket.onEvent = (event) => {
      if (owner.socket === socket) this.#hooks.event(owner, socket, event);
    };
    socket.interest(true, false);
    for (const { flow, bytes, ttl, tos } of this.#takeWaiting(owner)) this.send(flow, bytes, 0, bytes.length, ttl, tos);
  }

  send(flow: UdpFlow, bytes: Uint8Array, offset: number, length: number, ttl: number, tos: number): void {
    const owner = flow.socket;
    const { socket } = owner;
    if (socket === undefined) {
      const { ingress } = flow;
      if (owner.waiting.length >= MAX_WAITING || !this.#waitingBytes.allows(ingress, length)) {
        this.#hooks.drop('udp-opening');
        return;
      }
      owner.waiting.push({ flow, bytes: bytes.slice(offset, offset + length), ttl, tos, ingress });
      this.#waitingBytes.take(ingress, length);
      return;
    }
    owner.last = flow;
    flow.sentAt = this.#host.clock.now();
    this.#sender.add(socket, bytes, offset, length, flow, ttl, tos);
  }

  /** Resolves when the socket's port is free. */
  async stop(owner: UdpHostSocket): Promise<void> {
    owner.live = false;
    this.#takeWaiting(owner);
    const { socket } = owner;
    if (socket === undefined) return;
    owner.socket = undefined;
    this.#sender.flushOf(socket);
    socket.onEvent = () => {};
    const closing = socket.close().catch(() => {});
    this.#track(closing);
    await closing;
  }

  /** Resolves when everything that was opened is closed and its port free. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all([...this.#pending]);
  }

  #takeWaiting(owner: UdpHostSocket): UdpHostSocket['waiting'] {
    const waiting = owner.waiting.splice(0);
    for (const { ingress, bytes } of waiting) this.#waitingBytes.give(ingress, bytes.length);
    return waiting;
  }

  #track(promise: Promise<void>): void {
    this.#pending.add(promise);
    const done = (): void => {
      this.#pending.delete(promise);
    };
    promise.then(done, done);
  }
}
