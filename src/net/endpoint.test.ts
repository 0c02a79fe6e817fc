import { describe, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { frameBytes, markOf, openProbe, type Probe, plainFrame, unaccounted } from '../../tests/kit/probe.ts';
import { BUSY, DROPPED, TAKEN } from './client.ts';
import {
  FRAME_NEEDS_CHECKSUM,
  Frame,
  GSO_TCPV4,
  GSO_UDP,
  MAX_FRAME_LENGTH,
  OFFLOAD_CHECKSUM,
  OFFLOAD_TSO4,
} from './frame.ts';
import { Network } from './network.ts';
import type { TracePoint } from './trace.ts';

function setup(first = 'stream', second = 'nic') {
  const test = createTestHost();
  const traced: [TracePoint, string, unknown][] = [];
  const network = new Network({
    host: test.host,
    switch: false,
    trace: (point, subject, detail) => traced.push([point, subject, detail]),
  });
  const a = openProbe(network, 'a', first);
  const b = openProbe(network, 'b', second, second === 'nic' ? 0x525400123456 : undefined);
  network.wire(a.endpoint, b.endpoint);
  return { test, network, a, b, traced };
}

const send = (from: Probe, mark = 0, length = 60) => from.endpoint.send(plainFrame(frameBytes(9, 1, mark, length)));

/** A TCP frame of `payload` bytes to be cut into pieces of `mss`. */
function tsoFrame(payload: number, mss: number): Frame {
  const bytes = new Uint8Array(54 + payload);
  bytes.set([2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0, 0x45], 0);
  bytes[23] = 6;
  bytes[46] = 0x50;
  for (let i = 54; i < bytes.length; i++) bytes[i] = i;
  const frame = plainFrame(bytes);
  frame.flags = FRAME_NEEDS_CHECKSUM;
  frame.gsoType = GSO_TCPV4;
  frame.gsoSize = mss;
  frame.checksumStart = 34;
  frame.checksumOffset = 16;
  return frame;
}

describe('sending', () => {
  it('drops and counts what cannot be: lengths, metadata, no peer, link down', () => {
    const { network, a, b } = setup();
    const bad = tsoFrame(1000, 0);
    const ufo = tsoFrame(1000, 500);
    ufo.gsoType = GSO_UDP;
    const noSum = tsoFrame(1000, 500);
    noSum.flags = 0;
    for (const frame of [bad, ufo, noSum]) expect(a.endpoint.send(frame)).toBe(DROPPED);
    expect(a.endpoint.send(new Frame().setPlain(new Uint8Array(100), 0, 13))).toBe(DROPPED);
    expect(a.endpoint.send(new Frame().setPlain(new Uint8Array(100), 90, 20))).toBe(DROPPED);
    expect(send(a, 0, MAX_FRAME_LENGTH + 1)).toBe(DROPPED);
    expect(send(a, 0, MAX_FRAME_LENGTH)).toBe(TAKEN);
    network.setLink('a', false);
    expect(send(a)).toBe(DROPPED);
    network.unwire(a.endpoint);
    expect(send(a)).toBe(DROPPED);
    expect(a.endpoint.counters.dropped).toEqual({
      'bad-offload': 3,
      'too-short': 1,
      'too-long': 2,
      'link-down': 1,
      'no-peer': 1,
    });
    expect(b.frames).toHaveLength(1);
    expect(unaccounted(a.endpoint, b.endpoint)).toBe(0);
  });

  it('has a hard cap for senders that ignore BUSY', () => {
    const { a, b } = setup();
    b.blocked = true;
    const results = Array.from({ length: 2000 }, (_, i) => send(a, i));
    expect(results.filter((r) => r === TAKEN)).toHaveLength(256);
    expect(results.at(-1)).toBe(DROPPED);
    expect(b.endpoint.queuedFrames).toBe(1024);
    expect(b.endpoint.counters.dropped).toEqual({ 'queue-full': 976 });
    expect(unaccounted(a.endpoint, b.endpoint)).toBe(0);
  });

  it('delivers a queue in turns of 64 frames', () => {
    const { test, a, b } = setup();
    b.blocked = true;
    for (let i = 0; i < 200; i++) send(a, i);
    test.runUntilIdle();
    const perTurn: number[] = [];
    const counter = { run: () => perTurn.push(b.frames.length) };
    b.release();
    for (let i = 0; i < 4; i++) {
      const before = b.frames.length;
      test.host.loop.nextTurn(counter);
      b.onReceive = () => {
        if (b.frames.length - before === 1) test.host.loop.nextTurn(counter);
      };
    }
    test.runUntilIdle();
    expect(b.frames.map(markOf)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(perTurn).toContain(64);
  });
});

describe('conversion at delivery', () => {
  it('hands a large frame over whole to who takes it, and in segments to who does not', () => {
    const { a, b } = setup();
    expect(a.endpoint.send(tsoFrame(4000, 1460))).toBe(TAKEN);
    expect(b.frames.map((f) => f.length)).toEqual([1514, 1514, 54 + 1080]);
    expect(b.endpoint.counters.receivedFrames).toBe(1);
    expect(b.endpoint.counters.receivedBytes).toBe(4054);
    const { network } = setup();
    const whole = openProbe(network, 'whole');
    whole.offloads = OFFLOAD_CHECKSUM | OFFLOAD_TSO4;
    whole.endpoint.attach(whole);
    const from = openProbe(network, 'from');
    network.wire(whole.endpoint, from.endpoint);
    from.endpoint.send(tsoFrame(4000, 1460));
    expect(whole.frames.map((f) => f.length)).toEqual([4054]);
  });

  it('goes on in the middle of a frame after the receiver stopped; half of it counts as taken', () => {
    const { test, a, b } = setup();
    let room = 2;
    b.onReceive = () => {
      if (--room === 0) b.blocked = true;
    };
    expect(a.endpoint.send(tsoFrame(5 * 1000, 1000))).toBe(TAKEN);
    expect(send(a, 77)).toBe(TAKEN);
    expect(b.frames).toHaveLength(2);
    expect([b.endpoint.counters.receivedFrames, b.endpoint.queuedFrames]).toEqual([1, 1]);
    expect(unaccounted(a.endpoint, b.endpoint)).toBe(0);
    room = 2;
    b.release();
    test.runUntilIdle();
    expect(b.frames).toHaveLength(4);
    room = 9;
    b.release();
    test.runUntilIdle();
    expect(b.frames.map((f) => f.length)).toEqual([1054, 1054, 1054, 1054, 1054, 60]);
    const sequences = b.frames.slice(0, 5).map((f) => new DataView(f.buffer).getUint32(38));
    expect(sequences).toEqual([0, 1000, 2000, 3000, 4000]);
    expect(unaccounted(a.endpoint, b.endpoint)).toBe(0);
  });

  it('drops a frame whose headers contradict its metadata, at the receiver', () => {
    const { a, b } = setup();
    const frame = tsoFrame(2000, 1000);
    frame.bytes[46] = 0x10;
    expect(a.endpoint.send(frame)).toBe(DROPPED);
    expect(b.endpoint.counters.dropped).toEqual({ 'bad-offload': 1 });
    expect(unaccounted(a.endpoint, b.endpoint)).toBe(0);
  });
});

describe('clients that misbehave', () => {
  it('may throw: the frame is counted, the way stays open', () => {
    const { test, a, b } = setup();
    b.onReceive = () => {
      throw new TypeError('bug');
    };
    expect(send(a)).toBe(TAKEN);
    b.onReceive = () => {};
    expect(send(a)).toBe(TAKEN);
    expect(b.endpoint.counters.dropped).toEqual({ 'client-failed': 1 });
    expect(test.logs.filter((line) => line.level === 'error')).toHaveLength(1);
    a.endpoint.onReady = () => {
      throw new TypeError('bug');
    };
    b.linkChanged = () => {
      throw new TypeError('bug');
    };
    b.blocked = true;
    while (send(a) !== BUSY);
    b.release();
    a.endpoint.carrier(false);
    expect(() => test.runUntilIdle()).not.toThrow();
  });

  it('may be removed from inside their own receive, with frames behind', () => {
    const { test, network, a, b } = setup();
    b.blocked = true;
    for (let i = 0; i < 10; i++) send(a, i);
    b.onReceive = () => {
      if (b.frames.length === 3) network.remove(b.endpoint);
    };
    b.release();
    test.runUntilIdle();
    expect(b.frames).toHaveLength(3);
    expect(b.endpoint.counters.dropped).toEqual({ removed: 7 });
    expect(unaccounted(a.endpoint, b.endpoint)).toBe(0);
    expect(send(a)).toBe(DROPPED);
    test.runUntilIdle();
    expect(test.leaks()).toEqual([]);
  });

  it('that answer each other for ever do not overflow the stack', () => {
    const { test, a, b } = setup();
    let left = 5000;
    const answer = (probe: Probe) => () => {
      probe.frames.length = 0;
      if (left-- > 0) send(probe);
    };
    a.onReceive = answer(a);
    b.onReceive = answer(b);
    send(a);
    test.runUntilIdle();
    expect(left).toBeLessThan(0);
  });
});

describe('ingress', () => {
  it('is the port a frame came in by, through relays, queues and segmentation', () => {
    const test = createTestHost();
    const network = new Network({ host: test.host, switch: true });
    const [a, b, c] = ['a', 'b', 'c'].map((name) => {
      const probe = openProbe(network, name);
      network.autoSwitch(probe.endpoint);
      return probe;
    }) as [Probe, Probe, Probe];
    const seen: number[] = [];
    c.onReceive = ({ ingress }) => seen.push(ingress);
    send(a);
    c.blocked = true;
    send(b);
    send(a);
    c.release();
    test.runUntilIdle();
    c.blocked = true;
    a.endpoint.send(tsoFrame(3000, 1000));
    c.release();
    test.runUntilIdle();
    const [one, two] = [a.endpoint.serial, b.endpoint.serial];
    expect(seen).toEqual([one, two, one, one, one, one]);
  });

  it('is told to all when it is gone', () => {
    const { network, a, b } = setup();
    const gone: number[] = [];
    Object.assign(b, { ingressGone: (ingress: number) => gone.push(ingress) });
    network.remove(a.endpoint);
    expect(gone).toEqual([a.endpoint.serial]);
  });
});

describe('no re-entry', () => {
  it('holds for a client in receive, whoever sends to it', () => {
    const { test, a, b } = setup();
    let depth = 0;
    let deepest = 0;
    b.onReceive = () => {
      deepest = Math.max(deepest, ++depth);
      // What a sender elsewhere does while b is busy; its own send has returned.
      if (b.frames.length < 3) b.endpoint.peer?.relayed(plainFrame(frameBytes(9, 1, b.frames.length)));
      depth--;
    };
    a.endpoint.relayed(plainFrame(frameBytes(9, 1, 0)));
    test.runUntilIdle();
    expect([deepest, b.frames.map(markOf)]).toEqual([1, [0, 1, 2]]);
  });

  it('keeps a frame that arrives after the link went down and up inside receive', () => {
    const { test, network, a, b } = setup();
    b.blocked = true;
    send(a, 1);
    b.onReceive = () => {
      b.onReceive = () => {};
      network.setLink('b', false);
      network.setLink('b', true);
      send(a, 2);
    };
    b.release();
    test.runUntilIdle();
    expect(b.frames.map(markOf)).toEqual([1, 2]);
    expect(unaccounted(a.endpoint, b.endpoint)).toBe(0);
  });

  it('goes on with a half-taken frame before what others sent it meanwhile', () => {
    const test = createTestHost();
    const network = new Network({ host: test.host, switch: true });
    const [a, b, c] = ['a', 'b', 'c'].map((name) => {
      const probe = openProbe(network, name);
      network.autoSwitch(probe.endpoint);
      return probe;
    }) as [Probe, Probe, Probe];
    c.onReceive = () => void c.endpoint.send(plainFrame(frameBytes(0xff, 3, 77)));
    b.onReceive = () => {
      if (b.frames.length !== 1) return;
      b.endpoint.send(plainFrame(frameBytes(0xff, 9, 1)));
      b.blocked = true;
    };
    b.endpoint.claimAddress(0x020000000009);
    a.endpoint.send(tsoFrame(3000, 1000));
    expect(b.frames).toHaveLength(1);
    b.release();
    test.runUntilIdle();
    expect(b.frames.map((bytes) => bytes.length)).toEqual([1054, 1054, 1054, 60]);
    expect(b.endpoint.counters.receivedFrames).toBe(2);
  });

  it('does not go deep: a long chain of clients that pass frames on is no recursion', () => {
    const test = createTestHost();
    const network = new Network({ host: test.host, switch: false });
    let previous = openProbe(network, 'first');
    const first = previous;
    for (let i = 0; i < 6000; i++) {
      const left = openProbe(network, `l${i}`);
      const right = openProbe(network, `r${i}`);
      left.onReceive = (frame) => void right.endpoint.send(frame);
      network.wire(previous.endpoint, left.endpoint);
      previous = right;
    }
    const last = openProbe(network, 'last');
    network.wire(previous.endpoint, last.endpoint);
    send(first, 5);
    test.runUntilIdle();
    expect(last.frames.map(markOf)).toEqual([5]);
    expect(test.logs).toEqual([]);
  });
});

describe('link state', () => {
  it('keeps the administrator and the carrier apart: a reconnect does not undo set_link', () => {
    const { test, network, a, b } = setup();
    network.setLink('a', false);
    a.endpoint.carrier(false);
    a.endpoint.carrier(true);
    expect([a.endpoint.linkUp, a.endpoint.adminUp, a.endpoint.carrierUp]).toEqual([false, false, true]);
    test.runUntilIdle();
    expect([a.links, b.links]).toEqual([[false], [false]]);
    network.setLink('a', true);
    test.runUntilIdle();
    expect([a.links, b.links]).toEqual([
      [false, true],
      [false, true],
    ]);
  });

  it("is copied from a netdev to its NIC, as QEMU's set_link does, but not back", () => {
    const { network, a, b } = setup();
    network.setLink('a', false);
    expect([a.endpoint.adminUp, b.endpoint.adminUp]).toEqual([false, false]);
    network.setLink('b', true);
    expect([a.endpoint.adminUp, b.endpoint.adminUp, b.endpoint.linkUp]).toEqual([false, true, false]);
    network.setLink('a', true);
    network.setLink('b', false);
    expect([a.endpoint.adminUp, b.endpoint.adminUp]).toEqual([true, false]);
    expect(network.setLink('c', true)).toBe(false);
    const two = setup('stream', 'hubport');
    two.network.setLink('a', false);
    expect(two.b.endpoint.adminUp).toBe(true);
  });

  it('drops what waits when it goes down, and wakes who was told BUSY', () => {
    const { test, a, b } = setup();
    b.blocked = true;
    while (send(a) !== BUSY);
    b.endpoint.carrier(false);
    expect(b.endpoint.queuedFrames).toBe(0);
    expect(b.endpoint.counters.dropped).toEqual({ 'link-down': 257 });
    test.runUntilIdle();
    expect(a.readyCalls).toBe(1);
    expect(unaccounted(a.endpoint, b.endpoint)).toBe(0);
  });

  it('is down for a NIC whose netdev was deleted, until it is wired again', () => {
    const { test, network, a, b } = setup();
    network.remove(a.endpoint);
    test.runUntilIdle();
    expect([b.endpoint.linkUp, b.links]).toEqual([false, [false]]);
    const again = openProbe(network, 'a');
    expect(b.endpoint.wired).toBeUndefined();
    network.wire(again.endpoint, b.endpoint);
    expect(b.endpoint.linkUp).toBe(true);
  });

  it('wakes a sender whose peer is removed while it waits', () => {
    const { test, network, a, b } = setup();
    b.blocked = true;
    while (send(a) !== BUSY);
    network.remove(b.endpoint);
    test.runUntilIdle();
    expect(a.readyCalls).toBe(1);
    expect(unaccounted(a.endpoint, b.endpoint)).toBe(0);
  });
});

describe('onReady and linkChanged', () => {
  it('never run inside send or receive', () => {
    const { test, network, a, b } = setup();
    let inside = 0;
    const calls: number[] = [];
    a.endpoint.onReady = () => calls.push(inside);
    b.linkChanged = () => calls.push(inside);
    b.onReceive = () => {
      inside++;
      network.setLink('b', false);
      b.endpoint.ready();
      inside--;
    };
    inside++;
    send(a);
    inside--;
    expect(calls).toEqual([]);
    test.runUntilIdle();
    network.setLink('b', true);
    b.blocked = true;
    inside++;
    while (send(a) !== BUSY);
    inside--;
    b.onReceive = () => {};
    b.release();
    test.runUntilIdle();
    expect(calls.length).toBeGreaterThanOrEqual(2);
    expect(calls.every((depth) => depth === 0)).toBe(true);
  });
});
