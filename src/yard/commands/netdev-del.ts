import type { Yard } from '../yard.ts';

/** QEMU net/net.c qmp_netdev_del. */
export async function netdevDel(yard: Yard, args: { id: string }): Promise<void> {
  await yard.netdevs.delete(args.id);
}
