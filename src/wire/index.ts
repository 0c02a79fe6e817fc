/** Byte codecs of the network protocols: accessors, flat records, and nothing else. */
export * from './arp.ts';
export * from './bytes.ts';
export * from './checksum.ts';
export * from './dhcp.ts';
export * from './dns.ts';
export * from './dns-name.ts';
export type { WireDrop } from './drop-reason.ts';
export * from './ethernet.ts';
export * from './icmp.ts';
export * from './inet-aton.ts';
export * from './ip-text.ts';
export * from './ipv4.ts';
export * from './mac.ts';
export * from './seq.ts';
export * from './tcp.ts';
export * from './udp.ts';
export * from './vnet-header.ts';
