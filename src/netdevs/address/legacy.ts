/**
 * IPv4 addresses in the older options' form: `HOST:PORT` of `socket`, and the host and port strings of `dgram` (QEMU
 * net/net.c, parse_host_port). A host that begins with a digit is an inet_aton address, an empty one is 0.0.0.0, any
 * other is a name. Unlike QEMU, a port with anything behind its number, or beyond 65535, is refused.
 */
import { type Host, HostError, type InetAddress } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import { formatIpv4, inetAton } from '../../wire/index.ts';

const MAX_PORT = 65535;

/** @throws QapiError with QEMU's text. */
export async function resolveHostPort(text: string, host: Host, signal: AbortSignal): Promise<InetAddress> {
  const colon = text.indexOf(':');
  if (colon < 0) {
    throw new QapiError(`host address '${text}' doesn't contain ':' separating host from port`);
  }
  return resolveLegacy(text.slice(0, colon), text.slice(colon + 1), host, signal);
}

/** @throws QapiError with QEMU's text. */
export async function resolveLegacy(name: string, port: string, host: Host, signal: AbortSignal): Promise<InetAddress> {
  return { family: 'ipv4', host: await resolveName(name, host, signal), port: parsePort(port) };
}

/** An interface's address: numeric only. @throws QapiError with QEMU's text. */
export function parseLocalAddress(text: string): string {
  const address = inetAton(text);
  if (address === undefined) throw new QapiError(`localaddr '${text}' is not a valid IPv4 address`);
  return formatIpv4(address);
}

/** 224.0.0.0/4 (RFC 5771). */
export const isMulticastIpv4 = (address: InetAddress): boolean => {
  const first = Number.parseInt(address.host, 10);
  return first >= 224 && first <= 239;
};

async function resolveName(name: string, host: Host, signal: AbortSignal): Promise<string> {
  if (name === '') return '0.0.0.0';
  if (/^[0-9]/.test(name)) {
    const address = inetAton(name);
    if (address === undefined) throw new QapiError(`host address '${name}' is not a valid IPv4 address`);
    return formatIpv4(address);
  }
  try {
    const [first] = name.includes(':') ? [] : await host.resolver.lookup(name, { family: 'ipv4', signal });
    if (first !== undefined) return first.host;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
  }
  signal.throwIfAborted();
  throw new QapiError(`can't resolve host address '${name}'`);
}

/** strtol with base 0. */
function parsePort(text: string): number {
  const digits = /^[ \t]*\+?(?:(0[xX][0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))$/.exec(text);
  const value =
    digits === null
      ? Number.NaN
      : digits[1] !== undefined
        ? Number.parseInt(digits[1], 16)
        : Number.parseInt((digits[2] ?? digits[3]) as string, digits[2] === undefined ? 10 : 8);
  if (!(value <= MAX_PORT)) throw new QapiError(`port number '${text}' is invalid`);
  return value;
}
