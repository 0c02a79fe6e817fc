import type { Yard } from '../yard.ts';

/** QEMU monitor/fds.c qmp_closefd. */
export function closefd(yard: Yard, args: { fdname: string }): void {
  yard.descriptors.closeNamed(args.fdname);
}
