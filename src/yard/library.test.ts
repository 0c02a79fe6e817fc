import { expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { createHubport, createUserNetdev } from '../netdevs/index.ts';
import { QmpError, QmpSessionError } from '../qmp/index.ts';
import { type LibraryYardOptions, openYard } from './library.ts';

function open(options: LibraryYardOptions) {
  const { host } = createTestHost();
  const drivers = { hubport: createHubport, user: createUserNetdev };
  return openYard({ host, drivers, version: '1.2.3' }, options, () => {});
}

it.each([
  ['text', 'netmap,id=m0,ifname=x'],
  ['object', { type: 'netmap', id: 'm0', ifname: 'x' } as const],
])('a netdev that cannot start, given as %s: one class of error', async (_, netdev) => {
  const error = await open({ netdevs: [netdev] }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(QmpError);
  expect(error).toMatchObject({
    class: 'GenericError',
    desc: "network backend 'netmap' is not compiled into this binary",
  });
});

it('every call that fails has the same class of error', async () => {
  const yard = await open({ netdevs: ['user,id=u0'] });
  expect(() => yard.attach({ id: '1a' })).toThrow(QmpError);
  expect(() => yard.attach({ id: 'a', netdev: 'nope' })).toThrow("netdev 'nope' not found");
  await expect(yard.execute('netdev_del', { id: 'nope' })).rejects.toMatchObject({ class: 'DeviceNotFound' });
  await expect(yard.call('nope')).rejects.toBeInstanceOf(QmpError);
  await yard.close();
  expect(() => yard.attach({ id: 'a' })).toThrow(QmpSessionError);
  await expect(yard.execute('query-status')).rejects.toMatchObject({ code: 'NY_QMP_CLOSED' });
});
