/** Monitors on sockets and stdio: how people and programs reach a yard. */
export {
  type Chardev,
  type ChardevAddress,
  type MonitorSpec,
  monitorOn,
  parseChardev,
  parseHmpDevice,
  parseMon,
  parseQmpDevice,
} from './chardev.ts';
export type { MonitorCounters, MonitorOptions, QmpMonitor } from './monitor.ts';
export { startQmpMonitor } from './qmp-monitor.ts';
