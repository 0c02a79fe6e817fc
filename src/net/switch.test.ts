import { describe, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { frameBytes, markOf, openProbe, type Probe, plainFrame, unaccounted } from '../../tests/kit/probe.ts';
import { BUSY, DROPPED, TAKEN } from './client.ts';
import {
  FLOOD_BURST_COPIES,
  FLOOD_COPIES_PER_SECOND,
  FLOOD_LEAST_FRAMES,
  FLOOD_TOTAL_BURST_COPIES,
  FLOOD_TOTAL_COPIES_PER_SECOND,
} from './flood-budget.ts';
import { Frame } from './frame.ts';
import { createGuestPort } from './guest-port.ts';
import { MacTable, PORT_CAP, TABLE_CAP } from './mac-table.ts';
import { Network } from './network.ts';

function setup(names: string[]) {
  const test = createTestHost();
  const network = new Network({ host: test.host, switch: true });
  const bridge = network.switch as NonNullable<Network['switch']>;
  const probes = names.map((name) => {
    const probe = openProbe(network, name);
    network.autoSwitch(probe.endpoint);
    return probe;
  });
  return { test, network, bridge, probes };
}

const send = (from: Probe, to: number, station: number, mark = 0) =>
  from.endpoint.send(plainFrame(frameBytes(to, station, mark)));
const marks = (probe: Probe) => probe.frames.map(markOf);
const table = (bridge: NonNullable<Network['switch']>) => bridge.table().map(({ mac, port }) => [mac & 0xff, port]);

describe('learning', () => {
  it('sends to one port what it knows, to all others what it does not', () => {
    const { bridge, probes } = setup(['a', 'b', 'c']);
    const [a, b, c] = probes as [Probe, Probe, Probe];
    send(a, 2, 1, 1);
    expect([marks(a), marks(b), marks(c)]).toEqual([[], [1], [1]]);
    send(b, 1, 2, 2);
    send(a, 2, 1, 3);
    expect([marks(a), marks(b), marks(c)]).toEqual([[2], [1, 3], [1]]);
    expect(table(bridge)).toEqual([
      [1, 'a'],
      [2, 'b'],
    ]);
  });

  it('ages entries after 300 seconds of silence', () => {
    const { test, bridge, probes } = setup(['a', 'b', 'c']);
    const [a, b, c] = probes as [Probe, Probe, Probe];
    send(a, 0xff, 1);
    test.advance(299_000);
    send(b, 1, 2, 1);
    expect(marks(c)).not.toContain(1);
    send(a, 0xff, 1);
    test.advance(301_000);
    send(b, 1, 2, 2);
    expect(marks(c)).toContain(2);
    expect(table(bridge)).toEqual([[2, 'b']]);
  });

  it('lets an address move between learned ports at most once a second', () => {
    const { test, bridge, probes } = setup(['a', 'b', 'c']);
    const [a, b] = probes as [Probe, Probe, Probe];
    send(a, 0xff, 1);
    send(b, 0xff, 1);
    expect(table(bridge)).toEqual([[1, 'b']]);
    send(a, 0xff, 1);
    expect(table(bridge)).toEqual([[1, 'b']]);
    expect(bridge.counters).toMatchObject({ moves: 1, movesRefused: 1 });
    test.advance(1000);
    send(a, 0xff, 1);
    expect(table(bridge)).toEqual([[1, 'a']]);
  });

  it('keeps claimed addresses: they never age, move or get learned elsewhere', () => {
    const { test, network, bridge, probes } = setup(['a', 'b', 'c']);
    const [a, b, c] = probes as [Probe, Probe, Probe];
    a.endpoint.claimAddress(0x020000000063);
    send(b, 0xff, 0x63);
    test.advance(1_000_000);
    expect(bridge.table().filter((entry) => entry.static)).toHaveLength(1);
    send(c, 0x63, 3, 9);
    expect([marks(a).includes(9), marks(b).includes(9)]).toEqual([true, false]);
    expect(bridge.counters.staticConflicts).toBe(1);
    network.remove(a.endpoint);
    expect(table(bridge)).toEqual([[3, 'c']]);
  });

  it('knows in-process guests from the start', () => {
    const { network, bridge } = setup([]);
    createGuestPort(network, { id: 'vm0', mac: '02:00:00:00:00:07' });
    expect(bridge.table()).toMatchObject([{ mac: 0x020000000007, port: 'vm0', static: true }]);
  });

  it('forgets what it learned behind a port whose link goes down', () => {
    const { test, bridge, probes } = setup(['a', 'b', 'c']);
    const [a, b] = probes as [Probe, Probe, Probe];
    send(a, 0xff, 1);
    send(b, 0xff, 2);
    a.endpoint.carrier(false);
    test.runUntilIdle();
    expect(table(bridge)).toEqual([[2, 'b']]);
  });

  it('never learns group addresses or zero', () => {
    const { bridge, probes } = setup(['a', 'b']);
    const group = frameBytes(0xff, 1);
    group[6] = 3;
    const zero = frameBytes(0xff, 1);
    zero.fill(0, 6, 12);
    for (const bytes of [group, zero]) (probes[0] as Probe).endpoint.send(plainFrame(bytes));
    expect(bridge.table()).toEqual([]);
  });
});

describe('the address table', () => {
  it('agrees with a map under random use', () => {
    const model = new Map<number, number>();
    const mac = new MacTable();
    let state = 1;
    const random = () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state >>> 8;
    };
    for (let i = 0; i < 20_000; i++) {
      const key = random() % 900;
      const [high, low] = [key % 7, Math.imul(key, 0x01000193)];
      const port = key % 5;
      if (random() % 50 === 0) {
        mac.forget(port, true);
        for (const [k] of model) if (k % 5 === port) model.delete(k);
      } else {
        mac.learn(high, low, port, i);
        model.set(key, port);
      }
      const probe = random() % 900;
      expect(mac.find(probe % 7, Math.imul(probe, 0x01000193), i)).toBe(model.get(probe) ?? -1);
    }
    expect(mac.size).toBe(model.size);
  });

  it('is capped in all and per port, and makes room by age', () => {
    const mac = new MacTable();
    for (let i = 0; i < 3000; i++) mac.learn(1, i, 1, 0);
    expect([mac.size, mac.full]).toEqual([PORT_CAP, 3000 - PORT_CAP]);
    for (let port = 2; port < 20; port++) for (let i = 0; i < 1000; i++) mac.learn(port, i, port, 0);
    expect(mac.size).toBe(TABLE_CAP);
    for (let i = 0; i < 100; i++) mac.learn(99, i, 99, 400_000);
    expect(mac.size).toBeLessThanOrEqual(100);
    expect(mac.find(99, 99, 400_000)).toBe(99);
  });
});

