/** What a crowd of uploads leaves to each. */
import { expect, it } from 'vitest';
import type { TcpFlow } from './tcp-flow.ts';
import { CROWD_BYTES, CROWD_PERIOD_MS, MAX_WINDOW } from './tcp-limits.ts';
import { UploadCrowd } from './upload-crowd.ts';

const flows = Array.from({ length: 200 }, () => ({ guestMss: 1460, sentInPeriod: 0 }) as TcpFlow);

it('bytes that came a period ago, and that a socket takes only now, leave the count as it is', () => {
  const crowd = new UploadCrowd();
  const now = 100 * CROWD_PERIOD_MS;
  for (const flow of flows) crowd.sent(flow, now);
  crowd.sent(flows[0]!, now + CROWD_PERIOD_MS);
  const window = crowd.window(flows[0]!);
  expect(window).toBe(Math.floor(CROWD_BYTES / flows.length));
  crowd.sent(flows[1]!, now);
  crowd.sent(flows[2]!, now + CROWD_PERIOD_MS);
  expect(crowd.window(flows[0]!)).toBe(window);
  crowd.sent(flows[0]!, now + 5 * CROWD_PERIOD_MS);
  expect(crowd.window(flows[0]!)).toBe(MAX_WINDOW);
});
