/** netdev `hubport`: a port of a hub (QEMU net/hub.c). The hub itself lives in the core. */
import type { NetClient, NetdevContext } from '../../net/index.ts';
import type { NetdevHubPortOptions } from '../../schema/net.ts';

/** The driver. Rejects with QapiError: `netdev 'X' not found`. */
export async function createHubport(options: NetdevHubPortOptions, context: NetdevContext): Promise<NetClient> {
  return context.joinHub(Number(options.hubid), options.netdev);
}
