/**
 * SocketAddress options to addresses of the Host (QEMU util/qemu-sockets.c): which families an inet address may use, which
 * ports, and how unix names are spelled. Errors carry QEMU's texts.
 */
import {
  type Family,
  type Host,
  HostError,
  type InetAddress,
  type ResolvedAddress,
  type UnixAddress,
  type VsockAddress,
} from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import { parseIpv4Text, parseIpv6Text } from '../../wire/index.ts';
import type { InetOption, SocketAddressOption, UnixOption, VsockOption } from './option.ts';

/** sockaddr_un.sun_path, bytes. */
const SUN_PATH_BYTES = 108;
const MAX_PORT = 65535;
const MAX_U32 = 0xffffffff;

/** Families an inet option allows: one, or both (undefined). */
export function allowedFamily(option: InetOption): Family | undefined {
  const { ipv4, ipv6, host } = option;
  if (ipv4 === false && ipv6 === false) throw new QapiError('Cannot disable IPv4 and IPv6 at same time');
  if (ipv4 === true && ipv6 === true) return host === '' ? 'ipv6' : undefined;
  if (ipv6 === true || ipv4 === false) return 'ipv6';
  if (ipv4 === true || ipv6 === false) return 'ipv4';
  return undefined;
}

/** A listening IPv6 socket takes IPv4 as well unless exactly one family was asked for. */
export const isV6Only = (option: InetOption): boolean =>
  !(option.ipv4 === undefined && option.ipv6 === undefined) && !(option.ipv4 === true && option.ipv6 === true);

/**
 * Port number of an option. Numbers only: the Host has no table of service names, and a number beyond 65535 is refused
 * where the C library would take it modulo 65536.
 */
export function portNumber(option: InetOption): number {
  const { port } = option;
  const value = port === '' ? 0 : /^[0-9]{1,9}$/.test(port) ? Number(port) : Number.NaN;
  if (!(value <= MAX_PORT)) throw resolutionError(option, 'Servname not supported for ai_socktype');
  return value;
}

/**
 * All addresses to try, in order.
 * @param passive for listening: an empty host is every address.
 * @throws QapiError with QEMU's text.
 */
export async function resolveInet(
  option: InetOption,
  passive: boolean,
  host: Host,
  signal: AbortSignal,
): Promise<readonly ResolvedAddress[]> {
  const family = allowedFamily(option);
  const name = option.host;
  if (name === '') {
    if (!passive) throw resolutionError(option, 'Name or service not known');
    const any: ResolvedAddress[] = [
      { family: 'ipv4', host: '0.0.0.0' },
      { family: 'ipv6', host: '::' },
    ];
    return any.filter((address) => family === undefined || address.family === family);
  }
  const literal = numericFamily(name);
  if (literal !== undefined) {
    if (family === undefined || family === literal) return [{ family: literal, host: name }];
    // AI_V4MAPPED, which only a connecting socket asks for.
    if (literal === 'ipv4' && !passive) return [{ family: 'ipv6', host: `::ffff:${name}` }];
    throw resolutionError(option, 'Address family for hostname not supported');
  }
  if (option.numeric === true && passive) throw resolutionError(option, 'Name or service not known');
  try {
    return await host.resolver.lookup(name, { signal, ...(family === undefined ? {} : { family }) });
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    if (family === 'ipv6' && !passive && NO_SUCH_ADDRESS.has(error.code)) {
      const mapped = await mappedIpv4(name, host, signal);
      if (mapped.length > 0) return mapped;
    }
    throw resolutionError(option, error.message, error);
  }
}

/** What getaddrinfo says of a name that has no address of the family. */
const NO_SUCH_ADDRESS: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_NONAME', 'EAI_NODATA', 'EAI_ADDRFAMILY']);

/** AI_V4MAPPED of a name: its IPv4 addresses as IPv6 writes them. */
async function mappedIpv4(name: string, host: Host, signal: AbortSignal): Promise<readonly ResolvedAddress[]> {
  try {
    const found = await host.resolver.lookup(name, { signal, family: 'ipv4' });
    return found.map((address) => ({ family: 'ipv6', host: `::ffff:${address.host}` }));
  } catch (error) {
    // The first answer is told.
    if (error instanceof HostError) return [];
    throw error;
  }
}

/** Whether `resolveInet` answers without asking anybody. */
export const isNumeric = (option: SocketAddressOption): boolean =>
  option.type !== 'inet' || option.host === '' || numericFamily(option.host) !== undefined;

/** A unix option as the Host names it: see UnixAddress. */
export function unixAddress(option: UnixOption): UnixAddress {
  const { path } = option;
  if (option.abstract !== true) return { family: 'unix', path };
  const bytes = new TextEncoder().encode(path).length;
  if (bytes > SUN_PATH_BYTES - 1) throw new QapiError(`UNIX socket path '${path}' is too long`);
  const padding = option.tight === false ? SUN_PATH_BYTES - 1 - bytes : 0;
  return { family: 'unix', path: `\0${path}${'\0'.repeat(padding)}` };
}

/** `H:P` as QEMU's messages have it. */
export const inetText = (option: InetOption): string => `${option.host}:${option.port}`;

export const withPort = (address: ResolvedAddress, port: number): InetAddress => ({
  family: address.family,
  host: address.host,
  port,
});

/** cid and port of a vsock option, as strtoul reads them (QEMU util/qemu-sockets.c). */
export function vsockAddress(option: VsockOption): VsockAddress {
  const { cid, port } = option;
  const number = (text: string): number => (/^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN);
  if (!(number(cid) <= MAX_U32)) throw new QapiError(`Failed to parse cid '${cid}'`);
  if (!(number(port) <= MAX_U32)) throw new QapiError(`Failed to parse port '${port}'`);
  return { family: 'vsock', cid: number(cid), port: number(port) };
}

/** Multipath TCP is refused, as QEMU does where it was built without. */
export function refuseMptcp(driver: string, option: SocketAddressOption): void {
  if (option.type !== 'inet' || option.mptcp !== true) return;
  throw new QapiError(`${driver}: addr.mptcp=on is not supported: netyard speaks plain TCP`);
}

function numericFamily(host: string): Family | undefined {
  if (parseIpv4Text(host) !== undefined) return 'ipv4';
  const zone = host.indexOf('%');
  return parseIpv6Text(zone < 0 ? host : host.slice(0, zone)) === undefined ? undefined : 'ipv6';
}

function resolutionError(option: InetOption, reason: string, cause?: unknown): QapiError {
  return new QapiError(`address resolution failed for ${inetText(option)}: ${reason}`, { cause });
}
