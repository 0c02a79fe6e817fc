import type { Endpoint } from '../../net/index.ts';
import type { NetClientDriver, NetClientInfo } from '../../schema/net.ts';
import type { Yard } from '../yard.ts';

/** Every net client in the order it was made; counters are per wire end, before conversion. */
export function queryNetClients(yard: Yard): NetClientInfo[] {
  return yard.network.clients().map(describe);
}

function describe(endpoint: Endpoint): NetClientInfo {
  const { counters } = endpoint;
  return {
    name: endpoint.name,
    type: endpoint.driver as NetClientDriver,
    'queue-index': endpoint.queueIndex,
    peer: endpoint.wired?.name,
    'is-netdev': endpoint.isNetdev,
    link: endpoint.linkUp,
    'admin-link': endpoint.adminUp,
    carrier: endpoint.carrierUp,
    info: endpoint.info(),
    'queued-frames': endpoint.queuedFrames,
    'queued-bytes': endpoint.queuedBytes,
    'sent-frames': counters.sentFrames,
    'sent-bytes': counters.sentBytes,
    'received-frames': counters.receivedFrames,
    'received-bytes': counters.receivedBytes,
    dropped: Object.entries(counters.dropped)
      .filter(([, count]) => count > 0)
      .map(([reason, count]) => ({ reason, count })),
  };
}
