import { expect, it } from 'vitest';
import { createNodeHost } from './host.ts';

it('a log that throws breaks nothing, and is counted', async () => {
  const broken = (): never => {
    throw new TypeError('broken');
  };
  await using host = createNodeHost({ log: { debug: broken, info: broken, warn: broken, error: broken } });
  host.log.warn('x');
  const timer = host.timers.create(broken);
  timer.set(host.clock.now());
  await new Promise((resolve) => setTimeout(resolve, 20));
  // What the timer threw was logged, in vain.
  expect(host.counters).toMatchObject({ logErrors: 2, callbackErrors: 1 });
});
