/** The drivers that need nothing but the Host, by the schema's name (NetClientDriver). */
export type { SocketAddressOption } from './address/index.ts';
export { createHubport, type HubportOptions } from './hubport/index.ts';
export { createListener, type ListenerOptions } from './listener/index.ts';
export { createStream, type StreamOptions } from './stream/index.ts';
export { createUserNetdev } from './user/index.ts';
