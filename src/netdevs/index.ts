/** The drivers that need nothing but the Host, by the schema's name (NetClientDriver). */
import type { NetdevFactory } from '../net/index.ts';
import { createBridge } from './bridge/index.ts';
import { createDgram } from './dgram/index.ts';
import { createHubport } from './hubport/index.ts';
import { createL2tpv3 } from './l2tpv3/index.ts';
import { createListener } from './listener/index.ts';
import { createSocket } from './socket/index.ts';
import { createStream } from './stream/index.ts';
import { createTap } from './tap/index.ts';
import { createUserNetdev } from './user/index.ts';
import { createVde } from './vde/index.ts';

export { checkNetdevOptions } from './check-options.ts';
export { vdeDirectories } from './vde/options.ts';
export {
  createBridge,
  createDgram,
  createHubport,
  createL2tpv3,
  createListener,
  createSocket,
  createStream,
  createTap,
  createUserNetdev,
  createVde,
};

/** A table for a yard: each driver takes the options of its own branch of the schema, which has checked them. */
export const portableDrivers = {
  dgram: createDgram,
  hubport: createHubport,
  listener: createListener,
  socket: createSocket,
  stream: createStream,
  user: createUserNetdev,
} satisfies Record<string, NetdevFactory<never>>;

/** Those that need more of the Host than sockets: its kernel. */
export const nativeDrivers = {
  bridge: createBridge,
  l2tpv3: createL2tpv3,
  tap: createTap,
  vde: createVde,
} satisfies Record<string, NetdevFactory<never>>;
