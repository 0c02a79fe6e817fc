/**
 * The DHCP and BOOTP server (RFC 2131, RFC 951) on the host alias.
 *
 * Replies go to 255.255.255.255:68 as an Ethernet broadcast, whatever the client asked for, and are always
 * REPLY_LENGTH bytes of BOOTP, as QEMU's user network sends them: clients and boot ROMs accept that. Options stand in
 * QEMU's order; one that does not fit is left out and named in the log once.
 *
 * | message                      | condition                                  | answer                       |
 * |------------------------------|--------------------------------------------|------------------------------|
 * | DISCOVER                     | option 50 names a usable slot              | OFFER of it                  |
 * |                              | otherwise a slot is left                   | OFFER of the client's own or the next |
 * | REQUEST, plain BOOTP         | names another server                       | none, the offer is withdrawn |
 * |                              | address (option 50, ciaddr) usable         | ACK, bound                   |
 * |                              | address not usable                         | NAK                          |
 * |                              | no address                                 | ACK like DISCOVER's choice   |
 * | RELEASE                      | from the lease's owner                     | none, the slot is free       |
 * | INFORM                       |                                            | ACK without address and time |
 * | DECLINE, others              |                                            | none                         |
 */
import { Frame } from '../net/frame.ts';
import type { Clock, Log } from '../net/host.ts';
import {
  DHCP_ACK,
  DHCP_CLIENT_PORT,
  DHCP_DISCOVER,
  DHCP_FIXED_LENGTH,
  DHCP_INFORM,
  DHCP_NAK,
  DHCP_OFFER,
  DHCP_OPTION,
  DHCP_RELEASE,
  DHCP_REPLY_OP,
  DHCP_REQUEST,
  DHCP_REQUEST_OP,
  DHCP_SERVER_PORT,
  type DhcpRepr,
  DhcpWriter,
  emitUdp,
  encodeDnsNames,
  formatMac,
  isMulticastMac,
  PROTOCOL_UDP,
  parseDhcp,
  UDP_HEADER_LENGTH,
} from '../wire/index.ts';
import { IPV4_BROADCAST, ipv4Address } from './address.ts';
import type { StackConfig } from './config.ts';
import { IPV4_HEADROOM, type Ipv4Output } from './ipv4-output.ts';
import { Ipv4Path } from './ipv4-path.ts';
import { LEASE_SECONDS, type LeaseSlot, LeaseTable } from './lease-table.ts';
import type { NeighbourTable } from './neighbours.ts';

const OPTIONS_LENGTH = 312;
export const REPLY_LENGTH = DHCP_FIXED_LENGTH + OPTIONS_LENGTH;
const TOS_LOW_DELAY = 0x10;
const NAK_TEXT = 'requested address not available';
const NO_BYTES = new Uint8Array(0);

export interface DhcpHooks {
  readonly clock: Clock;
  readonly log: Log;
  readonly neighbours: NeighbourTable;
  drop(reason: string): void;
}

interface OptionalOption {
  readonly code: number;
  readonly name: string;
  readonly value: Uint8Array;
}

export class DhcpServer {
  readonly #config: StackConfig;
  readonly #hooks: DhcpHooks;
  readonly leases: LeaseTable;
  readonly #path: Ipv4Path;
  readonly #bytes = new Uint8Array(IPV4_HEADROOM + UDP_HEADER_LENGTH + REPLY_LENGTH);
  readonly #frame = new Frame();
  readonly #file: Uint8Array;
  readonly #optional: readonly OptionalOption[];
  readonly #warned = new Set<string>();

  constructor(config: StackConfig, output: Ipv4Output, hooks: DhcpHooks) {
    this.#config = config;
    this.#hooks = hooks;
    this.leases = new LeaseTable(config);
    this.#path = new Ipv4Path(output, ipv4Address(IPV4_BROADCAST), ipv4Address(config.host));
    this.#file = config.bootfile === undefined ? NO_BYTES : encode(config.bootfile);
    this.#optional = optionalOptions(config);
  }

  /**
   * @param end first byte behind the UDP payload at `o`.
   * @param ingress the port it came in by.
   */
  input(bytes: Uint8Array, o: number, end: number, ingress: number): void {
    const message = parseDhcp(bytes, o, end);
    if (typeof message === 'string') {
      this.#hooks.drop(message);
      return;
    }
    if (message.op !== DHCP_REQUEST_OP) {
      this.#hooks.drop('dhcp-opcode');
      return;
    }
    if (message.clientMac === 0 || isMulticastMac(message.clientMac)) {
      this.#hooks.drop('dhcp-client-address');
      return;
    }
    switch (message.messageType) {
      case DHCP_DISCOVER:
        this.#discover(message, ingress);
        break;
      case 0:
      case DHCP_REQUEST:
        this.#request(message, ingress);
        break;
      case DHCP_RELEASE:
        this.#release(message);
        break;
      case DHCP_INFORM:
        this.#reply(message, DHCP_ACK, 0, false);
        break;
      default:
        this.#hooks.drop('dhcp-message-type');
    }
  }

