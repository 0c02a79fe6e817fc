/** ICMP errors about datagrams sent earlier: the kernel's error queue (ip(7), IP_RECVERR). */
import { type IcmpRecord, isInet } from '../../net/index.ts';
import type { NativeContext } from './context.ts';
import { SOCKADDR_BYTES } from './sockaddr.ts';

const SO_EE_ORIGIN_ICMP = 2;
const SO_EE_ORIGIN_ICMP6 = 3;
/** ICMP's "fragmentation needed" and ICMPv6's "packet too big" carry an MTU. */
const ICMP_UNREACHABLE = 3;
const ICMP_FRAGMENTATION_NEEDED = 4;
const ICMP6_PACKET_TOO_BIG = 2;
const EMSGSIZE = 90;
const QUOTE_BYTES = 2048;

/** Read by one call and consumed by the next: one for all sockets of a host. */
export class ErrorQueue {
  readonly #context: NativeContext;
  readonly #quoted = new Uint8Array(QUOTE_BYTES);
  /** [errno, origin, type, code, info, addressLength, offenderLength] */
  readonly #detail = new Int32Array(7);
  readonly #destination = new Uint8Array(SOCKADDR_BYTES);
  readonly #offender = new Uint8Array(SOCKADDR_BYTES);

  constructor(context: NativeContext) {
    this.#context = context;
  }

  /** Takes the oldest. @returns its errno as a positive number, 0 = the queue is empty. */
  next(fd: number, record: IcmpRecord | undefined): number {
    const detail = this.#detail;
    const { binding, addresses } = this.#context;
    const quoted = this.#quoted;
    const count = binding.receiveError(fd, quoted, 0, quoted.length, detail, this.#destination, this.#offender);
    if (count < 0) return 0;
    const errno = detail[0] as number;
    if (record !== undefined) {
      const origin = detail[1] as number;
      const icmp = origin === SO_EE_ORIGIN_ICMP || origin === SO_EE_ORIGIN_ICMP6;
      const code = detail[3] as number;
      record.type = icmp ? (detail[2] as number) : -1;
      record.code = code;
      record.mtu = carriesMtu(origin, record.type, code, errno) ? (detail[4] as number) : 0;
      const destination = addresses.decode(this.#destination, 0, detail[5] as number);
      const offender = addresses.decode(this.#offender, 0, detail[6] as number);
      record.destination = destination !== undefined && isInet(destination) ? destination : undefined;
      record.offender = offender !== undefined && isInet(offender) ? offender : undefined;
      record.quoted = quoted.subarray(0, Math.min(count, quoted.length));
    }
    return errno === 0 ? 1 : errno;
  }
}

function carriesMtu(origin: number, type: number, code: number, errno: number): boolean {
  if (origin === SO_EE_ORIGIN_ICMP) return type === ICMP_UNREACHABLE && code === ICMP_FRAGMENTATION_NEEDED;
  if (origin === SO_EE_ORIGIN_ICMP6) return type === ICMP6_PACKET_TOO_BIG;
  return errno === EMSGSIZE;
}
