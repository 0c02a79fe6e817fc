import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { expect, it } from 'vitest';
import { createYard } from '../index.ts';

it('publishes what happens in a yard', async () => {
  const seen: unknown[] = [];
  const listener = (message: unknown): void => {
    seen.push(message);
  };
  subscribe('netyard:client-open', listener);
  try {
    await using yard = await createYard({ switch: false });
    await yard.execute('netdev_add', { type: 'hubport', id: 'h0', hubid: 0 });
  } finally {
    unsubscribe('netyard:client-open', listener);
  }
  expect(seen).toEqual([{ subject: 'h0', detail: 'hubport' }]);
});
