/**
 * What the DHCP server says, and to whom (RFC 2131 4.1, table 3).
 *
 * To a relay's port 67 if one passed the message on, else to the address that the client has already, else to
 * 255.255.255.255. Never by ARP: whoever sent the message gets the answer. Replies are always REPLY_LENGTH bytes of
 * BOOTP, as QEMU's user network sends them. Options stand in QEMU's order, with the client identifier (RFC 6842) behind
 * those that must be there; an optional one that does not fit is left out and named in the log once.
 */
import { Frame } from '../net/frame.ts';
import type { Log } from '../net/host.ts';
import {
  DHCP_BROADCAST,
  DHCP_CLIENT_PORT,
  DHCP_FIXED_LENGTH,
  DHCP_NAK,
  DHCP_OPTION,
  DHCP_REPLY_OP,
  DHCP_SERVER_PORT,
  type DhcpRepr,
  DhcpWriter,
  emitUdp,
  encodeDnsNames,
  formatMac,
  isMulticastMac,
  PROTOCOL_UDP,
  UDP_HEADER_LENGTH,
  writeMac,
} from '../wire/index.ts';
import { IPV4_BROADCAST, ipv4Address } from './address.ts';
import { inNetwork, type StackConfig } from './config.ts';
import { IPV4_HEADROOM, type Ipv4Output } from './ipv4-output.ts';
import { Ipv4Path } from './ipv4-path.ts';
import { LEASE_SECONDS } from './lease-table.ts';

const OPTIONS_LENGTH = 312;
export const REPLY_LENGTH = DHCP_FIXED_LENGTH + OPTIONS_LENGTH;
const TOS_LOW_DELAY = 0x10;
const NAK_TEXT = 'requested address not available';
const NO_BYTES = new Uint8Array(0);

interface OptionalOption {
  readonly code: number;
  readonly name: string;
  readonly value: Uint8Array;
}

export class DhcpReplies {
  readonly #config: StackConfig;
  readonly #output: Ipv4Output;
  readonly #log: Log;
  readonly #bytes = new Uint8Array(IPV4_HEADROOM + UDP_HEADER_LENGTH + REPLY_LENGTH);
  readonly #frame = new Frame();
  readonly #file: Uint8Array;
  readonly #optional: readonly OptionalOption[];
  readonly #warned = new Set<string>();

  constructor(config: StackConfig, output: Ipv4Output, log: Log) {
    this.#config = config;
    this.#output = output;
    this.#log = log;
    this.#file = config.bootfile === undefined ? NO_BYTES : encode(config.bootfile);
    this.#optional = optionalOptions(config);
  }

  /**
   * OFFER or ACK.
   * @param hop the Ethernet address that the message came from.
   * @param ingress the port that it came in by.
   * @param address 0 = without address and lease time: the answer to INFORM.
   */
  grant(message: DhcpRepr, hop: number, ingress: number, type: number, address: number): void {
    const { host, mask, dns, restrict } = this.#config;
    const writer = this.#begin(message, type, address, this.#file);
    writer.byte(DHCP_OPTION.messageType, type);
    writer.word(DHCP_OPTION.serverId, host);
    writer.word(DHCP_OPTION.subnetMask, mask);
    if (!restrict) {
      writer.word(DHCP_OPTION.router, host);
      writer.word(DHCP_OPTION.dns, dns);
    }
    if (address !== 0) writer.word(DHCP_OPTION.leaseTime, LEASE_SECONDS);
    this.#identify(writer, message);
    for (const { code, name, value } of this.#optional) {
      if (!writer.option(code, value)) this.#warnOmitted(name, message.clientMac);
    }
    const client = this.#canReach(message.clientAddress) ? message.clientAddress : 0;
    this.#send(writer, message, hop, ingress, client);
  }

  /** NAK: to all, for the client's address may be wrong where it is (RFC 2131 4.1). */
  refuse(message: DhcpRepr, hop: number, ingress: number): void {
    const writer = this.#begin(message, DHCP_NAK, 0, NO_BYTES);
    writer.byte(DHCP_OPTION.messageType, DHCP_NAK);
    writer.word(DHCP_OPTION.serverId, this.#config.host);
    writer.option(DHCP_OPTION.message, encode(NAK_TEXT));
    this.#identify(writer, message);
    this.#send(writer, message, hop, ingress, 0);
  }

  /** Whether an address can be a relay's or a client's. */
  #canReach(address: number): boolean {
    const { host, dns } = this.#config;
    const isOwn = address === host || address === dns;
    return !isOwn && inNetwork(this.#config, address) && !this.#output.isBroadcast(address);
  }

  /** Whether a message may be answered: by its relay, if it has one, in this network. */
  canAnswer(message: DhcpRepr): boolean {
    return message.relayAddress === 0 || this.#canReach(message.relayAddress);
  }

  #begin(message: DhcpRepr, type: number, yourAddress: number, file: Uint8Array): DhcpWriter {
    const { relayAddress, xid, flags, clientMac, clientAddress } = message;
    const isRefusal = type === DHCP_NAK;
    return new DhcpWriter(this.#bytes, IPV4_HEADROOM + UDP_HEADER_LENGTH, this.#bytes.length, {
      op: DHCP_REPLY_OP,
      xid,
      // Without a relay the flags are 0, as QEMU has them.
      flags: relayAddress === 0 ? 0 : flags | (isRefusal ? DHCP_BROADCAST : 0),
      clientAddress: isRefusal ? 0 : clientAddress,
      yourAddress,
      serverAddress: this.#config.host,
      relayAddress,
      clientMac,
      file,
    });
  }

  #identify(writer: DhcpWriter, { clientId }: DhcpRepr): void {
    if (clientId !== undefined) writer.option(DHCP_OPTION.clientId, clientId);
  }

  #send(writer: DhcpWriter, { relayAddress }: DhcpRepr, hop: number, ingress: number, client: number): void {
    writer.finish();
    const bytes = this.#bytes;
    const { host } = this.#config;
    const address = relayAddress !== 0 ? relayAddress : client !== 0 ? client : IPV4_BROADCAST;
    const port = relayAddress !== 0 ? DHCP_SERVER_PORT : DHCP_CLIENT_PORT;
    const isToAll = address === IPV4_BROADCAST || isMulticastMac(hop);
    if (isToAll && !this.#output.broadcasts.take(ingress)) return;
    const guest = ipv4Address(address);
    const path = new Ipv4Path(this.#output, guest, ipv4Address(host));
    emitUdp(bytes, IPV4_HEADROOM, DHCP_SERVER_PORT, port, REPLY_LENGTH, path.pseudoSum);
    path.writeHeaders(bytes, IPV4_HEADROOM, UDP_HEADER_LENGTH + REPLY_LENGTH, PROTOCOL_UDP, TOS_LOW_DELAY);
    if (!isToAll) writeMac(bytes, 0, hop);
    this.#output.transmit(this.#frame.setPlain(bytes, 0, bytes.length), guest);
  }

  #warnOmitted(name: string, mac: number): void {
    if (this.#warned.has(name)) return;
    this.#warned.add(name);
    this.#log.warn(`DHCP packet size exceeded, omitting ${name} option.`, { client: formatMac(mac) });
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
