import type { AnnounceParameters } from '../../schema/net.ts';
import type { Yard } from '../yard.ts';

/** QEMU net/announce.c qmp_announce_self. */
export function announceSelf(yard: Yard, args: AnnounceParameters): void {
  yard.network.announce({
    initial: Number(args.initial),
    max: Number(args.max),
    // QEMU keeps the rounds in an int: the number is cut to 32 bits, signed.
    rounds: Number(BigInt.asIntN(32, BigInt(args.rounds))),
    step: Number(args.step),
    interfaces: args.interfaces,
    id: args.id,
  });
}
