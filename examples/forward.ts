/**
 * A user network with a forward to a port the system chooses, steered in this process.
 * Run: npx tsx examples/forward.ts
 */
import { createYard } from 'netyard';

await using yard = await createYard({
  netdevs: ['user,id=u0,hostfwd=tcp:127.0.0.1:0-:22', { type: 'hubport', id: 'h0', hubid: 0 }],
});
const [forward] = await yard.execute('query-net-forwards');
if (forward === undefined) throw new Error('no forward');
const from = `${forward['host-address']}:${forward['host-port']}`;
console.log(`ssh -p ${forward['host-port']} ${forward['host-address']} reaches ${forward['guest-address']}:22`);

await yard.execute('hostfwd-remove', { id: 'u0', rule: `tcp:${from}` });
console.log(`forwards left: ${(await yard.execute('query-net-forwards')).length}`);
