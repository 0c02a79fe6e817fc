/**
 * `ping` to the outside. The requests of one guest and identifier go out through one echo socket of the host, with the
 * guest's TTL less one; replies come back with the guest's identifier, and errors of the network about its own packet.
 *
 * Limits: MAX_FLOWS, of which each ingress has its share (its own longest unused goes), MAX_WAITING requests while a
 * socket opens. A flow ends IDLE_MS after its last request or reply. Where the host has no echo sockets, or does not give
 * us one, requests are the caller's to refuse.
 */
import type { Flow } from '../net/client.ts';
import { Frame } from '../net/frame.ts';
import { type DatagramSocket, HostError, isInet, type SocketAddress, type Timer } from '../net/host.ts';
import { ORPHANS } from '../net/index.ts';
import {
  emitIcmp,
  ICMP_ECHO_REPLY,
  ICMP_HEADER_LENGTH,
  icmpEchoId,
  icmpEchoSequence,
  icmpType,
  PROTOCOL_ICMP,
} from '../wire/index.ts';
import { addressText } from './address.ts';
import { COST_DATAGRAM_SOCKET_MS } from './costs.ts';
import { EchoFlow, type EchoRequest } from './echo-flow.ts';
import { FlowTable } from './flow-table.ts';
import { ICMP_TTL } from './icmp.ts';
import { isForGuest, MAX_RECORDS, newRecord } from './icmp-record.ts';
import type { GuestPath, IpAddress, IpPacket } from './ip-layer.ts';
import type { UdpLayer } from './udp-layer.ts';
import { newBatch, type UdpBatch, UdpSender } from './udp-sender.ts';

export const MAX_FLOWS = 256;
export const IDLE_MS = 240_000;
export const MAX_WAITING = 4;
const SWEEP_MS = 5000;
/** After the host said no, it is asked again this much later. */
const REFUSED_MS = 10_000;
/** An error so soon after a send is that send's own. */
const SEND_FAILURE_MS = 20;
const NOWHERE: IpAddress = new Uint32Array(4);
/** Room in front of a received message for the headers of either family. */
const HEADROOM = 64;
const ARENA = 128 * 1024;
const COUNT = 64;
const OUT_OF_SOCKETS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

interface Buffers {
  readonly sender: UdpSender;
  readonly arena: Uint8Array;
  readonly batch: UdpBatch;
}

export class EchoRelay {
  readonly #layer: UdpLayer;
  readonly #flows: FlowTable<EchoFlow>;
  readonly #timer: Timer;
  readonly #pending = new Set<Promise<void>>();
  readonly #frame = new Frame();
  readonly #record = newRecord();
  readonly #openPath: (guest: IpAddress, remote: IpAddress) => GuestPath;
  /** Made by the first request: most networks never see one. */
  #buffers: Buffers | undefined;
  #refusedUntil = Number.NEGATIVE_INFINITY;
  #closed = false;
  #requests = 0;
  #replies = 0;
  #evicted = 0;

  constructor(layer: UdpLayer) {
    this.#layer = layer;
    this.#flows = new FlowTable(layer.host.random.u32(), MAX_FLOWS);
    this.#timer = layer.host.timers.create(() => this.#sweep());
    this.#openPath = (guest, remote) => layer.openPath(guest, remote);
  }

