/** netdev `hubport`: a port of a hub (QEMU net/hub.c). The hub itself lives in the core. */
import type { NetClient, NetdevContext } from '../../net/client.ts';

/** NetdevHubPortOptions of the schema. */
export interface HubportOptions {
  readonly hubid: number | bigint;
  readonly netdev?: string | undefined;
}

/** The driver. Rejects with QapiError: `netdev 'X' not found`. */
export async function createHubport(options: HubportOptions, context: NetdevContext): Promise<NetClient> {
  return context.joinHub(Number(options.hubid), options.netdev);
}
