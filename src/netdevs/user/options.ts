/** From the options of netdev `user` to what the stack needs: QEMU's defaults, checks, order and texts (net/slirp.c). */
import { QapiError } from '../../qapi/error.ts';
import type { NetdevUserOptions } from '../../schema/net.ts';
import { type EgressRules, MAX_POOL, POOL_SIZE, type StackConfig, subnetBroadcast } from '../../slirp/index.ts';
import { DHCP_FILE_LENGTH, dnsLabels, inetAton } from '../../wire/index.ts';
import { REFUSED_USER_OPTIONS } from '../refused-options.ts';
import { checkGuestForward, type HostForwardRule, parseHostForward } from './forward-rules.ts';
import { checkIpv6Options } from './ipv6-options.ts';
import { contains, derived, type Network, parseNetwork } from './network.ts';

const DEFAULT_NETWORK = '10.0.2.0/24';
const HOST_SUFFIX = 0x0202;
const DNS_SUFFIX = 0x0203;
const DHCP_SUFFIX = 0x020f;
const MAX_TEXT = 255;
const MAX_BOOTFILE = DHCP_FILE_LENGTH - 1;

export interface UserConfig {
  readonly stack: StackConfig;
  readonly egress: EgressRules;
  readonly ipv6: boolean;
  /** In the order in which they are set up: the last one written first. */
  readonly hostForwards: readonly HostForwardRule[];
  /** Texts for the log. */
  readonly warnings: readonly string[];
}

/**
 * @param isShared the guests come in by several ports, those of a switch.
 * @throws QapiError with QEMU's text, or naming what this version does not have.
 */
export function parseUserOptions(options: NetdevUserOptions, isShared = false): UserConfig {
  const { ipv4, ipv6 } = families(options);
  const network = parseNetwork(options.net ?? (options.ip === undefined ? DEFAULT_NETWORK : `${options.ip}/24`));
  const addresses = parseAddresses(options, network);
  if (options.smbserver !== undefined && inetAton(options.smbserver) === undefined) {
    throw new QapiError('Failed to parse SMB address');
  }
  checkIpv6Options(options);
  checkTexts(options);
  const { host, dns, dhcpStart } = addresses;
  for (const { str } of reversed(options.guestfwd)) {
    checkGuestForward(
      str,
      (address) => address === host || address === dns,
      (address) => contains(network, address),
    );
  }
  const hostForwards = reversed(options.hostfwd).map(({ str }) => parseHostForward(str, dhcpStart));
  refuseUnavailable(options, ipv4);
  const { search, warnings } = parseSearch(options);
  return {
    stack: {
      network: network.address,
      mask: network.mask,
      host,
      dns,
      dhcpStart,
      dhcpPool: poolSize(options, network, addresses, isShared),
      dhcpShares: isShared,
      restrict: options.restrict ?? false,
      hostname: options.hostname,
      domainName: options.domainname,
      tftpServerName: options['tftp-server-name'],
      bootfile: options.bootfile,
      dnsSearch: search,
    },
    egress: {
      hostLoopback: options['host-loopback'] ?? true,
      hostAddresses: options['host-addresses'] ?? true,
    },
    ipv6,
    hostForwards,
    warnings,
  };
}

function families(options: NetdevUserOptions): { ipv4: boolean; ipv6: boolean } {
  const ipv4 = options.ipv4 ?? options.ipv6 !== true;
  const ipv6 = options.ipv6 ?? options.ipv4 !== true;
  const given = (...values: unknown[]): boolean => values.some((value) => value !== undefined);
  if (!ipv4 && given(options.net, options.ip, options.host, options.dns)) {
    throw new QapiError('IPv4 disabled but netmask/host/dns provided');
  }
  if (!ipv6 && given(options['ipv6-prefix'], options['ipv6-host'], options['ipv6-dns'])) {
    throw new QapiError('IPv6 disabled but prefix/host6/dns6 provided');
  }
  if (!ipv4 && !ipv6) throw new QapiError('IPv4 and IPv6 disabled');
  return { ipv4, ipv6 };
}

