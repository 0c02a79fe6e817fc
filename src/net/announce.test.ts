import { describe, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { openProbe } from '../../tests/kit/probe.ts';
import { Network } from './network.ts';

const MAC = 0x525400112233;

function setup() {
  const test = createTestHost();
  const network = new Network({ host: test.host, switch: false });
  const nic = openProbe(network, 'nic0', 'nic', MAC);
  const netdev = openProbe(network, 'n0');
  network.wire(nic.endpoint, netdev.endpoint);
  const start = test.clock.now();
  const times: number[] = [];
  netdev.onReceive = () => times.push(test.clock.now() - start);
  return { test, network, nic, netdev, times };
}

describe('announce-self', () => {
  it('sends this frame from the NIC', () => {
    const { network, netdev } = setup();
    network.announce({ initial: 50, max: 550, rounds: 1, step: 100 });
    expect(Buffer.from(netdev.frames[0] as Uint8Array).toString('hex')).toBe(
      `ffffffffffff5254001122338035000108000604000352540011223300000000525400112233${'00'.repeat(4 + 18)}`,
    );
  });

  it.each([
    [{ initial: 50, max: 550, rounds: 5, step: 100 }, [0, 50, 200, 450, 800]],
    [{ initial: 300, max: 100, rounds: 4, step: 50 }, [0, 100, 200, 300]],
    [{ initial: -5, max: 80, rounds: 4, step: 0 }, [0, 80, 160, 240]],
    [{ initial: 50, max: 120, rounds: 4, step: 50 }, [0, 50, 150, 270]],
    [{ initial: 1, max: 1, rounds: 4294967297n, step: 1 }, [0]],
    [{ initial: 1, max: 1, rounds: 0, step: 1 }, []],
  ])('repeats %o at %o', (parameters, wanted) => {
    const { test, network, times } = setup();
    network.announce(parameters);
    expect(times).toEqual(wanted.slice(0, 1));
    test.advance(10_000);
    expect(times).toEqual(wanted);
    expect(test.leaks()).toEqual([]);
  });

  it('goes on without end for negative rounds, until it is stopped by its id', () => {
    const { test, network, times } = setup();
    network.announce({ initial: 0, max: 100, rounds: -1, step: 10, id: 'x' });
    network.announce({ initial: 0, max: 0, rounds: 0, step: 0 });
    test.advance(10_000);
    expect(times.length).toBeGreaterThan(50);
    network.announce({ initial: 0, max: 0, rounds: 0, step: 0, id: 'x' });
    expect(test.leaks()).toEqual([]);
  });

  it('keeps timers by id; the same id starts anew', () => {
    const { test, network, times } = setup();
    network.announce({ initial: 100, max: 100, rounds: 2, step: 0 });
    network.announce({ initial: 70, max: 100, rounds: 2, step: 0, id: 'other' });
    test.advance(50);
    network.announce({ initial: 100, max: 100, rounds: 2, step: 0 });
    test.advance(1000);
    expect(times).toEqual([0, 0, 50, 70, 150]);
  });

  it('takes names of NICs only, and an empty list for none', () => {
    const { network, netdev, nic } = setup();
    const once = { initial: 0, max: 0, rounds: 1, step: 0 };
    network.announce({ ...once, interfaces: [] });
    network.announce({ ...once, interfaces: ['n0', 'unknown'] });
    expect(netdev.frames).toHaveLength(0);
    network.announce({ ...once, interfaces: ['unknown', 'nic0'] });
    expect(netdev.frames).toHaveLength(1);
    network.setLink('nic0', false);
    network.announce(once);
    expect([netdev.frames.length, nic.endpoint.counters.sentFrames]).toEqual([1, 1]);
  });

  it('has a cap, and ends with the network', () => {
    const { test, network } = setup();
    const announce = (id: string) => network.announce({ initial: 9, max: 9, rounds: 9, step: 9, id });
    for (let i = 0; i < 256; i++) announce(`${i}`);
    expect(() => announce('one more')).toThrow('more than 256 announce timers');
    network.close();
    test.runUntilIdle();
    expect(test.leaks()).toEqual([]);
  });
});
