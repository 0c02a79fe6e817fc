/** The Host on Node. */
export { errnoText, hostError, toHostError } from './errno.ts';
export { createNodeHost, NodeHost, type NodeHostOptions } from './host.ts';
export { homeDirectory } from './identity.ts';
export { removeStale } from './listener.ts';
export type { NativeBinding } from './native/binding.ts';
export { builtAddon, cachedAddon, loadNative, packageRoot } from './native/load.ts';
export { setPathMode } from './path-access.ts';
export type { NodeHostCounters } from './socket-context.ts';
export { diagnosticsTrace } from './trace.ts';