function parseAddresses(
  options: NetdevUserOptions,
  network: Network,
): { host: number; dns: number; dhcpStart: number } {
  const pick = (text: string | undefined, suffix: number, what: string): number => {
    const address = text === undefined ? derived(network, suffix) : inetAton(text);
    if (address === undefined) throw new QapiError(`Failed to parse ${what}`);
    return address;
  };
  const host = pick(options.host, HOST_SUFFIX, 'host');
  if (!contains(network, host)) throw new QapiError("Host doesn't belong to network");
  const dns = pick(options.dns, DNS_SUFFIX, 'DNS');
  if (options.restrict === true && !contains(network, dns)) throw new QapiError("DNS doesn't belong to network");
  if (dns === host) throw new QapiError('DNS must be different from host');
  const dhcpStart = pick(options.dhcpstart, DHCP_SUFFIX, 'DHCP start address');
  if (!contains(network, dhcpStart)) throw new QapiError("DHCP doesn't belong to network");
  if (dhcpStart === host || dhcpStart === dns) throw new QapiError('DHCP must be different from host and DNS');
  return { host, dns, dhcpStart };
}

/** QEMU's number for its one guest; the network from the start on for the guests of a switch, but no fewer. */
function poolSize(
  options: NetdevUserOptions,
  network: Network,
  { host, dns, dhcpStart }: { host: number; dns: number; dhcpStart: number },
  isShared: boolean,
): number {
  const given = options['dhcp-pool'];
  if (given !== undefined) {
    if (given < 1 || given > MAX_POOL) throw new QapiError(`'dhcp-pool' must be between 1 and ${MAX_POOL}`);
    return Number(given);
  }
  if (!isShared) return POOL_SIZE;
  const end = subnetBroadcast({ network: network.address, mask: network.mask });
  const ours = [host, dns].filter((address) => address > dhcpStart && address < end).length;
  return Math.min(Math.max(end - dhcpStart - ours, POOL_SIZE), MAX_POOL);
}

function checkTexts(options: NetdevUserOptions): void {
  const bytes = (text: string | undefined): number => (text === undefined ? 0 : new TextEncoder().encode(text).length);
  if (options.domainname === '') throw new QapiError("'domainname' parameter cannot be empty");
  if (bytes(options.domainname) > MAX_TEXT) throw new QapiError("'domainname' parameter cannot exceed 255 bytes");
  if (bytes(options.hostname) > MAX_TEXT) throw new QapiError("'vhostname' parameter cannot exceed 255 bytes");
  if (bytes(options['tftp-server-name']) > MAX_TEXT) {
    throw new QapiError("'tftp-server-name' parameter cannot exceed 255 bytes");
  }
  if (bytes(options.bootfile) > MAX_BOOTFILE) throw new QapiError("'bootfile' parameter cannot exceed 127 bytes");
}

/** What is understood but not there yet is refused by name rather than ignored. */
function refuseUnavailable(options: NetdevUserOptions, ipv4: boolean): void {
  const refuse = (what: string): never => {
    throw new QapiError(`${what} of netdev 'user' is not available in this version`);
  };
  if (options.ipv6 === true) refuse("IPv6 ('ipv6' on)");
  if (!ipv4) refuse("A network with IPv6 only ('ipv4' off)");
  for (const name of REFUSED_USER_OPTIONS) {
    const value = options[name];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    refuse(name.startsWith('ipv6-') ? `IPv6 ('${name}')` : `Option '${name}'`);
  }
}

function parseSearch(options: NetdevUserOptions): { search: string[][]; warnings: string[] } {
  const search: string[][] = [];
  const warnings: string[] = [];
  for (const { str } of options.dnssearch ?? []) {
    const labels = dnsLabels(str);
    if (labels === undefined) warnings.push(`failed to parse domain name '${str}'`);
    else search.push(labels);
  }
  return { search, warnings };
}

const reversed = <T>(list: readonly T[] | undefined): T[] => [...(list ?? [])].reverse();
