/** Listening and connecting at a SocketAddress option: every resolved address in turn (QEMU util/qemu-sockets.c). */
import {
  type Host,
  HostError,
  type Listener,
  type ResolvedAddress,
  type SocketAddress,
  type StreamSocket,
} from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import type { InetOption, SocketAddressOption, UnixOption, VsockOption } from './option.ts';
import {
  inetText,
  isV6Only,
  portNumber,
  refuseMptcp,
  resolveInet,
  unixAddress,
  vsockAddress,
  withPort,
} from './socket-address.ts';

/** QEMU's `to` may span every port; each try is a system call. */
const MAX_PORTS_TRIED = 65536;

/**
 * Listens at the first address and port that can be had.
 * @param driver for the text of refusals.
 * @throws QapiError with QEMU's text; aborted signals reject with their reason.
 */
export async function listenAt(
  driver: string,
  option: SocketAddressOption,
  host: Host,
  signal: AbortSignal,
  options: { backlog?: number; mode?: number },
): Promise<Listener> {
  refuseMptcp(driver, option);
  let listener: Listener;
  if (option.type === 'unix') listener = await listenUnix(option, host, options);
  else if (option.type === 'inet') listener = await listenInet(option, host, signal, options);
  else if (option.type === 'vsock') listener = await listenVsock(option, host, options);
  else throw new QapiError(`${driver}: unsupported address`);
  if (signal.aborted) {
    await listener.close();
    signal.throwIfAborted();
  }
  return listener;
}

async function listenUnix(option: UnixOption, host: Host, options: { backlog?: number; mode?: number }) {
  try {
    return await host.sockets.listen(unixAddress(option), options);
  } catch (error) {
    throw worded(error, `Failed to bind socket to ${option.path}`);
  }
}

async function listenVsock(option: VsockOption, host: Host, options: { backlog?: number }) {
  try {
    return await host.sockets.listen(vsockAddress(option), options);
  } catch (error) {
    throw worded(error, 'Failed to bind socket');
  }
}

async function listenInet(
  option: InetOption,
  host: Host,
  signal: AbortSignal,
  options: { backlog?: number },
): Promise<Listener> {
  if (option['keep-alive'] === true) throw new QapiError('keep-alive option is not supported for passive sockets');
  const port = portNumber(option);
  const last = option.to === undefined ? port : Math.min(Number(option.to), 65535);
  const addresses = await resolveInet(option, true, host, signal);
  if (last < port) throw new QapiError('Failed to create a socket: Invalid argument');
  let tried = 0;
  for (const address of addresses) {
    for (let p = port; p <= last && tried < MAX_PORTS_TRIED && !signal.aborted; p++, tried++) {
      try {
        return await tryListen(host, address, p, option, options);
      } catch (error) {
        if (!(error instanceof HostError)) throw error;
        if (error.code === 'EAFNOSUPPORT') break;
        if (error.code !== 'EADDRINUSE') throw worded(error, 'Failed to bind socket');
      }
    }
  }
  signal.throwIfAborted();
  throw new QapiError('Failed to find an available port: Address already in use');
}

async function tryListen(
  host: Host,
  address: ResolvedAddress,
  port: number,
  option: InetOption,
  options: { backlog?: number },
): Promise<Listener> {
  const at = withPort(address, port);
  const v6Only = isV6Only(option);
  try {
    return await host.sockets.listen(at, { ...options, v6Only });
  } catch (error) {
    // Somebody has the IPv4 half of that port: the IPv6 half alone may be free.
    const retry = address.family === 'ipv6' && !v6Only && error instanceof HostError && error.code === 'EADDRINUSE';
    if (!retry) throw error;
    return host.sockets.listen(at, { ...options, v6Only: true });
  }
}

/** An attempt to connect: `cancel` ends it without a word. */
export interface ConnectAttempt {
  cancel(): void;
}

/**
 * Connects to the first address that answers. Exactly one of the callbacks is called, later, unless cancelled.
 * @param onConnected gets the connected socket, whose onEvent it sets at once.
 */
export function connectTo(
  driver: string,
  option: SocketAddressOption,
  host: Host,
  signal: AbortSignal,
  onConnected: (socket: StreamSocket) => void,
  onFailed: (error: Error) => void,
): ConnectAttempt {
  let cancelled = false;
  let current: StreamSocket | undefined;
  const attempt = async (): Promise<void> => {
    const targets = await targetsOf(driver, option, host, signal);
    const keepAlive = option.type === 'inet' && option['keep-alive'] === true;
    const text = option.type === 'inet' ? inetText(option) : option.type === 'unix' ? option.path : vsockText(option);
    const next = (index: number, failure: HostError | undefined): void => {
      if (cancelled) return;
      const target = targets[index];
      if (target === undefined) {
        onFailed(worded(failure, `Failed to connect to '${text}'`));
        return;
      }
      const socket = host.sockets.connect(target, { keepAlive });
      current = socket;
      socket.onEvent = (event) => {
        if (cancelled) return;
        if (event === 'connected') {
          current = undefined;
          onConnected(socket);
        } else if (event === 'error' || event === 'closed') {
          const { error } = socket;
          socket.close();
          next(index + 1, error);
        }
      };
    };
    next(0, undefined);
  };
  attempt().catch((error: unknown) => {
    if (!cancelled) onFailed(error instanceof Error ? error : new QapiError(String(error)));
  });
  return {
    cancel: () => {
      cancelled = true;
      current?.close();
    },
  };
}

async function targetsOf(
  driver: string,
  option: SocketAddressOption,
  host: Host,
  signal: AbortSignal,
): Promise<readonly SocketAddress[]> {
  refuseMptcp(driver, option);
  if (option.type === 'unix') return [unixAddress(option)];
  if (option.type === 'vsock') return [vsockAddress(option)];
  if (option.type !== 'inet') throw new QapiError(`${driver}: unsupported address`);
  const port = portNumber(option);
  const addresses = await resolveInet(option, false, host, signal);
  return addresses.map((address) => withPort(address, port));
}

const vsockText = (option: SocketAddressOption): string =>
  option.type === 'vsock' ? `${option.cid}:${option.port}` : '';

/** QEMU's words in front of the reason; a reason that is a sentence of its own stands alone. */
function worded(error: unknown, prefix: string): Error {
  if (!(error instanceof HostError))
    return error instanceof Error ? error : new QapiError(`${prefix}: ${String(error)}`);
  const alone =
    error.code === 'ENOTSUP' || error.message.startsWith('UNIX socket path') || error.message.startsWith('Failed to');
  return new QapiError(alone ? error.message : `${prefix}: ${error.message}`, { cause: error });
}
