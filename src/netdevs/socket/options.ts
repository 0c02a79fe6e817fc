import { QapiError } from '../../qapi/index.ts';
import type { NetdevSocketOptions } from '../../schema/net.ts';

/** @throws QapiError with QEMU's text when the options do not go together. */
export function checkSocketOptions(options: NetdevSocketOptions): void {
  const { fd, listen, connect, mcast, localaddr, udp } = options;
  const modes = [fd, listen, connect, mcast, udp].filter((value) => value !== undefined).length;
  if (modes !== 1) throw new QapiError('exactly one of listen=, connect=, mcast= or udp= is required');
  if (localaddr !== undefined && mcast === undefined && udp === undefined) {
    throw new QapiError('localaddr= is only valid with mcast= or udp=');
  }
  if (udp !== undefined && localaddr === undefined) throw new QapiError('localaddr= is mandatory with udp=');
}
