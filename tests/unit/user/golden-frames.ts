/** Golden frames made comparable: what legitimately differs from run to run is masked, padding is made equal. */
import { MIN_FRAME_LENGTH } from '../../../src/net/frame.ts';
import * as w from '../../../src/wire/index.ts';

/** Options of a `-netdev user,...` argument of the vectors. TFTP and guestfwd come with a later release. */
export function optionsOf(netdev: string): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const item of netdev.split(',').slice(1)) {
    const at = item.indexOf('=');
    const key = item.slice(0, at);
    const value = item.slice(at + 1);
    if (key === 'id' || key === 'tftp' || key === 'guestfwd') continue;
    if (key === 'restrict') options[key] = value === 'on';
    else if (key === 'hostfwd' || key === 'dnssearch') {
      const list = (options[key] as { str: string }[] | undefined) ?? [];
      options[key] = [...list, { str: value }];
    } else options[key] = value;
  }
  return options;
}

/** IP identification and header checksum cleared; zero-padded to the shortest Ethernet frame. */
export function normalise(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.max(frame.length, MIN_FRAME_LENGTH));
  bytes.set(frame);
  if (w.ethernetType(bytes, 0) === w.ETHERTYPE_IPV4) {
    w.put16(bytes, 18, 0);
    w.put16(bytes, 24, 0);
  }
  return bytes;
}
