/**
 * What every net client must keep to (contracts of src/net/client.ts), as one suite over a pair: the client under test
 * on a real Network in virtual time, and the far side it leads to, whatever that is.
 *
 * The suite's NIC hands out frames in a buffer with guard bytes around them, compares the buffer after the call and
 * overwrites it: who keeps or writes borrowed bytes fails.
 *
 * @example
 * netdevCompliance('stream over unix sockets', async () => {
 *   const test = createTestHost();
 *   const network = new Network({ host: test.host, switch: false });
 *   ...
 *   return { test, network, endpoint, received, sendFromFar, stall, unstall, close: async () => { await peer.close(); } };
 * });
 */
import { describe, expect, it } from 'vitest';
import { BUSY, DROPPED } from '../../../src/net/client.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { QUEUE_CAP_FRAMES } from '../../../src/net/fair-queue.ts';
import { Frame } from '../../../src/net/frame.ts';
import type { Network } from '../../../src/net/network.ts';
import type { TestHost } from '../host.ts';
import { Prng } from '../prng.ts';
import { frameBytes, markOf, openProbe, type Probe, unaccounted } from '../probe.ts';

export interface NetdevPair {
  readonly test: TestHost;
  readonly network: Network;
  /** The client under test, attached, wired to nothing. */
  readonly endpoint: Endpoint;
  /** Copies of the frames that arrived at the far side, in order. */
  readonly received: Uint8Array[];
  /** The far side sends a frame towards the client under test, now or as soon as it can. */
  sendFromFar(bytes: Uint8Array): void;
  /** Wires the suite's NIC. Default: network.wire(nic, endpoint). */
  connect?(nic: Endpoint): void;
  /** The far side stops taking anything, and takes again. Unset: it cannot be stopped. */
  stall?(): void;
  unstall?(): void;
  /** The far side is gone at once, in the middle of a frame where the way has a middle. */
  vanish?(): void | Promise<void>;
  /** Inputs of the far side that no correct peer sends, by name. Frames must pass afterwards. */
  readonly malformed?: Readonly<Record<string, () => void | Promise<void>>>;
  /** Inputs after which the client may end the connection, but nothing worse. */
  readonly fatal?: Readonly<Record<string, () => void | Promise<void>>>;
  /** Closes the far side; the suite closes the client under test. */
  close(): void | Promise<void>;
}

export interface NetdevComplianceOptions {
  /** Longest frame the way carries, bytes. Default 65535. */
  readonly maxFrame?: number;
  /** The way may lose frames (datagrams): back-pressure is not expected to keep all. */
  readonly lossy?: boolean;
}

const GUARD = 32;
const GUARD_BYTE = 0xa5;

