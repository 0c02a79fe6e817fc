/**
 * netdev `vde`: a port of a vde_switch (QEMU net/vde.c). The switch's protocol is spoken directly, without libvdeplug.
 * Needs unix datagram sockets of the Host.
 */
import { HostError, type NetClient, type NetdevContext } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import type { NetdevVdeOptions } from '../../schema/net.ts';
import { planVde } from './options.ts';
import { openSwitchPort } from './switch-port.ts';
import { VdeNetdev } from './vde-netdev.ts';

/** The driver. Rejects with QapiError `Could not open vde: REASON`. */
export async function createVde(options: NetdevVdeOptions, context: NetdevContext): Promise<NetClient> {
  const { host, id, signal } = context;
  const plan = planVde(options, host);
  try {
    const netdev = new VdeNetdev(context, plan, await openSwitchPort(host, plan, id, signal));
    if (signal.aborted) {
      await netdev.close();
      signal.throwIfAborted();
    }
    return netdev;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    const looked = options.sock === undefined || options.sock === '' ? `looked at ${plan.directories.join(', ')}` : '';
    throw new QapiError(`Could not open vde: ${error.message}`, {
      cause: error,
      ...(looked === '' ? {} : { hint: looked }),
    });
  }
}
