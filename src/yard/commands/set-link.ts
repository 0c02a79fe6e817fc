import { deviceNotFound } from '../errors.ts';
import type { Yard } from '../yard.ts';

/** QEMU net/net.c qmp_set_link. */
export function setLink(yard: Yard, args: { name: string; up: boolean }): void {
  if (!yard.network.setLink(args.name, args.up)) throw deviceNotFound(args.name);
}
