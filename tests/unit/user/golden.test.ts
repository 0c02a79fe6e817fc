/**
 * Replays the golden vectors of the IPv4 groups: what is marked `match` has to be equal, what is marked `improve` is
 * replayed for its effect on what follows and tested in improvements.test.ts.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NetdevUserOptions } from '../../../src/schema/net.ts';
import { normalise, optionsOf } from './golden-frames.ts';
import { DELIBERATE, LATER, later, type Vector, vectors } from './golden-vectors.ts';
import { announce, createWorld, dhcpDiscover, fromHex, hex, recordedWorld, type World, withoutArp } from './world.ts';

const GROUPS = ['arp', 'dhcp', 'ip', 'icmp', 'udp', 'restrict', 'malformed'];
const WINDOW_MS = 300;
/** Longer than anything of one vector goes on answering. */
const QUIET_MS = 1500;

async function replay(world: World, vector: Vector): Promise<string[]> {
  if (vector.name === 'dhcp-pool-exhausted') {
    for (let i = 0; i < 16; i++) world.give(dhcpDiscover(0x525400000100 + i));
  }
  world.take();
  for (const request of vector.request) world.give(fromHex(request));
  await world.test.elapse(WINDOW_MS);
  const frames = world.take();
  // QEMU lends addresses without asking for them first.
  const got = (vector.group === 'dhcp' ? withoutArp(frames) : frames).map((frame) => hex(normalise(frame)));
  await world.test.elapse(QUIET_MS);
  return got;
}

for (const group of GROUPS) {
  describe(`golden ${group}`, () => {
    const rows = vectors.filter((v) => v.group === group);
    for (const netdev of new Set(rows.map((v) => v.netdev))) {
      describe(netdev, () => {
        let world: World;
        beforeAll(async () => {
          world = await createWorld(optionsOf(netdev) as NetdevUserOptions);
          // Recorded on a host that gives echo sockets and queues ICMP errors.
          world.test.network.local.icmp = true;
          await recordedWorld(world.test);
          world.give(announce());
        });
        afterAll(async () => {
          await world.close();
          await world.test.settle();
          expect(world.test.leaks()).toEqual([]);
        });
        for (const vector of rows.filter((v) => v.netdev === netdev)) {
          const want = vector.reply.map((reply) => hex(normalise(fromHex(reply))));
          const feature = later(vector.name);
          if (feature !== undefined) {
            it.fails(`${vector.name} (later: ${feature})`, async () => {
              expect(await replay(world, vector)).toEqual(want);
            });
          } else if (vector.policy === 'improve' || vector.name in DELIBERATE) {
            it(`${vector.name} (ours differs)`, async () => {
              await replay(world, vector);
            });
          } else {
            it(vector.name, async () => {
              expect(await replay(world, vector), vector.note).toEqual(want);
            });
          }
        }
      });
    }
  });
}

it('the lists name existing rows only', () => {
  const names = new Set(vectors.map((v) => v.name));
  for (const name of [...Object.values(LATER).flat(), ...Object.keys(DELIBERATE)]) expect(names).toContain(name);
});
