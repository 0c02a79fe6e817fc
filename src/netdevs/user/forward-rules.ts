/** The rule texts of `hostfwd`, `guestfwd` and `hostfwd_remove`, with QEMU's reasons (net/slirp.c). */
import { QapiError } from '../../qapi/error.ts';
import { formatIpv4, inetAton } from '../../wire/index.ts';
import { strtol0 } from './c-number.ts';

export interface HostForwardRule {
  readonly rule: string;
  readonly protocol: 'tcp' | 'udp';
  /** Dotted; `0.0.0.0` = any. */
  readonly hostAddress: string;
  /** 0 = any free one. */
  readonly hostPort: number;
  /** uint32. */
  readonly guestAddress: number;
  readonly guestPort: number;
}

export interface HostForwardSpec {
  readonly protocol: 'tcp' | 'udp';
  readonly hostAddress: string;
  readonly hostPort: number;
}

/**
 * `[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport`. Ports are checked to their last character; an empty host port
 * is refused.
 * @param defaultGuest where a rule leads that names no guest.
 * @throws QapiError `Invalid host forwarding rule 'R' (reason)`.
 */
export function parseHostForward(rule: string, defaultGuest: number): HostForwardRule {
  const bad = (reason: string): QapiError => new QapiError(`Invalid host forwarding rule '${rule}' (${reason})`);
  const [protocolText, afterProtocol] = cut(rule, ':');
  if (afterProtocol === undefined) throw bad('No : separators');
  const protocol = protocolOf(protocolText);
  if (protocol === undefined) throw bad('Bad protocol name');
  const [hostText, afterHost] = cut(afterProtocol, ':');
  if (afterHost === undefined) throw bad('Missing : separator');
  const hostAddress = hostText === '' ? 0 : inetAton(hostText);
  if (hostAddress === undefined) throw bad('Bad host address');
  const [hostPortText, afterPort] = cut(afterHost, '-');
  if (afterPort === undefined) throw bad('Bad host port separator');
  const hostPort = strtol0(hostPortText);
  if (hostPort === undefined || hostPort < 0 || hostPort > 65_535) throw bad('Bad host port');
  const [guestText, guestPortText] = cut(afterPort, ':');
  if (guestPortText === undefined) throw bad('Missing guest address');
  const guestAddress = guestText === '' ? defaultGuest : inetAton(guestText);
  if (guestAddress === undefined) throw bad('Bad guest address');
  const guestPort = strtol0(guestPortText);
  if (guestPort === undefined || guestPort < 1 || guestPort > 65_535) throw bad('Bad guest port');
  return { rule, protocol, hostAddress: formatIpv4(hostAddress), hostPort, guestAddress, guestPort };
}

/**
 * `[tcp|udp]:[addr]:port`, decimal.
 * @throws QapiError `invalid format`
 */
export function parseForwardSpec(spec: string): HostForwardSpec {
  const [protocolText, afterProtocol] = cut(spec, ':');
  const protocol = protocolOf(protocolText);
  const [hostText, portText] = cut(afterProtocol ?? '', ':');
  const address = hostText === '' ? 0 : inetAton(hostText);
  const wellFormed = portText !== undefined && /^[ \t]*\+?[0-9]+$/.test(portText);
  if (afterProtocol === undefined || protocol === undefined || address === undefined || !wellFormed) {
    throw new QapiError('invalid format');
  }
  return { protocol, hostAddress: formatIpv4(address), hostPort: Number.parseInt(portText, 10) };
}

/**
 * `[tcp]:[server]:port-target`: only the form is checked, and that the server is no address of ours.
 * @throws QapiError
 */
export function checkGuestForward(
  rule: string,
  isOwn: (address: number) => boolean,
  isInside: (address: number) => boolean,
): void {
  const bad = (): QapiError => new QapiError(`Invalid guest forwarding rule '${rule}'`);
  const [protocol, afterProtocol] = cut(rule, ':');
  if (afterProtocol === undefined || (protocol !== '' && protocol !== 'tcp')) throw bad();
  const [serverText, afterServer] = cut(afterProtocol, ':');
  if (afterServer === undefined) throw bad();
  const server = serverText === '' ? undefined : inetAton(serverText);
  if (serverText !== '' && server === undefined) throw bad();
  const [portText, target] = cut(afterServer, '-');
  if (target === undefined || !/^[ \t]*\+?[0-9]+$/.test(portText)) throw bad();
  const port = Number.parseInt(portText, 10);
  if (port < 1 || port > 65_535) throw bad();
  if (server !== undefined && (isOwn(server) || !isInside(server))) {
    throw new QapiError(`Conflicting/invalid host:port in guest forwarding rule '${rule}'`);
  }
}

const protocolOf = (text: string): 'tcp' | 'udp' | undefined => {
  if (text === '' || text === 'tcp') return 'tcp';
  return text === 'udp' ? 'udp' : undefined;
};

function cut(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
