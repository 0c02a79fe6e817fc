import type { Endpoint } from '../../net/index.ts';
import type { Yard } from '../yard.ts';

export interface NetClientInfo {
  name: string;
  type: string;
  'queue-index': number;
  peer?: string | undefined;
  'is-netdev': boolean;
  link: boolean;
  'admin-link': boolean;
  carrier: boolean;
  info: string;
  'queued-frames': number;
  'queued-bytes': number;
  'sent-frames': number;
  'sent-bytes': number;
  'received-frames': number;
  'received-bytes': number;
  dropped: { reason: string; count: number }[];
}

/** Every net client in the order it was made; counters are per wire end, before conversion. */
export function queryNetClients(yard: Yard): NetClientInfo[] {
  return yard.network.clients().map(describe);
}

function describe(endpoint: Endpoint): NetClientInfo {
  const { counters } = endpoint;
  return {
    name: endpoint.name,
    type: endpoint.driver,
    'queue-index': 0,
    peer: endpoint.wired?.name,
    'is-netdev': endpoint.isNetdev,
    link: endpoint.linkUp,
    'admin-link': endpoint.adminUp,
    carrier: endpoint.carrierUp,
    info: endpoint.client?.info() ?? '',
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
