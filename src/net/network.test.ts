import { describe, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { frameBytes, markOf, openProbe, type Probe, plainFrame, unaccounted } from '../../tests/kit/probe.ts';
import { BUSY, DROPPED, TAKEN } from './client.ts';
import { createGuestPort } from './guest-port.ts';
import { Network } from './network.ts';

function setup(useSwitch = false) {
  const test = createTestHost();
  const network = new Network({ host: test.host, switch: useSwitch });
  const add = (name: string, driver = 'stream') => openProbe(network, name, driver);
  return { test, network, add };
}

const frame = (to: number, from: number, mark = 0) => plainFrame(frameBytes(to, from, mark));
const marks = (probe: Probe) => probe.frames.map(markOf);

describe('a wire', () => {
  it('delivers at once and counts both ends', () => {
    const { network, add } = setup();
    const a = add('a');
    const b = add('b');
    network.wire(a.endpoint, b.endpoint);
    expect(a.endpoint.send(frame(1, 2, 7))).toBe(TAKEN);
    expect(marks(b)).toEqual([7]);
    expect(a.endpoint.counters).toMatchObject({ sentFrames: 1, sentBytes: 60 });
    expect(b.endpoint.counters).toMatchObject({ receivedFrames: 1, receivedBytes: 60 });
    expect(unaccounted(a.endpoint, b.endpoint)).toBe(0);
  });

  it('queues behind a client that takes nothing, says BUSY above the mark and wakes below half of it', () => {
    const { test, network, add } = setup();
    const a = add('a');
    const b = add('b');
    network.wire(a.endpoint, b.endpoint);
    b.blocked = true;
    let woken = 0;
    a.endpoint.onReady = () => woken++;
    let sent = 0;
    while (a.endpoint.send(frame(1, 2, sent)) === TAKEN) sent++;
    expect(sent).toBe(256);
    test.runUntilIdle();
    expect(woken).toBe(0);
    b.blocked = false;
    b.endpoint.ready();
    expect(b.frames).toHaveLength(0);
    test.runUntilIdle();
    expect(woken).toBe(1);
    expect(marks(b)).toEqual(Array.from({ length: 257 }, (_, i) => i));
    expect(unaccounted(a.endpoint, b.endpoint)).toBe(0);
  });

  it('never enters a client that is inside send or receive', () => {
    const { test, network, add } = setup();
    const a = add('a');
    const b = add('b');
    network.wire(a.endpoint, b.endpoint);
    b.onReceive = () => b.endpoint.send(frame(2, 1, 9));
    a.endpoint.send(frame(1, 2, 1));
    expect(marks(a)).toEqual([]);
    test.runUntilIdle();
    expect(marks(a)).toEqual([9]);
  });
});

describe('guest ports', () => {
  it('talk to each other over the switch', () => {
    const { network } = setup(true);
    const a = createGuestPort(network, { id: 'vm0' });
    const b = createGuestPort(network, { id: 'vm1' });
    expect([a.mac, b.mac, b.id]).toEqual(['52:54:00:12:34:56', '52:54:00:12:34:57', 'vm1']);
    const seen: number[] = [];
    b.onFrame = (bytes) => seen.push(bytes.length);
    expect(a.send(frame(0xff, 1).bytes)).toBe(TAKEN);
    expect(a.send(new Uint8Array(5))).toBe(DROPPED);
    expect(seen).toEqual([60]);
    b.pause();
    let last: number = TAKEN;
    for (let i = 0; i < 300; i++) last = a.send(frame(0xff, 1).bytes);
    expect(last).toBe(BUSY);
  });
});
