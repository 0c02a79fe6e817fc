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
export { type MonitorCounters, type MonitorOptions, type QmpMonitor, startQmpMonitor } from './qmp-monitor.ts';