  #discover(message: DhcpRepr, ingress: number): void {
    const now = this.#hooks.clock.now();
    const mac = message.clientMac;
    const wanted = message.requestedAddress === 0 ? undefined : this.leases.find(message.requestedAddress);
    const slot =
      wanted !== undefined && this.leases.isFreeFor(wanted, mac, now) ? wanted : this.leases.choose(mac, now);
    if (slot === undefined) {
      this.#hooks.drop('dhcp-pool-exhausted');
      return;
    }
    this.leases.offer(slot, mac, now);
    this.#grant(message, DHCP_OFFER, slot, ingress);
  }

  #request(message: DhcpRepr, ingress: number): void {
    const now = this.#hooks.clock.now();
    const mac = message.clientMac;
    if (message.serverId !== 0 && message.serverId !== this.#config.host) {
      const held = this.leases.of(mac);
      if (held !== undefined && !held.bound) this.leases.release(held, now);
      this.#hooks.drop('dhcp-other-server');
      return;
    }
    const address = message.requestedAddress !== 0 ? message.requestedAddress : message.clientAddress;
    const slot = address === 0 ? this.leases.choose(mac, now) : this.leases.find(address);
    if (slot === undefined || !this.leases.isFreeFor(slot, mac, now)) {
      if (address === 0) this.#hooks.drop('dhcp-pool-exhausted');
      else this.#refuse(message);
      return;
    }
    this.leases.bind(slot, mac, now, message.hostname);
    this.#grant(message, DHCP_ACK, slot, ingress);
  }

  #release(message: DhcpRepr): void {
    const slot = this.leases.of(message.clientMac);
    if (slot === undefined || slot.address !== message.clientAddress) {
      this.#hooks.drop('dhcp-release-stranger');
      return;
    }
    this.leases.release(slot, this.#hooks.clock.now());
  }

  #grant(message: DhcpRepr, type: number, slot: LeaseSlot, ingress: number): void {
    // A client that has just been given an address answers for it: no ARP needed.
    this.#hooks.neighbours.learn(ipv4Address(slot.address), message.clientMac, ingress);
    this.#reply(message, type, slot.address, true);
  }

  #reply(message: DhcpRepr, type: number, address: number, lease: boolean): void {
    const { host, mask, dns, restrict } = this.#config;
    const writer = this.#begin(message, address, this.#file);
    writer.byte(DHCP_OPTION.messageType, type);
    writer.word(DHCP_OPTION.serverId, host);
    writer.word(DHCP_OPTION.subnetMask, mask);
    if (!restrict) {
      writer.word(DHCP_OPTION.router, host);
      writer.word(DHCP_OPTION.dns, dns);
    }
    if (lease) writer.word(DHCP_OPTION.leaseTime, LEASE_SECONDS);
    for (const { code, name, value } of this.#optional) {
      if (!writer.option(code, value)) this.#warnOmitted(name, message.clientMac);
    }
    this.#send(writer);
  }

  #refuse(message: DhcpRepr): void {
    const writer = this.#begin(message, 0, NO_BYTES);
    writer.byte(DHCP_OPTION.messageType, DHCP_NAK);
    writer.word(DHCP_OPTION.serverId, this.#config.host);
    writer.option(DHCP_OPTION.message, encode(NAK_TEXT));
    this.#send(writer);
  }

  #begin(message: DhcpRepr, yourAddress: number, file: Uint8Array): DhcpWriter {
    return new DhcpWriter(this.#bytes, IPV4_HEADROOM + UDP_HEADER_LENGTH, this.#bytes.length, {
      op: DHCP_REPLY_OP,
      xid: message.xid,
      flags: 0,
      clientAddress: 0,
      yourAddress,
      serverAddress: this.#config.host,
      relayAddress: 0,
      clientMac: message.clientMac,
      file,
    });
  }

  #send(writer: DhcpWriter): void {
    writer.finish();
    const bytes = this.#bytes;
    emitUdp(bytes, IPV4_HEADROOM, DHCP_SERVER_PORT, DHCP_CLIENT_PORT, REPLY_LENGTH, this.#path.pseudoSum);
    this.#path.writeHeaders(bytes, IPV4_HEADROOM, UDP_HEADER_LENGTH + REPLY_LENGTH, PROTOCOL_UDP, TOS_LOW_DELAY);
    this.#path.send(this.#frame.setPlain(bytes, 0, bytes.length));
  }

  #warnOmitted(name: string, mac: number): void {
    if (this.#warned.has(name)) return;
    this.#warned.add(name);
    this.#hooks.log.warn(`DHCP packet size exceeded, omitting ${name} option.`, { client: formatMac(mac) });
  }
}

function optionalOptions(config: StackConfig): OptionalOption[] {
  const options: OptionalOption[] = [];
  const text = (code: number, name: string, value: string | undefined): void => {
    if (value !== undefined) options.push({ code, name, value: encode(value) });
  };
  text(DHCP_OPTION.hostname, 'host name', config.hostname);
  text(DHCP_OPTION.domainName, 'domain name', config.domainName);
  text(DHCP_OPTION.tftpServerName, 'tftp-server-name', config.tftpServerName);
  if (config.dnsSearch !== undefined && config.dnsSearch.length > 0) {
    options.push({ code: DHCP_OPTION.domainSearch, name: 'domain-search', value: encodeDnsNames(config.dnsSearch) });
  }
  if (config.bootfile?.startsWith('http://')) text(DHCP_OPTION.vendorClass, 'vendor class id', 'HTTPClient');
  return options;
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
