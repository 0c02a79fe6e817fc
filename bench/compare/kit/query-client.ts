/**
 * Milliseconds of QMP queries, one after the other with a pause between:
 *
 *   query-client.ts PATH SECONDS PAUSE-MILLISECONDS
 */
import { connect } from '../../../src/node/qmp.ts';
import { becomeForemost } from './ends/foremost.ts';
import { quantile } from './report.ts';

/** Code not yet compiled, here and there: uncounted. */
const WARM_UP_QUERIES = 30;
const [, , path = '', seconds = '1', pause = '0'] = process.argv;

becomeForemost();
await using session = await connect(`unix:${path}`, { timeoutMs: 10_000 });
const samples: number[] = [];
const end = performance.now() + Number(seconds) * 1000;
for (let i = 0; performance.now() < end; i++) {
  const begin = performance.now();
  await session.execute('query-status');
  if (i >= WARM_UP_QUERIES) samples.push(performance.now() - begin);
  await new Promise((resolve) => setTimeout(resolve, Number(pause)));
}
process.stdout.write(
  `${JSON.stringify({ count: samples.length, p50: quantile(samples, 0.5), p99: quantile(samples, 0.99) })}\n`,
);