export function netdevCompliance(
  name: string,
  makePair: () => NetdevPair | Promise<NetdevPair>,
  options: NetdevComplianceOptions = {},
): void {
  const maxFrame = options.maxFrame ?? 65535;
  const lossy = options.lossy ?? false;

  describe(`netdev compliance: ${name}`, () => {
    it('carries frames of all lengths both ways, unchanged and in order', () =>
      withPair(makePair, async (s) => {
        const lengths = [60, 61, 62, 63, 64, 590, 1514, 1518, 9018, maxFrame].filter((n) => n <= maxFrame);
        for (const [i, length] of lengths.entries()) {
          s.send(frameBytes(2, 1, i, length));
          s.pair.sendFromFar(frameBytes(1, 2, i, length));
          await s.pair.test.settle();
        }
        expect(s.pair.received.map(digest)).toEqual(lengths.map((n, i) => digest(frameBytes(2, 1, i, n))));
        expect(s.nic.frames.map(digest)).toEqual(lengths.map((n, i) => digest(frameBytes(1, 2, i, n))));
      }));

    it('neither keeps nor writes borrowed bytes', () =>
      withPair(makePair, async (s) => {
        for (let i = 0; i < 40; i++) s.send(frameBytes(2, 1, i, 60 + i * 31));
        await s.pair.test.settle();
        expect(s.pair.received.map(digest)).toEqual(
          Array.from({ length: 40 }, (_, i) => digest(frameBytes(2, 1, i, 60 + i * 31))),
        );
      }));

    it('does not mind a receiver that stops: what the far side sends waits, and arrives in order', () =>
      withPair(makePair, async (s) => {
        s.nic.blocked = true;
        for (let i = 0; i < 400; i++) s.pair.sendFromFar(frameBytes(1, 2, i, 600));
        await s.pair.test.settle();
        expect(s.nic.frames).toHaveLength(0);
        expect(s.nic.endpoint.queuedFrames).toBeLessThanOrEqual(QUEUE_CAP_FRAMES);
        s.nic.release();
        await s.pair.test.settle();
        const got = s.nic.frames.map(markOf);
        expect(got).toEqual([...got].sort((a, b) => a - b));
        if (!lossy) expect(got).toEqual(Array.from({ length: 400 }, (_, i) => i));
        else expect(got.length).toBeGreaterThan(0);
      }));

    it('stops its sender when the far side stops, loses nothing that was taken, and goes on', () =>
      withPair(makePair, async (s) => {
        const { stall, unstall } = s.pair;
        if (stall === undefined || unstall === undefined) return;
        stall.call(s.pair);
        let sent = 0;
        while (sent < 20_000 && s.send(frameBytes(2, 1, sent, 1514)) !== BUSY) {
          sent++;
          if (sent % 64 === 0) await s.pair.test.settle();
        }
        sent++;
        if (!lossy) expect(sent).toBeLessThan(20_000);
        const told = s.nic.readyCalls;
        unstall.call(s.pair);
        await s.pair.test.settle();
        await s.pair.test.elapse(100);
        if (!lossy) {
          expect(s.nic.readyCalls).toBeGreaterThan(told);
          expect(s.pair.received.map(markOf)).toEqual(Array.from({ length: sent }, (_, i) => i));
        }
        const before = s.pair.received.length;
        s.send(frameBytes(2, 1, sent, 60));
        await s.pair.test.settle();
        expect(s.pair.received.length).toBe(before + 1);
      }));

    it('is silent both ways while its link is down', () =>
      withPair(makePair, async (s) => {
        const { network, endpoint, test } = s.pair;
        expect(network.setLink(endpoint.name, false)).toBe(true);
        await test.settle();
        expect(s.send(frameBytes(2, 1, 1))).toBe(DROPPED);
        s.pair.sendFromFar(frameBytes(1, 2, 1));
        await test.settle();
        expect([s.pair.received.length, s.nic.frames.length]).toEqual([0, 0]);
        network.setLink(endpoint.name, true);
        await test.settle();
        s.send(frameBytes(2, 1, 2));
        s.pair.sendFromFar(frameBytes(1, 2, 2));
        await test.settle();
        expect([s.pair.received.map(markOf), s.nic.frames.map(markOf)]).toEqual([[2], [2]]);
      }));

    it('accounts for every frame', () =>
      withPair(makePair, async (s) => {
        const random = new Prng(0xc0ffee);
        for (let i = 0; i < 300; i++) {
          const what = random.below(20);
          if (what === 0) s.nic.blocked = true;
          else if (what === 1) s.nic.release();
          else if (what === 2) s.pair.network.setLink(s.pair.endpoint.name, random.below(2) === 0);
          else if (what < 11) s.send(frameBytes(2, 1, i, 60 + random.below(1400)));
          else s.pair.sendFromFar(frameBytes(1, 2, i, 60 + random.below(1400)));
          if (random.below(4) === 0) await s.pair.test.settle();
          s.expectBalance();
        }
        s.pair.network.setLink(s.pair.endpoint.name, true);
        s.nic.release();
        await s.pair.test.settle();
        s.expectBalance();
      }));

    it('can be deleted in the middle of traffic', () =>
      withPair(makePair, async (s) => {
        const { network, endpoint, test } = s.pair;
        s.nic.blocked = true;
        for (let i = 0; i < 100; i++) {
          s.send(frameBytes(2, 1, i, 1514));
          s.pair.sendFromFar(frameBytes(1, 2, i, 1514));
        }
        const client = endpoint.client;
        network.remove(endpoint);
        await Promise.all([client?.close(), client?.close(), test.settle()]);
        expect(network.clients()).not.toContain(endpoint);
        s.pair.sendFromFar(frameBytes(1, 2, 7));
        expect(s.send(frameBytes(2, 1, 7))).toBe(DROPPED);
        s.nic.release();
        await test.settle();
        expect(s.nic.endpoint.queuedFrames).toBe(0);
      }));

    it('survives a far side that vanishes', () =>
      withPair(makePair, async (s) => {
        if (s.pair.vanish === undefined) return;
        for (let i = 0; i < 5; i++) s.send(frameBytes(2, 1, i, 1514));
        await s.pair.vanish();
        for (let i = 0; i < 5; i++) s.send(frameBytes(2, 1, i, 1514));
        await s.pair.test.settle();
        s.expectBalance();
        expect(() => s.pair.endpoint.info()).not.toThrow();
      }));

    it('takes malformed input for what it is', async () => {
      const probe = await makePair();
      const names = [...Object.keys(probe.malformed ?? {}), ...Object.keys(probe.fatal ?? {})];
      await dispose(probe);
      for (const input of names) {
        await withPair(makePair, async (s) => {
          const { malformed, fatal, test } = s.pair;
          await (malformed?.[input] ?? fatal?.[input])?.();
          await test.settle();
          expect(s.nic.frames, input).toHaveLength(0);
          if (malformed?.[input] !== undefined) {
            s.pair.sendFromFar(frameBytes(1, 2, 9));
            s.send(frameBytes(2, 1, 9));
            await test.settle();
            expect([s.nic.frames.map(markOf), s.pair.received.map(markOf)], input).toEqual([[9], [9]]);
          }
        });
      }
    });
  });
}

