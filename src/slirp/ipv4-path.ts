/**
 * The way from one remote IPv4 address to one guest: headers from a template, and the guest's Ethernet address. Flows
 * have one each and there may be thousands: it holds no memory of its own.
 */
import { DROPPED, type SendResult, TAKEN } from '../net/client.ts';
import type { Frame } from '../net/frame.ts';
import { STRANGERS } from '../net/index.ts';
import {
  ETHERNET_LENGTH,
  finishChecksum,
  IPV4_HEADER_LENGTH,
  ipv4PseudoSum,
  put16,
  put32,
  writeMac,
} from '../wire/index.ts';
import { ipv4Of } from './address.ts';
import { MTU } from './config.ts';
import type { GuestPath, IpAddress } from './ip-layer.ts';
import { IPV4_HEADROOM, type Ipv4Output } from './ipv4-output.ts';
import type { Neighbour, WaitingFrame } from './neighbours.ts';

const DEFAULT_TTL = 64;
const MAX_TOTAL = 0xffff;

/** See GuestPath. Holds the neighbour entry, so that sending looks nothing up. */
export class Ipv4Path implements GuestPath {
  readonly family = 'ipv4';
  readonly headroom = IPV4_HEADROOM;
  readonly mtu = MTU;
  readonly pseudoSum: number;
  readonly #output: Ipv4Output;
  readonly #guest: IpAddress;
  readonly #broadcast: boolean;
  readonly #guestAddress: number;
  readonly #remoteAddress: number;
  /** Of the IP header's fields that are the same in each packet. */
  readonly #headerSum: number;
  /** In whose share the guest's entry counts that the first frame makes. Later that port may be gone. */
  #ingress: number;
  #neighbour: Neighbour | undefined;

  /** @param guest kept: it must stay as it is. */
  constructor(output: Ipv4Output, guest: IpAddress, remote: IpAddress) {
    this.#output = output;
    this.#guest = guest;
    const guestAddress = ipv4Of(guest);
    const remoteAddress = ipv4Of(remote);
    this.pseudoSum = ipv4PseudoSum(remoteAddress, guestAddress);
    this.#broadcast = output.isBroadcast(guestAddress);
    // Signed: those are no objects on the heap.
    this.#guestAddress = guestAddress | 0;
    this.#remoteAddress = remoteAddress | 0;
    this.#ingress = output.neighbours?.recentIngress(guest) ?? STRANGERS;
    this.#headerSum = output.templateSum + wordSum(remoteAddress) + wordSum(guestAddress);
  }

  writeHeaders(
    bytes: Uint8Array,
    transportOffset: number,
    transportLength: number,
    protocol: number,
    tos: number,
    ttl: number = DEFAULT_TTL,
  ): void {
    const start = transportOffset - IPV4_HEADROOM;
    const ip = start + ETHERNET_LENGTH;
    const length = transportLength + IPV4_HEADER_LENGTH;
    const total = length > MAX_TOTAL ? 0 : length;
    const id = this.#output.nextId();
    bytes.set(this.#output.template, start);
    bytes[ip + 1] = tos;
    put16(bytes, ip + 2, total);
    put16(bytes, ip + 4, id);
    bytes[ip + 8] = ttl;
    bytes[ip + 9] = protocol;
    put16(bytes, ip + 10, finishChecksum(this.#headerSum + tos + total + id + ((ttl << 8) | protocol)));
    put32(bytes, ip + 12, this.#remoteAddress);
    put32(bytes, ip + 16, this.#guestAddress);
  }

  send(frame: Frame): SendResult {
    if (this.#broadcast) return this.#output.transmit(frame, this.#guest);
    const neighbours = this.#output.neighbours;
    if (neighbours === undefined) return TAKEN;
    let neighbour = this.#neighbour;
    if (neighbour === undefined || !neighbour.live) {
      neighbour = neighbours.get(this.#guest, this.#ingress);
      this.#ingress = STRANGERS;
      this.#neighbour = neighbour;
    }
    const mac = neighbours.macToSend(neighbour);
    if (mac === 0) {
      return neighbours.wait(neighbour, copyOf(frame)) ? TAKEN : DROPPED;
    }
    // The frame's bytes are the caller's own, with our headers in them: completing those is no breach of the borrow.
    writeMac(frame.bytes, frame.offset, mac);
    return this.#output.transmit(frame, this.#guest);
  }
}

const wordSum = (word: number): number => (word >>> 16) + (word & 0xffff);

function copyOf(frame: Frame): WaitingFrame {
  return {
    bytes: frame.bytes.slice(frame.offset, frame.offset + frame.length),
    flags: frame.flags,
    gsoType: frame.gsoType,
    gsoSize: frame.gsoSize,
    headerLength: frame.headerLength,
    checksumStart: frame.checksumStart,
    checksumOffset: frame.checksumOffset,
  };
}
