/** bridge made by ourselves: what is left when it does not start. */
import { expect, it } from 'vitest';
import { createTestHost } from '../../../tests/kit/host.ts';
import { withKernel } from '../../../tests/kit/memory/kernel.ts';
import { createRecordingContext } from '../../../tests/kit/netdev-context.ts';
import { hostError } from '../../node/errno.ts';
import { createBridge } from './index.ts';

it('a tap that cannot be watched is closed, which takes it off the bridge', async () => {
  const { kernel, host } = withKernel(createTestHost());
  kernel.interfaces.set('tap0', 7).set('br0', 8);
  kernel.onOpen = (tap) => {
    tap.interest = () => {
      throw hostError('EMFILE');
    };
  };
  await expect(createBridge({ br: 'br0' }, createRecordingContext(host))).rejects.toMatchObject({ code: 'EMFILE' });
  expect(kernel.taps.map(({ name, isClosed }) => [name, isClosed])).toEqual([['tap0', true]]);
});