interface Session {
  readonly pair: NetdevPair;
  readonly nic: Probe;
  send(bytes: Uint8Array): number;
  expectBalance(): void;
}

/** Runs `use` with a NIC wired to the client under test; afterwards nothing may be left. */
async function withPair(makePair: () => NetdevPair | Promise<NetdevPair>, use: (s: Session) => Promise<void>) {
  const pair = await makePair();
  const nic = openProbe(pair.network, 'suite-nic', 'nic');
  if (pair.connect !== undefined) pair.connect(nic.endpoint);
  else pair.network.wire(nic.endpoint, pair.endpoint);
  await pair.test.settle();
  const frame = new Frame();
  await use({
    pair,
    nic,
    send(bytes) {
      const buffer = new Uint8Array(bytes.length + 2 * GUARD).fill(GUARD_BYTE);
      buffer.set(bytes, GUARD);
      const before = buffer.slice();
      const result = nic.endpoint.send(frame.setPlain(buffer, GUARD, bytes.length));
      if (digest(buffer) !== digest(before)) throw new RangeError('the client wrote into borrowed bytes');
      buffer.fill(0xee);
      return result;
    },
    expectBalance() {
      const { peer } = nic.endpoint;
      if (peer === undefined) return;
      expect(unaccounted(nic.endpoint, peer)).toBe(0);
      expect(unaccounted(peer, nic.endpoint)).toBe(0);
    },
  });
  await dispose(pair);
}

async function dispose(pair: NetdevPair): Promise<void> {
  const { endpoint, network, test } = pair;
  const { client } = endpoint;
  network.remove(endpoint);
  await Promise.all([client?.close(), test.settle()]);
  await Promise.all([pair.close(), test.settle()]);
  network.close();
  await test.settle();
  expect(test.leaks()).toEqual([]);
}

/** Length and a sum that depends on the order: short in a failure's message. */
function digest(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${bytes.length}:${(hash >>> 0).toString(16)}`;
}
