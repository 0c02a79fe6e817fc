/** Options of l2tpv3: QEMU's checks, in its order and words (QEMU net/l2tpv3.c, net_init_l2tpv3). */
import { QapiError } from '../../qapi/index.ts';
import type { NetdevL2TPv3Options } from '../../schema/net.ts';
import type { L2tpv3Layout } from './l2tpv3-framing.ts';

/** The first that QEMU refuses is 257, its text notwithstanding. */
const MAX_OFFSET = 256;
const MAX_U32 = 0xffff_ffffn;

/** @throws QapiError */
export function planLayout(
  options: NetdevL2TPv3Options,
): Omit<L2tpv3Layout, 'onMismatch'> & { readonly srcPort: string; readonly dstPort: string } {
  const { offset, rxcookie, txcookie, txsession, rxsession, counter, pincounter, srcport, dstport } = options;
  const udp = options.udp === true;
  if (Number(offset ?? 0) > MAX_OFFSET) throw new QapiError('offset must be less than 256 bytes');
  const cookies = planCookies(rxcookie, txcookie, options.cookie64 === true);
  if (udp && (srcport === undefined || dstport === undefined)) {
    throw new QapiError('need both src and dst port for udp');
  }
  return {
    udp,
    ipHeader: !udp && options.ipv6 !== true,
    txSession: Number(txsession),
    rxSession: Number(rxsession ?? txsession),
    cookies,
    // pincounter alone asks for nothing: as in QEMU, it only changes what a counter says.
    counter: counter !== true ? 'none' : pincounter === true ? 'pinned' : 'counting',
    offset: Number(offset ?? 0),
    srcPort: udp ? (srcport ?? '') : '',
    dstPort: udp ? (dstport ?? '') : '',
  };
}

function planCookies(
  rx: number | bigint | undefined,
  tx: number | bigint | undefined,
  wide: boolean,
): L2tpv3Layout['cookies'] {
  if (rx === undefined && tx === undefined) return undefined;
  if (rx === undefined || tx === undefined) throw new QapiError("require both 'rxcookie' and 'txcookie' or neither");
  const cookies = { bytes: wide ? 8 : 4, tx: BigInt(tx), rx: BigInt(rx) } as const;
  // In QEMU such a netdev comes up and takes no frame ever.
  for (const [name, value] of [
    ['rxcookie', cookies.rx],
    ['txcookie', cookies.tx],
  ] as const) {
    if (!wide && value > MAX_U32) throw new QapiError(`${name} has more than 32 bits: it needs cookie64=on`);
  }
  return cookies;
}
