/** Addresses and socket of l2tpv3, with QEMU's texts. */
import {
  type DatagramOptions,
  type DatagramSocket,
  type Family,
  HostError,
  type InetAddress,
  type NetdevContext,
  type ResolvedAddress,
} from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';

/** IPPROTO_L2TP (RFC 3931 section 4.1.1). */
const PROTOCOL_L2TP = 115;
const MAX_PORT = 65535;
/** QEMU shows Linux's numbers instead of texts. */
const ERROR_NUMBERS: Readonly<Record<string, number>> = {
  EPERM: 1,
  ENOMEM: 12,
  EACCES: 13,
  ENODEV: 19,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EPROTONOSUPPORT: 93,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ENOBUFS: 105,
};
/** What socket(2) fails with, and bind(2) does not. */
const CREATION_ERRORS: ReadonlySet<string> = new Set([
  'EPERM',
  'ENOMEM',
  'ENFILE',
  'EMFILE',
  'EPROTONOSUPPORT',
  'EAFNOSUPPORT',
  'ENOBUFS',
]);

/**
 * The first address of a name.
 * @param what `src` or `dst`: QEMU words the two differently.
 * @param port digits, or '' for none. Numbers only: the Host has no table of service names.
 * @throws QapiError with QEMU's text.
 */
export async function resolveEnd(
  what: 'src' | 'dst',
  name: string,
  port: string,
  family: Family,
  { host, signal }: NetdevContext,
): Promise<InetAddress> {
  const label = what === 'src' ? 'could not resolve src, errno' : 'could not resolve dst, error';
  const number = port === '' ? 0 : /^[0-9]{1,9}$/.test(port) ? Number(port) : Number.NaN;
  if (!(number <= MAX_PORT)) throw new QapiError(`${label} = Servname not supported for ai_socktype`);
  let first: ResolvedAddress | undefined;
  try {
    if (name !== '') [first] = await host.resolver.lookup(name, { family, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof HostError)) throw error;
    throw new QapiError(`${label} = ${error.message}`, { cause: error });
  }
  if (first === undefined) throw new QapiError(`${label} = Name or service not known`);
  // A resolver may give numeric addresses back as they are.
  if (first.family !== family) throw new QapiError(`${label} = Address family for hostname not supported`);
  return { family, host: first.host, port: number };
}

/** @throws QapiError with QEMU's text and a hint that says it in words. */
export async function openSocket(
  source: InetAddress,
  udp: boolean,
  { host, signal }: NetdevContext,
): Promise<DatagramSocket> {
  const options: DatagramOptions = {
    family: source.family,
    bind: source,
    ...(udp ? {} : { rawProtocol: PROTOCOL_L2TP }),
  };
  let socket: DatagramSocket;
  try {
    socket = await host.sockets.datagram(options);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    if (error.code === 'ENOTSUP') throw new QapiError(error.message, { cause: error });
    const number = ERROR_NUMBERS[error.code] ?? error.code;
    const text = CREATION_ERRORS.has(error.code)
      ? `socket creation failed, errno = ${number}`
      : `could not bind socket err=${number}`;
    throw new QapiError(text, { cause: error, hint: hintOf(error, udp) });
  }
  if (signal.aborted) {
    await socket.close();
    signal.throwIfAborted();
  }
  return socket;
}

function hintOf(error: HostError, udp: boolean): string {
  return error.code === 'EPERM' && !udp
    ? `${error.message}: without udp=on this needs the capability CAP_NET_RAW`
    : error.message;
}
