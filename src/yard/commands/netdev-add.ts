import { QapiError } from '../../qapi/index.ts';
import type { Netdev } from '../../schema/net.ts';
import { isIdentifier } from '../identifier.ts';
import type { Yard } from '../yard.ts';

/** QEMU net/net.c qmp_netdev_add: the reply carries bind and resolve errors. */
export async function netdevAdd(yard: Yard, args: Netdev): Promise<void> {
  if (!isIdentifier(args.id)) throw new QapiError("Parameter 'id' expects an identifier");
  await yard.addNetdev(args, true);
}
