import { QapiError } from '../../qapi/error.ts';

/** NetdevSocketOptions of the schema. */
export interface SocketOptions {
  readonly fd?: string | undefined;
  /** HOST:PORT */
  readonly listen?: string | undefined;
  /** HOST:PORT */
  readonly connect?: string | undefined;
  /** GROUP:PORT */
  readonly mcast?: string | undefined;
  /** HOST:PORT with udp, an interface's address with mcast. */
  readonly localaddr?: string | undefined;
  /** HOST:PORT */
  readonly udp?: string | undefined;
}

/** @throws QapiError with QEMU's text when the options do not go together. */
export function checkSocketOptions(options: SocketOptions): void {
  const { fd, listen, connect, mcast, localaddr, udp } = options;
  const modes = [fd, listen, connect, mcast, udp].filter((value) => value !== undefined).length;
  if (modes !== 1) throw new QapiError('exactly one of listen=, connect=, mcast= or udp= is required');
  if (localaddr !== undefined && mcast === undefined && udp === undefined) {
    throw new QapiError('localaddr= is only valid with mcast= or udp=');
  }
  if (udp !== undefined && localaddr === undefined) throw new QapiError('localaddr= is mandatory with udp=');
}