describe('forwarding', () => {
  it('sends nothing back to where it came from', () => {
    const { probes } = setup(['a', 'b']);
    const [a, b] = probes as [Probe, Probe];
    send(a, 0xff, 1);
    expect(send(a, 1, 2)).toBe(DROPPED);
    expect([a.frames.length, b.frames.length]).toEqual([0, 1]);
    expect(a.endpoint.counters.dropped).toEqual({ 'same-port': 1 });
  });

  it('counts what it drops at the clients, where queries show it', () => {
    const { test, network, probes } = setup(['a', 'b']);
    const [a, b] = probes as [Probe, Probe];
    b.endpoint.claimAddress(0x020000000002);
    b.endpoint.carrier(false);
    test.runUntilIdle();
    expect(send(a, 2, 1)).toBe(DROPPED);
    expect(b.endpoint.counters.dropped).toEqual({ 'link-down': 1 });
    expect(send(a, 0xff, 1)).toBe(DROPPED);
    expect(a.endpoint.counters.dropped).toEqual({ 'no-destination': 1 });
    // It outlasts the port.
    createGuestPort(network, { id: 'vm', netdev: 'a' });
    expect(a.endpoint.counters.dropped).toEqual({ 'no-destination': 1 });
  });

  it('limits the copies an ingress may cause, by time', () => {
    const { test, probes } = setup(['a', 'b', 'c']);
    const [a, b] = probes as [Probe, Probe, Probe];
    const bytes = frameBytes(0xff, 1);
    const frame = new Frame();
    const burst = () => {
      let taken = 0;
      for (let i = 0; i < FLOOD_BURST_COPIES; i++) {
        if (a.endpoint.send(frame.setPlain(bytes, 0, 60)) === TAKEN) taken++;
      }
      return taken;
    };
    expect(burst()).toBe(FLOOD_BURST_COPIES / 2);
    expect(send(b, 0xff, 2)).toBe(TAKEN);
    test.advance(10);
    expect(burst()).toBe((FLOOD_COPIES_PER_SECOND / 100 / 2) | 0);
    const taken = FLOOD_BURST_COPIES / 2 + FLOOD_COPIES_PER_SECOND / 100 / 2;
    expect(a.endpoint.counters.dropped).toEqual({ 'flood-limit': 2 * FLOOD_BURST_COPIES - taken });
  });

  it('limits the copies that all may cause together; a quiet port has its own', () => {
    const names = Array.from({ length: 50 }, (_, i) => `p${i}`);
    const { test, probes } = setup(names);
    const [quiet, ...hostile] = probes as [Probe, ...Probe[]];
    const outputs = names.length - 1;
    const storm = () => {
      let copies = 0;
      for (let frames = 0; frames < 60; frames++) {
        for (const [i, one] of hostile.entries()) if (send(one, 0xff, 2 + i) === TAKEN) copies += outputs;
      }
      return copies;
    };
    const second = () => {
      let copies = 0;
      for (let turn = 0; turn < 10; turn++) {
        test.advance(100);
        copies += storm();
      }
      return copies;
    };
    expect(storm() + second()).toBeLessThanOrEqual(FLOOD_TOTAL_BURST_COPIES * 1.1 + FLOOD_TOTAL_COPIES_PER_SECOND);
    const dropped = () => hostile.map((one) => one.endpoint.counters.dropped['flood-limit'] ?? 0);
    const before = dropped();
    for (let i = 0; i < 3; i++) {
      const copies = second();
      expect(copies).toBeLessThanOrEqual(FLOOD_TOTAL_COPIES_PER_SECOND * 1.02);
      expect(copies).toBeGreaterThan(FLOOD_TOTAL_COPIES_PER_SECOND * 0.8);
    }
    for (let i = 0; i < FLOOD_LEAST_FRAMES; i++) expect(send(quiet, 0xff, 1)).toBe(TAKEN);
    const each = dropped().map((count, i) => count - (before[i] as number));
    expect(Math.max(...each) - Math.min(...each)).toBeLessThanOrEqual(2);
  });

  it('a port that joins again and again gets no more by it', () => {
    const { network, probes } = setup(['a', 'b', 'c', 'd', 'e', 'f']);
    const outputs = probes.length;
    let taken = 0;
    for (let i = 0; i < 500; i++) {
      const probe = openProbe(network, `n${i}`);
      network.autoSwitch(probe.endpoint);
      for (let sent = 0; sent < 1000 && send(probe, 0xff, 9) === TAKEN; sent++) taken++;
      network.remove(probe.endpoint);
    }
    expect(taken * outputs).toBeLessThan(FLOOD_TOTAL_BURST_COPIES + 500 * 3 * outputs);
  });

  it('returns the result of the one egress when there are two ports', () => {
    const { test, probes } = setup(['a', 'b']);
    const [a, b] = probes as [Probe, Probe];
    send(b, 0xff, 2);
    b.blocked = true;
    let sent = 0;
    while (send(a, 2, 1) !== BUSY) sent++;
    expect(sent).toBe(256);
    b.release();
    test.runUntilIdle();
    expect([a.readyCalls, b.frames.length]).toEqual([1, 257]);
  });

  it('lets two that write without reading go on: each may read only when it has written', () => {
    const { test, probes } = setup(['a', 'b']);
    const [a, b] = probes as [Probe, Probe];
    send(a, 0xff, 1);
    send(b, 0xff, 2);
    test.runUntilIdle();
    a.blocked = true;
    b.blocked = true;
    const left = { a: 3000, b: 3000 };
    const write = (from: Probe, key: 'a' | 'b', to: number, station: number) => () => {
      from.readyCalls++;
      while (left[key] > 0) {
        left[key]--;
        if (send(from, to, station) === BUSY) return;
      }
    };
    a.endpoint.onReady = write(a, 'a', 2, 1);
    b.endpoint.onReady = write(b, 'b', 1, 2);
    a.endpoint.onReady();
    b.endpoint.onReady();
    test.runUntilIdle();
    expect(left).toEqual({ a: 0, b: 0 });
    a.release();
    b.release();
    test.runUntilIdle();
    expect([unaccounted(a.endpoint, b.endpoint), unaccounted(b.endpoint, a.endpoint)]).toEqual([0, 0]);
    expect(test.leaks()).toEqual([]);
  });

  it('tells BUSY behind more than two ports only to clients that stop single flows', () => {
    const { test, probes } = setup(['a', 'user', 'c', 'd']);
    const [a, user, c, d] = probes as [Probe, Probe, Probe, Probe];
    user.perFlowBusy = true;
    send(c, 0xff, 3);
    c.blocked = true;
    for (let i = 0; i < 300; i++) expect(send(a, 3, 1)).toBe(TAKEN);
    expect(send(user, 3, 5)).toBe(BUSY);
    expect(send(user, 0xff, 5)).toBe(TAKEN);
    expect(d.frames.length).toBeGreaterThan(0);
    c.release();
    test.runUntilIdle();
    expect([a.readyCalls, user.readyCalls]).toEqual([0, 1]);
  });

  it('wakes a sender that is taken off the switch after it was told BUSY', () => {
    const { test, network, probes } = setup(['a', 'b']);
    const [a, b] = probes as [Probe, Probe];
    b.blocked = true;
    while (send(a, 2, 1) !== BUSY);
    createGuestPort(network, { id: 'vm', netdev: 'a' });
    test.runUntilIdle();
    expect(a.readyCalls).toBe(1);
  });

  it('wakes a sender when the client it waits for is removed', () => {
    const { test, network, probes } = setup(['a', 'b']);
    const [a, b] = probes as [Probe, Probe];
    b.blocked = true;
    while (send(a, 2, 1) !== BUSY);
    network.remove(b.endpoint);
    test.runUntilIdle();
    expect(a.readyCalls).toBe(1);
  });

  it('shares a slow egress between its ingresses, and lets the loud one lose', () => {
    const { test, probes } = setup(['loud', 'quiet', 'slow']);
    const [loud, quiet, slow] = probes as [Probe, Probe, Probe];
    send(slow, 0xff, 3);
    slow.blocked = true;
    for (let i = 0; i < 5000; i++) send(loud, 3, 1, i);
    for (let i = 0; i < 100; i++) expect(send(quiet, 3, 2, i)).toBe(TAKEN);
    slow.release();
    test.runUntilIdle();
    const sources = slow.frames.map((bytes) => bytes[11]);
    expect(sources.filter((s) => s === 2)).toHaveLength(100);
    expect(sources.slice(0, 200).filter((s) => s === 2)).toHaveLength(100);
    expect(slow.endpoint.counters.dropped['queue-full']).toBe(5000 + 100 - 1024);
    const { peer } = slow.endpoint;
    expect(peer === undefined ? -1 : unaccounted(peer, slow.endpoint)).toBe(0);
  });

  it('leaves the others alone when one guest stops', () => {
    const { probes } = setup(['a', 'b', 'stopped']);
    const [a, b, stopped] = probes as [Probe, Probe, Probe];
    send(b, 0xff, 2);
    send(stopped, 0xff, 3);
    b.frames.length = 0;
    stopped.blocked = true;
    for (let i = 0; i < 3000; i++) {
      send(a, 3, 1, i);
      expect(send(a, 2, 1, i)).toBe(TAKEN);
    }
    expect(b.frames).toHaveLength(3000);
  });
});

