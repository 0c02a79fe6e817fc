/** `-netdev help`: the backends this yard has, in QEMU's order (net/net.c show_netdevs). */
import type { Yard } from './yard.ts';

const ORDER = [
  'socket',
  'stream',
  'dgram',
  'hubport',
  'tap',
  'user',
  'l2tpv3',
  'vde',
  'bridge',
  'netmap',
  'af-xdp',
  'vhost-user',
  'vhost-vdpa',
  'listener',
];

export function netdevHelp(yard: Yard): string[] {
  return ['Available netdev backend types:', ...ORDER.filter((type) => yard.netdevs.hasDriver(type))];
}
