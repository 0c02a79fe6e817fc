/** The kernel's queue of ICMP errors, and which of them a guest is told. */
import type { IcmpRecord } from '../net/host.ts';
import { ICMP_FRAGMENTATION_NEEDED, ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE } from '../wire/index.ts';

/** Errors taken per event: the host drops the rest. */
export const MAX_RECORDS = 64;
/** RFC 1812 5.2.7.1 has the last of them. */
const MAX_UNREACHABLE_CODE = 15;
const MAX_TIME_EXCEEDED_CODE = 1;

export const newRecord = (): IcmpRecord => ({
  type: 0,
  code: 0,
  mtu: 0,
  offender: undefined,
  destination: undefined,
  quoted: new Uint8Array(0),
});

/**
 * An error of this host itself is none of ICMP, unless it knows the path's MTU: that becomes "fragmentation needed".
 * @returns whether the record, of an IPv4 datagram, is an error for a guest: as QEMU's user network relays them.
 */
export function isForGuest(record: IcmpRecord): boolean {
  if (record.type === -1 && record.mtu > 0) {
    record.type = ICMP_UNREACHABLE;
    record.code = ICMP_FRAGMENTATION_NEEDED;
    return true;
  }
  if (record.type === ICMP_UNREACHABLE) return record.code <= MAX_UNREACHABLE_CODE;
  return record.type === ICMP_TIME_EXCEEDED && record.code <= MAX_TIME_EXCEEDED_CODE;
}
