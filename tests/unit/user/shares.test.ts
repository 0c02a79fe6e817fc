/** What one port takes of the user network the others still have, whatever addresses it invents. */
import { describe, expect, it } from 'vitest';
import * as w from '../../../src/wire/index.ts';
import { GUEST, HOST, icmpOf, udpFrame } from './world.ts';
import { worldPerTest } from './world-per-test.ts';

const QUIET = 1;
const HOSTILE = 2;
const open = worldPerTest();

/** Another address of the guests' network each time. */
const invented = (i: number): number => 0x0a000210 + (i % 200);

describe('ICMP errors', () => {
  it('one port uses up its own', async () => {
    const on = await open();
    for (let i = 0; i < 2000; i++) on.give(udpFrame(5000, 9, 'x', { ttl: 1, source: invented(i) }), HOSTILE);
    const dropped = (): number => on.client.usernet?.statistics()['drop.icmp-error-rate'] ?? 0;
    expect(dropped()).toBe(1900);
    on.take();
    const [told] = await on.exchange(udpFrame(5000, 9, 'x', { ttl: 1 }));
    expect(icmpOf(told)).toMatchObject({ source: HOST, type: w.ICMP_TIME_EXCEEDED });
  });

  it('so it is with those about datagrams sent earlier', async () => {
    const on = await open();
    on.test.network.local.icmp = true;
    on.give(udpFrame(5000, 9, 'x', { source: GUEST }), QUIET);
    for (let i = 0; i < 300; i++) on.give(udpFrame(6000 + i, 9, 'x', { source: GUEST + 1 }), HOSTILE);
    await on.test.elapse(1);
    on.take();
    for (let i = 0; i < 300; i++) on.give(udpFrame(6000 + i, 9, 'x', { source: GUEST + 1 }), HOSTILE);
    const told = (await on.exchange(udpFrame(5000, 9, 'y', { source: GUEST }), 1)).map((frame) =>
      w.ipv4Destination(frame, 14),
    );
    expect(told.filter((destination) => destination === GUEST)).toHaveLength(1);
    expect(on.client.usernet?.statistics()['drop.icmp-error-rate']).toBeGreaterThan(300);
  });
});
