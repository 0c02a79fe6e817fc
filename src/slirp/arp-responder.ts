/**
 * ARP of the user network (RFC 826): answers for our own addresses, and learns from the guests.
 *
 * Learnt from: a guest's announcement of itself, its questions for us, its replies. Not learnt: our own addresses and
 * Ethernet addresses, and addresses that are no single host, so a guest cannot take the gateway's place.
 */
import {
  ARP_REPLY,
  ARP_REQUEST,
  arpCheck,
  arpOperation,
  arpSenderAddress,
  arpSenderMac,
  arpTargetAddress,
  ETHERNET_LENGTH,
  ethernetSource,
  isMulticastMac,
} from '../wire/index.ts';
import { ipv4Address, isIpv4Multicast } from './address.ts';
import { type StackConfig, virtualMac } from './config.ts';
import type { Ipv4Output } from './ipv4-output.ts';
import type { NeighbourTable } from './neighbours.ts';

export class ArpResponder {
  readonly #config: StackConfig;
  readonly #output: Ipv4Output;
  readonly #neighbours: NeighbourTable;
  readonly #drop: (reason: string) => void;

  constructor(config: StackConfig, output: Ipv4Output, neighbours: NeighbourTable, drop: (reason: string) => void) {
    this.#config = config;
    this.#output = output;
    this.#neighbours = neighbours;
    this.#drop = drop;
  }

  /**
   * @param end first byte behind the frame at `offset`, whose Ethernet header is whole.
   * @param ingress the port it came in by.
   */
  input(bytes: Uint8Array, offset: number, end: number, ingress: number): void {
    const at = offset + ETHERNET_LENGTH;
    const reason = arpCheck(bytes, at, end);
    if (reason !== undefined) {
      this.#drop(reason);
      return;
    }
    const operation = arpOperation(bytes, at);
    const sender = arpSenderAddress(bytes, at);
    const senderMac = arpSenderMac(bytes, at);
    if (operation === ARP_REPLY) {
      this.#learn(sender, senderMac, ingress);
      return;
    }
    if (operation !== ARP_REQUEST) {
      this.#drop('arp-operation');
      return;
    }
    const target = arpTargetAddress(bytes, at);
    if (target === sender) {
      this.#learn(sender, senderMac, ingress);
    } else if (target === this.#config.host || target === this.#config.dns) {
      this.#learn(sender, senderMac, ingress);
      const asker = ethernetSource(bytes, offset);
      // No source of a frame is a group: the answer would go to everybody.
      if (isMulticastMac(asker)) this.#drop('arp-bad-mac');
      else this.#output.sendArp(asker, ARP_REPLY, virtualMac(target), target, senderMac, sender);
    }
  }

  #learn(address: number, mac: number, ingress: number): void {
    const { host, dns } = this.#config;
    if (address === host || address === dns || mac === virtualMac(host) || mac === virtualMac(dns)) {
      this.#drop('arp-claims-ours');
      return;
    }
    if (this.#output.isBroadcast(address) || isIpv4Multicast(address) || address >>> 24 === 127) return;
    this.#neighbours.learn(ipv4Address(address), mac, ingress);
  }
}
