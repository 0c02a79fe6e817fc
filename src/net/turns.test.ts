import { describe, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { frameBytes, openProbe, type Probe, plainFrame } from '../../tests/kit/probe.ts';
import { BUSY } from './client.ts';
import type { Host } from './host.ts';
import { Network } from './network.ts';
import { MAX_DEBT_MS, MIN_QUANTUM_US, QUANTUM_US, ROUND_US } from './turns.ts';

const QUANTUM_MS = QUANTUM_US / 1000;

/** Sources behind a switch with a `user` port; a frame to station 9, there, costs `cost` milliseconds. */
function setup(sources: number) {
  const test = createTestHost();
  const at = { ms: 0, cost: 0, charge: 0 };
  const host: Host = Object.create(test.host, { clock: { value: { now: () => at.ms, wallMicros: () => 0 } } });
  const network = new Network({ host, switch: true });
  const user = openProbe(network, 'user', 'user');
  network.autoSwitch(user.endpoint);
  user.endpoint.claimAddress(0x020000000009);
  user.onReceive = ({ ingress }) => {
    at.ms += at.cost;
    if (at.charge > 0) user.endpoint.charge(ingress, at.charge);
  };
  const probes = Array.from({ length: sources }, (_, i) => {
    const probe = openProbe(network, `s${i}`);
    network.autoSwitch(probe.endpoint);
    return probe;
  });
  return { test, at, network, user, probes };
}

const send = (from: Probe, station: number) => from.endpoint.send(plainFrame(frameBytes(9, station)));

/** As a descriptor does it: frames until told to stop. */
function readAll(from: Probe, station: number, most = 10_000): number {
  for (let sent = 1; sent <= most; sent++) if (send(from, station) === BUSY) return sent;
  return most;
}

describe('turns', () => {
  it('stop a source when its frames have cost a quantum, and give it the next one a turn later', () => {
    const { test, at, probes } = setup(2);
    const [hostile, quiet] = probes as [Probe, Probe];
    at.cost = QUANTUM_MS / 32;
    const first = readAll(hostile, 1);
    expect(first).toBeGreaterThanOrEqual(32);
    expect(first).toBeLessThanOrEqual(48);
    expect(send(quiet, 2)).not.toBe(BUSY);
    expect(hostile.readyCalls).toBe(0);
    let turns = 0;
    hostile.endpoint.onReady = () => {
      turns++;
      if (turns < 10) expect(readAll(hostile, 1)).toBeLessThanOrEqual(48);
    };
    test.runUntilIdle();
    expect(turns).toBe(10);
  });

  it('count what a frame costs later, when it is charged', () => {
    const { at, probes } = setup(2);
    at.charge = QUANTUM_MS / 4;
    expect(readAll(probes[0] as Probe, 1)).toBe(4);
  });

  it('count what follows a read for nobody', () => {
    const { at, probes } = setup(2);
    const [quiet] = probes as [Probe, Probe];
    for (let batch = 0; batch < 10; batch++) {
      expect(send(quiet, 1)).not.toBe(BUSY);
      quiet.endpoint.sent();
      // Others, in the same batch.
      at.ms += 10;
    }
    expect(readAll(quiet, 1, 100)).toBe(100);
  });

  it('stop one that overdraws by a few frames at a time', () => {
    const { test, at, probes } = setup(2);
    const [hostile] = probes as [Probe, Probe];
    at.cost = QUANTUM_MS;
    let batches = 0;
    for (; batches < 10; batches++) {
      if (send(hostile, 1) === BUSY || send(hostile, 1) === BUSY) break;
      hostile.endpoint.sent();
      test.loop.nextTurn({ run: () => {} });
    }
    expect(batches).toBeLessThan(3);
  });

  it('let who overdrew wait for as many turns, within bounds', () => {
    const { test, at, probes } = setup(2);
    const [hostile, quiet] = probes as [Probe, Probe];
    at.charge = 1000;
    expect(send(hostile, 1)).toBe(BUSY);
    const turn = test.loop.turns;
    at.charge = 0;
    test.runUntilIdle();
    expect(hostile.readyCalls).toBe(1);
    expect(test.loop.turns - turn).toBeLessThanOrEqual(MAX_DEBT_MS / QUANTUM_MS + 3);
    expect(test.loop.turns - turn).toBeGreaterThan(MAX_DEBT_MS / QUANTUM_MS - 3);
    expect(send(quiet, 2)).not.toBe(BUSY);
  });

  it('never stop the only source there is', () => {
    const { at, probes } = setup(1);
    at.charge = 10;
    expect(readAll(probes[0] as Probe, 1, 100)).toBe(100);
  });

  it('become shorter when many are busy, so that a round stays short', () => {
    const { test, at, probes } = setup(60);
    at.charge = MIN_QUANTUM_US / 1000 / 2;
    at.cost = at.charge;
    const starts: number[] = [];
    for (const [i, probe] of probes.entries()) {
      probe.endpoint.onReady = () => {
        if (i === 0) starts.push(at.ms);
        if (starts.length < 6) readAll(probe, i + 10);
      };
      readAll(probe, i + 10);
    }
    test.runUntilIdle();
    const rounds = starts.slice(1).map((start, i) => start - (starts[i] as number));
    expect(rounds.length).toBe(5);
    expect(Math.max(...rounds.slice(1))).toBeLessThanOrEqual(ROUND_US / 1000 + 1);
  });

  it('end with their port', () => {
    const { test, at, network, probes } = setup(2);
    const [gone] = probes as [Probe];
    at.cost = 1;
    expect(readAll(gone, 1)).toBeLessThan(20);
    network.remove(gone.endpoint);
    test.runUntilIdle();
    expect(gone.readyCalls).toBe(0);
    expect(test.leaks()).toEqual([]);
  });
});
