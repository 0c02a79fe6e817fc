/**
 * The guest side of the UDP NAT: what arrives at the host sockets becomes packets to the guests, written in front of the
 * payload where it was received. While a guest's port is busy, its sockets are not read.
 */
import { Frame } from '../net/frame.ts';
import { type DatagramSocket, isInet } from '../net/host.ts';
import { emitUdp, PROTOCOL_UDP, UDP_HEADER_LENGTH, UDP_MAX_PAYLOAD } from '../wire/index.ts';
import { sameAddress } from './flow-table.ts';
import type { IpAddress } from './ip-layer.ts';
import type { UdpHostSocket } from './udp-flow.ts';
import type { UdpFlows } from './udp-flows.ts';
import type { UdpLayer } from './udp-layer.ts';
import { newBatch } from './udp-sender.ts';

/** Room in front of a received datagram for Ethernet, IP and UDP headers of either family. */
const HEADROOM = 64;
const RECEIVE_ARENA = 256 * 1024;
const RECEIVE_COUNT = 64;
const RECEIVE_ROUNDS = 4;

export class UdpGuestSide {
  readonly #layer: UdpLayer;
  readonly #flows: UdpFlows;
  readonly #arena = new Uint8Array(HEADROOM + RECEIVE_ARENA);
  readonly #batch = newBatch(this.#arena.subarray(HEADROOM), RECEIVE_COUNT);
  readonly #frame = new Frame();
  /** Not read: their guest is busy. */
  readonly #parked = new Set<UdpHostSocket>();
  #datagrams = 0;

  constructor(layer: UdpLayer, flows: UdpFlows) {
    this.#layer = layer;
    this.#flows = flows;
  }

  /** Datagrams sent to the guests. */
  get datagrams(): number {
    return this.#datagrams;
  }

  /** The socket has datagrams: one turn's share of them goes on. */
  readable(owner: UdpHostSocket, socket: DatagramSocket): void {
    const batch = this.#batch;
    for (let round = 0; round < RECEIVE_ROUNDS; round++) {
      const count = socket.receiveBatch(batch);
      for (let i = 0; i < count; i++) {
        this.#deliver(owner, i);
        batch.peer[i] = undefined;
        batch.local[i] = undefined;
        if (owner.socket !== socket) return;
      }
      if (count < RECEIVE_COUNT || this.#layer.busyGuests.has(owner.guest)) break;
    }
    if (this.#layer.busyGuests.has(owner.guest)) {
      this.#parked.add(owner);
      socket.interest(false, false);
    }
  }

  /** The port has room for this guest again. */
  resume(guest: IpAddress): void {
    for (const owner of this.#parked) {
      if (!sameAddress(owner.guest, guest)) continue;
      this.#parked.delete(owner);
      owner.socket?.interest(true, false);
    }
  }

  /** The socket is given up. */
  forget(owner: UdpHostSocket): void {
    this.#parked.delete(owner);
  }

  /** Headers are written in front of the datagram, over those before it: they were delivered already. */
  #deliver(owner: UdpHostSocket, index: number): void {
    const batch = this.#batch;
    const from = batch.peer[index];
    const length = batch.length[index] as number;
    if (from === undefined || !isInet(from) || length > UDP_MAX_PAYLOAD) {
      this.#layer.drop('udp-reply-invalid');
      return;
    }
    const flow = owner.flowOf(from) ?? this.#flows.openFrom(owner, from);
    if (flow === undefined) return;
    flow.usedAt = this.#layer.host.clock.now();
    flow.answered = true;
    flow.local = batch.local[index];
    owner.last = flow;
    this.#flows.usedByRemote(flow);
    const { path } = flow;
    const at = HEADROOM + (batch.offset[index] as number) - UDP_HEADER_LENGTH;
    emitUdp(this.#arena, at, flow.remotePort, flow.guestPort, length, path.pseudoSum);
    path.writeHeaders(this.#arena, at, UDP_HEADER_LENGTH + length, PROTOCOL_UDP, flow.tos);
    const start = at - path.headroom;
    this.#datagrams++;
    path.send(this.#frame.setPlain(this.#arena, start, path.headroom + UDP_HEADER_LENGTH + length));
  }
}
