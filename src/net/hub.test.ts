import { describe, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { frameBytes, markOf, openProbe, type Probe, plainFrame } from '../../tests/kit/probe.ts';
import { BUSY, DROPPED, TAKEN } from './client.ts';
import { Network } from './network.ts';

function setup() {
  const test = createTestHost();
  const network = new Network({ host: test.host, switch: false });
  const hubport = (name: string, hubId: number, netdev?: string) => {
    const endpoint = network.open(name, 'hubport', { isNetdev: true });
    try {
      endpoint.attach(network.joinHub(endpoint, hubId, netdev));
    } catch (error) {
      network.remove(endpoint);
      throw error;
    }
    return endpoint;
  };
  return { test, network, hubport };
}

const send = (from: Probe, mark = 0) => from.endpoint.send(plainFrame(frameBytes(9, 1, mark)));
const marks = (probe: Probe) => probe.frames.map(markOf);

describe('a hub', () => {
  it('floods newest port first, never back, without the ports that lead nowhere', () => {
    const { network, hubport } = setup();
    const order: string[] = [];
    const probes = ['x', 'y', 'z'].map((name) => {
      const probe = openProbe(network, name);
      probe.onReceive = () => order.push(name);
      hubport(`h${name}`, 5, name);
      return probe;
    });
    hubport('idle', 5);
    expect(send(probes[0] as Probe, 3)).toBe(TAKEN);
    expect(order).toEqual(['z', 'y']);
    network.setLink('hz', false);
    send(probes[0] as Probe, 4);
    expect(probes.map(marks)).toEqual([[], [3, 4], [3]]);
  });

  it('lets two that write without reading go on', () => {
    const { test, network, hubport } = setup();
    const [x, y] = ['x', 'y'].map((name) => {
      const probe = openProbe(network, name);
      hubport(`h${name}`, 0, name);
      probe.blocked = true;
      return probe;
    }) as [Probe, Probe];
    const left = new Map([x, y].map((probe) => [probe, 3000]));
    for (const probe of [x, y]) {
      probe.endpoint.onReady = () => {
        for (let n = left.get(probe) ?? 0; n > 0; n--) {
          left.set(probe, n - 1);
          if (send(probe) === BUSY) return;
        }
      };
    }
    x.endpoint.onReady();
    y.endpoint.onReady();
    test.runUntilIdle();
    expect([...left.values()]).toEqual([0, 0]);
  });

  it('is BUSY only when every output is, and wakes its senders then', () => {
    const { test, network, hubport } = setup();
    const [x, y, z] = ['x', 'y', 'z'].map((name) => {
      const probe = openProbe(network, name);
      hubport(`h${name}`, 0, name);
      return probe;
    }) as [Probe, Probe, Probe];
    y.blocked = true;
    for (let i = 0; i < 2000; i++) expect(send(x, i)).toBe(TAKEN);
    expect(z.frames).toHaveLength(2000);
    expect(y.endpoint.queuedFrames).toBe(1024);
    z.blocked = true;
    let last: number = TAKEN;
    for (let i = 0; i < 300 && last !== BUSY; i++) last = send(x);
    expect(last).toBe(BUSY);
    test.runUntilIdle();
    expect(x.readyCalls).toBe(0);
    z.release();
    test.runUntilIdle();
    expect(x.readyCalls).toBe(1);
  });

  it('passes BUSY and the wake-up on through a chain of hubs', () => {
    const { test, network, hubport } = setup();
    const x = openProbe(network, 'x');
    const y = openProbe(network, 'y');
    hubport('a1', 1, 'x');
    hubport('a2', 1);
    hubport('b1', 2, 'a2');
    hubport('b2', 2, 'y');
    y.blocked = true;
    let sent = 1;
    while (send(x, sent) !== BUSY) sent++;
    y.release();
    test.runUntilIdle();
    expect([x.readyCalls, y.frames.length]).toEqual([1, sent]);
  });

  it('wakes a sender again that was told BUSY from within its wake-up', () => {
    const { test, network, hubport } = setup();
    const x = openProbe(network, 'x');
    const y = openProbe(network, 'y');
    hubport('hx', 0, 'x');
    hubport('hy', 0, 'y');
    y.blocked = true;
    while (send(x) !== BUSY);
    let rounds = 0;
    x.endpoint.onReady = () => {
      if (++rounds < 3) while (send(x) !== BUSY);
    };
    y.release();
    test.runUntilIdle();
    expect(rounds).toBe(3);
    expect(y.endpoint.queuedFrames).toBe(0);
  });

  it('drops and counts when there is nobody else', () => {
    const { network, hubport } = setup();
    const x = openProbe(network, 'x');
    const port = hubport('h', 0, 'x');
    expect(send(x)).toBe(DROPPED);
    expect(port.counters.dropped).toEqual({ 'no-destination': 1 });
  });

  it('refuses busy netdevs, loops and cycles, with nothing changed', () => {
    const { network, hubport } = setup();
    openProbe(network, 'u0');
    hubport('h0', 0, 'u0');
    expect(() => hubport('h1', 1, 'u0')).toThrow("netdev 'u0' is already in use");
    expect(() => hubport('h1', 1, 'nope')).toThrow("netdev 'nope' not found");
    expect(() => hubport('h1', 1, '')).toThrow("netdev '' not found");
    expect(() => hubport('h1', 1, 'h1')).toThrow("netdev 'h1' not found");
    expect(network.hubs().map((hub) => hub.id)).toEqual([0]);
    hubport('a', 0);
    expect(() => hubport('b', 0, 'a')).toThrow("netdev 'a' is connected to hub 0 already");
    hubport('c', 7, 'a');
    hubport('d', 8);
    hubport('e', 7, 'd');
    hubport('f', 0);
    expect(() => hubport('g', 8, 'f')).toThrow("netdev 'f' is connected to hub 8 already");
    const loop = hubport('i', 8);
    expect(() => network.wire(loop, network.findNetdev('f') as typeof loop)).toThrow('is connected to hub 8 already');
  });

  it('names ports by a counter that never goes back, and outlives its ports', () => {
    const { network, hubport } = setup();
    expect(network.hubPortName(-3)).toBe('hub-3port0');
    const first = hubport(network.hubPortName(-3), -3);
    hubport(network.hubPortName(-3), -3);
    network.remove(first);
    expect(network.hubPortName(-3)).toBe('hub-3port2');
    expect(network.infoText()).toBe('hub -3\n \\ hub-3port1\n');
    network.remove(network.find('hub-3port1')[0] as typeof first);
    expect(network.infoText()).toBe('hub -3\n');
  });
});
