import { QapiError } from '../../qapi/index.ts';
import type { NetdevStreamOptions } from '../../schema/net.ts';
import { refuseMptcp, type SocketAddressOption } from '../address/index.ts';

export interface StreamConfig {
  readonly addr: SocketAddressOption;
  readonly server: boolean;
  /** 0 = never. */
  readonly reconnectMs: number;
}

/** @throws QapiError with QEMU's text. */
export function streamConfig(options: NetdevStreamOptions): StreamConfig {
  const { addr, reconnect, 'reconnect-ms': reconnectMs } = options;
  const server = options.server === true;
  if (server && (reconnect !== undefined || reconnectMs !== undefined)) {
    throw new QapiError(
      reconnectMs === undefined
        ? "'reconnect' option is incompatible with socket in server mode"
        : "'reconnect' and 'reconnect-ms' options are incompatible with socket in server mode",
    );
  }
  if (reconnect !== undefined && reconnectMs !== undefined) {
    throw new QapiError("'reconnect' and 'reconnect-ms' are mutually exclusive");
  }
  refuseMptcp('stream', addr);
  const interval = reconnectMs === undefined ? Number(reconnect ?? 0) * 1000 : Number(reconnectMs);
  return { addr, server, reconnectMs: Math.max(0, interval) };
}
