/** The default schema at compile time: what a user of the client may and may not write. */
import { expect, expectTypeOf, it } from 'vitest';
import type { QmpSession } from './session.ts';

it('knows names, arguments, results and events', () => {
  const use = async (session: QmpSession): Promise<void> => {
    await session.execute('netdev_add', { type: 'user', id: 'n0', hostfwd: [{ str: 'tcp::0-:22' }] });
    await session.execute('netdev_add', { type: 'hubport', id: 'h0', hubid: 0n });
    await session.execute('set_link', { name: 'n0', up: false });
    const version = await session.execute('query-version');
    expectTypeOf(version.qemu.major).toEqualTypeOf<number>();
    expectTypeOf(version.package).toEqualTypeOf<string>();
    for await (const event of session.events('NETDEV_STREAM_CONNECTED')) {
      expectTypeOf(event.data['netdev-id']).toEqualTypeOf<string>();
    }
    for await (const event of session.events('*')) {
      if (event.event === 'NETDEV_STREAM_DISCONNECTED') expectTypeOf(event.data['netdev-id']).toEqualTypeOf<string>();
    }
    // @ts-expect-error no such driver
    await session.execute('netdev_add', { type: 'usr', id: 'n0' });
    // @ts-expect-error a member is missing
    await session.execute('set_link', { name: 'n0' });
    // @ts-expect-error a member of another driver
    await session.execute('netdev_add', { type: 'hubport', id: 'h0', hubid: 0, restrict: true });
    // @ts-expect-error arguments are required
    await session.execute('netdev_del');
    // @ts-expect-error no such event
    session.events('NETDEV_STREAM_CONNECT');
    expectTypeOf(await session.call('anything', { a: 1 })).toEqualTypeOf<unknown>();
  };
  expect(use).toBeTypeOf('function');
});
