/**
 * netdev `l2tpv3`: Ethernet frames in an unmanaged L2TPv3 session, over UDP or directly over IP (QEMU net/l2tpv3.c).
 *
 * As in QEMU, datagrams of any source are taken: what tells the peer apart is session and cookie. Unlike QEMU, datagrams
 * are taken whole whatever their length, an IPv4 header may have options, and the offset's bytes are zeros.
 */
import type { Family, NetClient, NetdevContext } from '../../net/index.ts';
import type { NetdevL2TPv3Options } from '../../schema/net.ts';
import { DatagramWire } from '../datagram/index.ts';
import { L2tpv3Framing } from './l2tpv3-framing.ts';
import { openSocket, resolveEnd } from './open.ts';
import { planLayout } from './options.ts';

/** Longest payload of a UDP datagram or raw IP packet: 65535 less what stands in front of it, which IPv6 does not count. */
const MAX_PAYLOAD = {
  ipv4: { udp: 65_507, raw: 65_515 },
  ipv6: { udp: 65_527, raw: 65_535 },
} as const;

/** The driver. Rejects with QapiError with QEMU's text. */
export async function createL2tpv3(options: NetdevL2TPv3Options, context: NetdevContext): Promise<NetClient> {
  const { srcPort, dstPort, ...layout } = planLayout(options);
  const family: Family = options.ipv6 === true ? 'ipv6' : 'ipv4';
  const source = await resolveEnd('src', options.src, srcPort, family, context);
  const destination = await resolveEnd('dst', options.dst, dstPort, family, context);
  const socket = await openSocket(source, layout.udp, context);
  // At most once: a stranger's datagrams must not fill the log, the counters tell how many there were.
  let told = false;
  const framing = new L2tpv3Framing({
    ...layout,
    onMismatch: (text) => {
      if (told) return;
      told = true;
      context.log.warn(`netdev '${context.id}': l2tpv3 header verification failed: ${text}`);
    },
  });
  return new DatagramWire(context, {
    socket,
    remote: destination,
    info: 'l2tpv3: connected',
    framing,
    maxDatagram: MAX_PAYLOAD[family][layout.udp ? 'udp' : 'raw'],
  });
}
