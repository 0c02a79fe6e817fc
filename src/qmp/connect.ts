/** connect() as a bundle for a page gets it: over a transport or a WebSocket. Node's also takes addresses. */
import type { QmpSchema } from '../qapi/index.ts';
import type { NetyardSchema } from '../schema/net.ts';
import { openQmpConnection, type QmpConnection, type QmpOpenOptions } from './connection.ts';
import { QmpSessionError } from './errors.ts';
import { Patience } from './patience.ts';
import { type QmpTransport, type WebSocketLike, webSocketTransport } from './transport.ts';

/** `unix:PATH`, a bare path, `tcp:HOST:PORT`, or the same in parts. Needs Node. */
export type QmpAddress = string | { readonly path: string } | { readonly host: string; readonly port: number };

export interface ConnectOptions extends QmpOpenOptions {
  /** For connecting, greeting and negotiation together; then NY_QMP_TIMEOUT. Default: none. */
  readonly timeoutMs?: number | undefined;
}

/** One signature for every platform, so that code type-checks the same wherever it is bundled. */
export interface Connect {
  <S extends QmpSchema = NetyardSchema>(
    to: QmpAddress | QmpTransport | WebSocketLike,
    options?: ConnectOptions & { readonly bigint?: false | undefined },
  ): Promise<QmpConnection<S>>;
  <S extends QmpSchema = NetyardSchema>(
    to: QmpAddress | QmpTransport | WebSocketLike,
    options: ConnectOptions & { readonly bigint: true },
  ): Promise<QmpConnection<S, number | bigint>>;
}

/**
 * Opens a session over a transport or a WebSocket.
 * @throws QmpSessionError NY_QMP_USAGE for an address: only Node's `netyard/qmp` opens sockets
 */
export const connect: Connect = async (
  to: QmpAddress | QmpTransport | WebSocketLike,
  options: ConnectOptions = {},
): Promise<never> => {
  const transport = transportOf(to);
  if (transport === undefined) {
    throw new QmpSessionError('NY_QMP_USAGE', 'addresses need Node: give connect() a WebSocket or a transport here');
  }
  return (await openWithin(options, () => transport)) as never;
};

/** The transport given, or made of the WebSocket given; undefined for an address. */
export function transportOf(to: QmpAddress | QmpTransport | WebSocketLike): QmpTransport | undefined {
  if (typeof to === 'string') return undefined;
  if ('addEventListener' in to) return webSocketTransport(to);
  return 'send' in to ? to : undefined;
}

/** Opens a session on the transport that `make` gives, all within the options' signal and time. */
export async function openWithin(
  options: ConnectOptions,
  make: (signal: AbortSignal | undefined) => QmpTransport | Promise<QmpTransport>,
): Promise<QmpConnection> {
  const patience = new Patience(
    options,
    (ms) => `no QMP session within ${ms} ms (QEMU serves one client per monitor: another may hold it)`,
  );
  try {
    const made = make(patience.over);
    // A transport that is there already may deliver in this very turn.
    const transport = made instanceof Promise ? await made : made;
    return await openQmpConnection(transport, { signal: patience.over, bigint: options.bigint });
  } catch (error) {
    throw patience.explain(error);
  }
}
