/** The core: net clients, the wires, hubs and the switch between them, and the Host they run on. */
export type { AnnounceParameters } from './announce.ts';
export * from './client.ts';
export * from './drop-reasons.ts';
export { Endpoint, type EndpointOptions } from './endpoint.ts';
export * from './frame.ts';
export { guardedLog } from './guarded-log.ts';
export { createGuestPort, type GuestPort, type GuestPortOptions } from './guest-port.ts';
export * from './host.ts';
export type { Hub } from './hub.ts';
export { Network, type NetworkOptions } from './network.ts';
export { programEnd } from './program-end.ts';
export { ProtectedAddresses } from './protected-addresses.ts';
export * from './shares.ts';
export type { Switch, SwitchEntry } from './switch.ts';
export type { SwitchPortInfo } from './switch-port.ts';
export { noTrace, TRACE_POINTS, type Trace, type TracePoint } from './trace.ts';
