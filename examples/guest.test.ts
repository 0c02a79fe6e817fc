/** A user's test suite under vitest: a yard, a scripted guest, the link off and on, an assertion on counters. */
import { createYard } from 'netyard';
import { expect, it } from 'vitest';

const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const GUEST = [0x52, 0x54, 0x00, 0x00, 0x00, 0x01];

/** "Who has 10.0.2.2? Tell 10.0.2.15." */
const whoHasGateway = Uint8Array.from([
  ...[...BROADCAST, ...GUEST, 0x08, 0x06],
  ...[0, 1, 8, 0, 6, 4, 0, 1, ...GUEST, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2],
]);

it('a guest gets no answer while its link is off', async () => {
  await using yard = await createYard({ netdevs: ['user,id=u0'] });
  const guest = yard.attach({ id: 'vm0', mac: '52:54:00:00:00:01' });
  const answers: Uint8Array[] = [];
  guest.onFrame = (bytes) => answers.push(bytes.slice()); // bytes are borrowed: keep a copy

  guest.send(whoHasGateway);
  await expect.poll(() => answers.length).toBe(1);
  expect([...answers[0]!.subarray(28, 32)]).toEqual([10, 0, 2, 2]);

  await yard.execute('set_link', { name: 'vm0', up: false });
  guest.send(whoHasGateway);
  await yard.execute('set_link', { name: 'vm0', up: true });
  guest.send(whoHasGateway);
  await expect.poll(() => answers.length).toBe(2);

  const clients = await yard.execute('query-net-clients');
  const vm0 = clients.find(({ name }) => name === 'vm0');
  expect(vm0).toMatchObject({ 'sent-frames': 3, 'received-frames': 2, dropped: [{ reason: 'link-down', count: 1 }] });
});
