import { QapiError } from '../../qapi/index.ts';
import type { Yard } from '../yard.ts';

/** QEMU net/net.c qmp_query_rx_filter. In-process guests have no receive filter, as many of QEMU's NICs. */
export function queryRxFilter(yard: Yard, args: { name?: string | undefined }): never[] {
  if (args.name === undefined) return [];
  const [client] = yard.network.find(args.name);
  if (client === undefined) throw new QapiError(`invalid net client name: ${args.name}`);
  if (client.driver !== 'nic') throw new QapiError(`net client(${args.name}) isn't a NIC`);
  throw new QapiError(`net client(${args.name}) doesn't support rx-filter querying`);
}
