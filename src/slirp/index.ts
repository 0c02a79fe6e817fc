/** The user-mode TCP/IP stack and NAT. */
export { addressText, ipv4Address, ipv4Of, parseAddress } from './address.ts';
export { inNetwork, MTU, type StackConfig, subnetBroadcast, virtualMac } from './config.ts';
export { EgressPolicy, type EgressRules } from './egress-policy.ts';
export type { IpAddress } from './ip-layer.ts';
export { type KeptLease, type LeaseTable, MAX_POOL, POOL_SIZE } from './lease-table.ts';
export { UserStack } from './stack.ts';
export { TcpStack, type TcpStackOptions } from './tcp-stack.ts';
export type { UdpForward } from './udp.ts';
