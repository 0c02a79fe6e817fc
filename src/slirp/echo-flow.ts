/** One `ping` of a guest: its identifier, the host's echo socket for it, and the requests that may still be answered. */
import type { DatagramSocket, InetAddress } from '../net/host.ts';
import { toInetAddress } from './address.ts';
import { type FlowNode, sameAddress } from './flow-table.ts';
import type { GuestPath, IpAddress, IpPacket } from './ip-layer.ts';
import { PacketQuote } from './packet-quote.ts';

const NOWHERE: IpAddress = new Uint32Array(4);
/** Requests remembered, by their sequence number: a trace has about as many under way. */
export const RECENT = 32;

export class EchoRequest {
  sequence = -1;
  tos = 0;
  ttl = 0;
  /** As the guest wrote to it. */
  destination: IpAddress = NOWHERE;
  peer: InetAddress;
  readonly local = undefined;
  /** For ICMP errors. */
  readonly quote = new PacketQuote();

  constructor(peer: InetAddress) {
    this.peer = peer;
  }
}

/** A request that waits until the socket is open. */
export interface WaitingEcho {
  readonly request: EchoRequest;
  readonly bytes: Uint8Array;
}

export class EchoFlow implements FlowNode<EchoFlow> {
  readonly guest: IpAddress;
  /** The identifier. */
  readonly guestPort: number;
  readonly remote = NOWHERE;
  readonly remotePort = 0;
  ingress: number;
  hash = 0;
  chain: EchoFlow | undefined;
  older: EchoFlow | undefined;
  newer: EchoFlow | undefined;

  socket: DatagramSocket | undefined;
  /** Open, or about to be; false once it was given up. */
  live = true;
  usedAt: number;
  sentAt = Number.NEGATIVE_INFINITY;
  last: EchoRequest | undefined;
  waiting: WaitingEcho[] = [];
  readonly #recent: (EchoRequest | undefined)[] = [];
  #path: GuestPath | undefined;
  #pathRemote: IpAddress = NOWHERE;

  constructor(guest: IpAddress, identifier: number, ingress: number, now: number) {
    this.guest = Uint32Array.from(guest);
    this.guestPort = identifier;
    this.ingress = ingress;
    this.usedAt = now;
  }

  /** The request with this sequence number, if it is one of the last ones. */
  find(sequence: number): EchoRequest | undefined {
    const request = this.#recent[sequence % RECENT];
    return request?.sequence === sequence ? request : undefined;
  }

  remember(packet: IpPacket, sequence: number): EchoRequest {
    const { last } = this;
    const same = last !== undefined && sameAddress(last.destination, packet.destination);
    const destination = same ? last.destination : Uint32Array.from(packet.destination);
    const peer = same ? last.peer : toInetAddress(destination, 0);
    const slot = sequence % RECENT;
    let request = this.#recent[slot];
    if (request === undefined) {
      request = new EchoRequest(peer);
      this.#recent[slot] = request;
    }
    request.sequence = sequence;
    request.destination = destination;
    request.peer = peer;
    request.tos = packet.tos;
    request.ttl = packet.ttl - 1;
    request.quote.remember(packet);
    this.last = request;
    return request;
  }

  /** The way of replies from `remote`: mostly the same again. */
  pathFrom(remote: IpAddress, open: (guest: IpAddress, remote: IpAddress) => GuestPath): GuestPath {
    if (this.#path === undefined || !sameAddress(this.#pathRemote, remote)) {
      this.#path = open(this.guest, remote);
      this.#pathRemote = Uint32Array.from(remote);
    }
    return this.#path;
  }
}
