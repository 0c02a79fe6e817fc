/** What one user network is made of, after all checks. IPv4 addresses are uint32. */
export interface StackConfig {
  readonly network: number;
  readonly mask: number;
  /** The host alias: gateway, DHCP server, the host's loopback. */
  readonly host: number;
  /** The virtual name server. */
  readonly dns: number;
  /** First address of the DHCP pool, and where forwards go that name no guest. */
  readonly dhcpStart: number;
  /** Addresses that DHCP lends, from dhcpStart on; QEMU's 16 unless given. */
  readonly dhcpPool?: number | undefined;
  /** Several ports bring guests: one of them gets a share of the pool only. */
  readonly dhcpShares?: boolean | undefined;
  readonly restrict: boolean;
  /** DHCP option 12. */
  readonly hostname?: string | undefined;
  /** DHCP option 15. */
  readonly domainName?: string | undefined;
  /** DHCP option 66. */
  readonly tftpServerName?: string | undefined;
  /** BOOTP `file`. */
  readonly bootfile?: string | undefined;
  /** DHCP option 119: names already split into labels. */
  readonly dnsSearch?: readonly string[][] | undefined;
}

/** Bytes of an IP packet towards guests. QEMU's user network has no option for it. */
export const MTU = 1500;
/** In front of every virtual IPv4 address: `52:55:a:b:c:d`. */
const MAC_PREFIX = 0x5255_0000_0000;

export const virtualMac = (address: number): number => MAC_PREFIX + address;
export const subnetBroadcast = (config: Pick<StackConfig, 'network' | 'mask'>): number =>
  (config.network | ~config.mask) >>> 0;
export const inNetwork = (config: StackConfig, address: number): boolean =>
  (address & config.mask) >>> 0 === config.network;
