/**
 * Watches a running yard over QMP: its ports, then guests that come and go.
 * Run: npx tsx examples/watch.ts SOCKET [EVENTS]
 */
import { connect } from 'netyard/qmp';

const [socket, count = 'Infinity'] = process.argv.slice(2);
if (socket === undefined) throw new Error('usage: watch.ts SOCKET [EVENTS]');
await using session = await connect(`unix:${socket}`, { timeoutMs: 5000 });
const events = session.events('*');
for (const client of await session.execute('query-net-clients')) {
  console.log(`${client.name} (${client.type}) is ${client.link ? 'up' : 'down'}`);
}
let left = Number(count);
if (left > 0) {
  for await (const { event, data } of events) {
    console.log(event, JSON.stringify(data));
    if (--left <= 0) break;
  }
}
