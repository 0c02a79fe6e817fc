/** netyard in a page: the same yard and the same calls, with the netdevs a page can run (user and hubport). */
import { createHubport, createUserNetdev } from '../netdevs/index.ts';
import { VERSION } from '../version.ts';
import { type LibraryYard, type LibraryYardOptions, openYard } from '../yard/index.ts';
import { createBrowserHost } from './host.ts';

export * from '../yard/api.ts';
export type { LibraryYardOptions } from '../yard/index.ts';
export { createBrowserHost };

/**
 * @param options netdevs as strings (`-netdev` syntax) or objects, as in the library.
 * @throws QmpError with QEMU's text when a netdev cannot start; nothing is left open then.
 * @example const yard = await createYard({ netdevs: ['user,id=u0'] });
 */
export async function createYard(options: LibraryYardOptions = {}): Promise<LibraryYard> {
  const host = createBrowserHost();
  return openYard(
    { host, drivers: { hubport: createHubport, user: createUserNetdev }, version: VERSION },
    options,
    () => host.close(),
  );
}
