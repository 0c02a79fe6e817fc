import type { NetSwitchInfo } from '../../schema/net.ts';
import { formatMac } from '../../wire/index.ts';
import type { Yard } from '../yard.ts';

/** The yard's switch: its address table, ports and counters; empty with -nodefaults. */
export function queryNetSwitch(yard: Yard): NetSwitchInfo {
  const { switch: bridge } = yard.network;
  if (bridge === undefined) return { addresses: [], ports: [], 'trusted-ports': [], 'flooded-frames': 0, cap: 0 };
  return {
    addresses: bridge.table().map((entry) => ({
      mac: formatMac(entry.mac),
      port: entry.port,
      static: entry.static,
      'age-seconds': entry.ageSeconds,
    })),
    ports: bridge.ports().map((port) => port.name),
    'trusted-ports': bridge
      .ports()
      .filter((port) => port.trusted)
      .map((port) => port.name),
    'flooded-frames': bridge.floodedFrames,
    cap: bridge.cap,
  };
}
