/**
 * netyard, the library: yards in this process, on Node, with every netdev this build has.
 *
 * No side effects on the process: no signal handlers, no output, no exit; several yards are fine.
 */

import type { Log } from './net/index.ts';
import { nativeDrivers, portableDrivers } from './netdevs/index.ts';
import { createNodeHost, diagnosticsTrace } from './node/index.ts';
import { VERSION } from './version.ts';
import { type LibraryYard, type LibraryYardOptions, openYard } from './yard/index.ts';

export type { Log } from './net/index.ts';
export type * from './schema/net.ts';
export { VERSION } from './version.ts';
export * from './yard/api.ts';

export interface YardOptions extends LibraryYardOptions {
  /** Where messages go. Default: nowhere. What it throws is caught: the next line says in `lost` how many were. */
  readonly log?: Log | undefined;
}

/**
 * Opens a yard.
 * @param options netdevs as `-netdev` text or as netdev_add's arguments.
 * @throws QmpError with QEMU's text when a netdev cannot start; nothing is left open then.
 * @example
 * await using yard = await createYard({ netdevs: ['user,id=u0,hostfwd=tcp:127.0.0.1:0-:22'] });
 * await yard.execute('set_link', { name: 'u0', up: false });
 */
export async function createYard(options: YardOptions = {}): Promise<LibraryYard> {
  const host = createNodeHost(options.log === undefined ? {} : { log: options.log });
  return openYard(
    { host, drivers: { ...portableDrivers, ...nativeDrivers }, version: VERSION, trace: diagnosticsTrace },
    options,
    () => host.close(),
  );
}