describe('ports', () => {
  it('come and go with claims, and with -nodefaults there are none', () => {
    const { network, bridge, probes } = setup(['a', 'b']);
    const guest = createGuestPort(network, { id: 'vm', netdev: 'a' });
    expect(bridge.ports().map((port) => port.name)).toEqual(['b']);
    expect(network.infoText()).toBe(
      'b: index=0,type=stream,probe\nvm: index=0,type=nic,model=netyard,macaddr=52:54:00:12:34:56\n' +
        ' \\ a: index=0,type=stream,probe\n',
    );
    void guest.close();
    expect(bridge.ports().map((port) => port.name)).toEqual(['b', 'a']);
    expect((probes[0] as Probe).endpoint.linkUp).toBe(true);
    const hubport = network.open('h', 'hubport', { isNetdev: true });
    hubport.attach(network.joinHub(hubport, 0, 'b'));
    expect(bridge.ports().map((port) => port.name)).toEqual(['a']);
    network.remove(hubport);
    expect(bridge.ports().map((port) => port.name)).toEqual(['a', 'b']);

    const test = createTestHost();
    const alone = new Network({ host: test.host, switch: false });
    const c = openProbe(alone, 'c');
    alone.autoSwitch(c.endpoint);
    expect([alone.switch, c.endpoint.peer]).toEqual([undefined, undefined]);
  });
});