  /** An echo request, checked, to an address outside. @returns false where none can go out. */
  input(packet: IpPacket): boolean {
    const { host } = this.#layer;
    const now = host.clock.now();
    if (this.#closed || !host.sockets.can.ping || now < this.#refusedUntil) return false;
    if (packet.ttl <= 1) {
      this.#layer.sendTimeExceeded(packet);
      return true;
    }
    const { bytes, transportOffset: at, transportLength: length } = packet;
    const flow = this.#flowOf(packet.source, icmpEchoId(bytes, at), packet.ingress, now);
    flow.usedAt = now;
    // Its guest is back, by another port.
    if (flow.ingress === ORPHANS) this.#flows.move(flow, packet.ingress);
    this.#flows.touch(flow);
    const request = flow.remember(packet, icmpEchoSequence(bytes, at));
    if (flow.socket !== undefined) this.#send(flow, flow.socket, request, bytes, at, length);
    else if (flow.waiting.length >= MAX_WAITING) this.#layer.drop('icmp-opening');
    else flow.waiting.push({ request, bytes: bytes.slice(at, at + length) });
    return true;
  }

  ingressGone(ingress: number): void {
    this.#flows.orphan(ingress);
  }

  /** For people, the most recently used first. */
  flows(): Flow[] {
    const found: Flow[] = [];
    const now = this.#layer.host.clock.now();
    this.#flows.forEach((flow) => {
      found.push({
        protocol: 'icmp',
        state: `${Math.max(0, Math.ceil((flow.usedAt + IDLE_MS - now) / 1000))} sec`,
        sourceAddress: addressText(flow.guest),
        sourcePort: flow.guestPort,
        destinationAddress: addressText(flow.last?.destination ?? NOWHERE),
        destinationPort: 0,
        receiveQueue: 0,
        sendQueue: 0,
      });
    });
    return found.reverse();
  }

  statistics(): Record<string, number> {
    return {
      'icmp.flows': this.#flows.size,
      'icmp.flowsEvicted': this.#evicted,
      'icmp.requestsToHost': this.#requests,
      'icmp.repliesToGuest': this.#replies,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer.cancel();
    this.#flows.forEach((flow) => {
      this.#remove(flow);
    });
    while (this.#pending.size > 0) await Promise.all([...this.#pending]);
  }

  #flowOf(guest: IpAddress, identifier: number, ingress: number, now: number): EchoFlow {
    const known = this.#flows.find(guest, identifier, NOWHERE, 0);
    if (known !== undefined) return known;
    for (let l = this.#flows.loser(ingress); l !== undefined; l = this.#flows.loser(ingress)) {
      this.#evicted++;
      this.#remove(l);
    }
    const flow = new EchoFlow(guest, identifier, ingress, now);
    this.#flows.add(flow);
    this.#layer.charge(ingress, COST_DATAGRAM_SOCKET_MS);
    if (this.#timer.deadlineMs === undefined) this.#timer.set(now + SWEEP_MS);
    this.#track(
      this.#layer.host.sockets.ping('ipv4', ingress).then(
        (socket) => {
          if (flow.live) this.#start(flow, socket);
          else this.#track(socket.close());
        },
        (error: unknown) => this.#refused(flow, error),
      ),
    );
    return flow;
  }

  #start(flow: EchoFlow, socket: DatagramSocket): void {
    flow.socket = socket;
    socket.onEvent = (event) => {
      if (flow.socket !== socket) return;
      if (event === 'readable') this.#readable(flow, socket);
      else if (event === 'error') this.#failed(flow, socket);
    };
    socket.interest(true, false);
    const { waiting } = flow;
    flow.waiting = [];
    for (const { request, bytes } of waiting) this.#send(flow, socket, request, bytes, 0, bytes.length);
  }

  /** No socket: who waits for one is told as where there are none at all. */
  #refused(flow: EchoFlow, error: unknown): void {
    if (!flow.live) return;
    const { waiting, ingress } = flow;
    this.#remove(flow);
    if (error instanceof HostError && OUT_OF_SOCKETS.has(error.code)) {
      this.#layer.drop('icmp-socket-failed');
      const oldest = this.#flows.oldestOf(ORPHANS) ?? this.#flows.oldestOf(ingress);
      // The next request may have the place of the longest unused.
      if (oldest?.socket !== undefined) this.#remove(oldest);
      return;
    }
    this.#refusedUntil = this.#layer.host.clock.now() + REFUSED_MS;
    for (const { request } of waiting) {
      this.#layer.drop('icmp-echo-elsewhere');
      if (request.quote.length > 0) this.#layer.sendUnreachableAbout(request.quote, 'prohibited');
    }
  }

  #send(
    flow: EchoFlow,
    socket: DatagramSocket,
    request: EchoRequest,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): void {
    this.#requests++;
    flow.sentAt = this.#layer.host.clock.now();
    this.#memory().sender.add(socket, bytes, offset, length, request, request.ttl, request.tos);
  }

  #memory(): Buffers {
    if (this.#buffers === undefined) {
      const arena = new Uint8Array(HEADROOM + ARENA);
      this.#buffers = {
        sender: new UdpSender(this.#layer.host.loop, () => this.#layer.drop('icmp-host-full')),
        arena,
        batch: newBatch(arena.subarray(HEADROOM), COUNT),
      };
    }
    return this.#buffers;
  }

  #readable(flow: EchoFlow, socket: DatagramSocket): void {
    const { batch } = this.#memory();
    const count = socket.receiveBatch(batch);
    for (let i = 0; i < count; i++) {
      this.#deliver(flow, batch.peer[i], HEADROOM + (batch.offset[i] ?? 0), batch.length[i] ?? 0);
      batch.peer[i] = undefined;
      if (flow.socket !== socket) return;
    }
  }

  /** Headers are written in front of the message where it was received; messages before it were delivered already. */
  #deliver(flow: EchoFlow, from: SocketAddress | undefined, at: number, length: number): void {
    const { arena } = this.#memory();
    const valid = length >= ICMP_HEADER_LENGTH && icmpType(arena, at) === ICMP_ECHO_REPLY;
    const sequence = valid ? icmpEchoSequence(arena, at) : -1;
    const request = flow.find(sequence);
    if (request === undefined || from === undefined || !isInet(from)) {
      this.#layer.drop('icmp-reply-invalid');
      return;
    }
    if (this.#layer.busyGuests.has(flow.guest)) {
      this.#layer.drop('icmp-guest-busy');
      return;
    }
    flow.usedAt = this.#layer.host.clock.now();
    this.#flows.touch(flow);
    const remote = from.host === request.peer.host ? request.destination : this.#layer.guestView(from);
    const path = flow.pathFrom(remote, this.#openPath);
    const rest = ((flow.guestPort << 16) | sequence) >>> 0;
    emitIcmp(arena, at, ICMP_ECHO_REPLY, 0, rest, length - ICMP_HEADER_LENGTH);
    path.writeHeaders(arena, at, length, PROTOCOL_ICMP, request.tos, ICMP_TTL);
    this.#replies++;
    path.send(this.#frame.setPlain(arena, at - path.headroom, path.headroom + length));
  }

  #failed(flow: EchoFlow, socket: DatagramSocket): void {
    const record = this.#record;
    let seen = false;
    for (let i = 0; i < MAX_RECORDS && flow.socket === socket && socket.nextError?.(record) === true; i++) {
      seen = true;
      const { quoted, offender } = record;
      // The quotation begins with our own message's header.
      const request = quoted.length < ICMP_HEADER_LENGTH ? flow.last : flow.find(icmpEchoSequence(quoted, 0));
      if (request === undefined || request.quote.length === 0 || !isForGuest(record)) {
        this.#layer.drop('icmp-error-ignored');
        continue;
      }
      let from: IpAddress | undefined;
      if (offender !== undefined) {
        from = offender.host === request.peer.host ? request.destination : this.#layer.guestView(offender);
      }
      this.#layer.relayError(request.quote, record.type, record.code, record.mtu, from);
    }
    const error = socket.takeError();
    if (seen || error === undefined) return;
    this.#layer.drop(`icmp-error-${error.code}`);
    const quote = flow.last?.quote;
    if (quote === undefined || quote.length === 0 || this.#layer.host.clock.now() - flow.sentAt > SEND_FAILURE_MS)
      return;
    this.#layer.sendUnreachableAbout(quote, 'network');
  }

  #remove(flow: EchoFlow): void {
    this.#flows.remove(flow);
    flow.live = false;
    flow.waiting = [];
    const { socket } = flow;
    if (socket === undefined) return;
    flow.socket = undefined;
    this.#buffers?.sender.flushOf(socket);
    socket.onEvent = () => {};
    this.#track(socket.close().catch(() => {}));
  }

  #sweep(): void {
    const now = this.#layer.host.clock.now();
    this.#flows.forEach((flow) => {
      if (flow.usedAt + IDLE_MS <= now) this.#remove(flow);
    });
    if (this.#flows.size > 0) this.#timer.set(now + SWEEP_MS);
  }

  #track(promise: Promise<void>): void {
    this.#pending.add(promise);
    const done = (): void => {
      this.#pending.delete(promise);
    };
    promise.then(done, done);
  }
}
