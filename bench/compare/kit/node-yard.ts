/**
 * A yard whose `user` has the sockets of node:net and whose tap has the addon: what the program does with either alone,
 * so that both can be measured at the same interface. Takes -netdev options.
 */
import { setFlagsFromString } from 'node:v8';
import type { Host } from '../../../src/net/index.ts';
import { nativeDrivers, portableDrivers } from '../../../src/netdevs/index.ts';
import { createNodeHost } from '../../../src/node/index.ts';
import { openYard } from '../../../src/yard/index.ts';

// As the program does; in node's own options V8 would take any factor below 2 for 2.
setFlagsFromString('--semi-space-growth-factor=1');
const plain = createNodeHost({ native: false });
const native = createNodeHost({ native: true });
const host: Host = {
  clock: plain.clock,
  timers: plain.timers,
  loop: plain.loop,
  random: plain.random,
  sockets: plain.sockets,
  resolver: plain.resolver,
  files: plain.files,
  log: plain.log,
  identity: plain.identity,
  kernel: native.kernel,
};
const netdevs = process.argv.slice(2).filter((word) => word !== '-netdev');
const drivers = { ...portableDrivers, ...nativeDrivers };
const yard = await openYard({ host, drivers, version: 'bench' }, { netdevs }, async () => {
  await plain.close();
  await native.close();
});
process.once('SIGTERM', () => void yard.close());
