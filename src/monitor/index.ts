/** Monitors on sockets and stdio: how people and programs reach a yard. */
export {
  asksForChardevHelp,
  type Chardev,
  type ChardevAddress,
  chardevHelp,
  type MonitorSpec,
  monitorOn,
  parseChardev,
  parseChardevReference,
  parseHmpDevice,
  parseMon,
  parseQmpDevice,
} from './chardev.ts';
export type { MonitorCounters, MonitorOptions, QmpMonitor } from './monitor.ts';
export { startQmpMonitor } from './qmp-monitor.ts';
