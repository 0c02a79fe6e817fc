/**
 * Replays the golden vectors of group `tcp`. Initial sequence numbers are ours, so what refers to them is shifted by
 * the difference; windows and options are ours too (window scale, SACK) and are not compared.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Listener, StreamSocket } from '../../../src/net/host.ts';
import type { NetdevUserOptions } from '../../../src/schema/net.ts';
import * as w from '../../../src/wire/index.ts';
import { optionsOf } from './golden-frames.ts';
import { DELIBERATE, later, type Vector, vectors } from './golden-vectors.ts';
import { announce, createWorld, fromHex, hex, ipv4Frame, listenOn, recordedWorld, type World } from './world.ts';

const SYN = 2;
const RST = 4;
const ACK = 16;
const GUEST_ISN = 1000;
/** Marked `improve`, and our answer has to be equal to QEMU's in what is compared here. */
const EQUAL_ALL_THE_SAME = ['tcp-syn-host', 'tcp-urgent-host'];

interface Segment {
  ttl: number;
  source: number;
  destination: number;
  sourcePort: number;
  destinationPort: number;
  seq: number;
  ack: number;
  flags: number;
  urgent: number;
  data: string;
}

/** A TCP frame decoded, or an ICMP one as far as it is comparable. */
function decode(frame: Uint8Array): Segment | string {
  const ip = w.parseIpv4(frame, 14, frame.length);
  if (typeof ip === 'string') return ip;
  if (ip.protocol !== w.PROTOCOL_TCP) {
    const copy = frame.slice(0, 34 + ip.payloadLength);
    w.put16(copy, 18, 0);
    w.put16(copy, 24, 0);
    return hex(copy);
  }
  const end = 34 + ip.payloadLength;
  expect(w.checksumHolds(frame, 34, end - 34, w.ipv4PseudoSum(ip.source, ip.destination) + 6 + end - 34)).toBe(true);
  const header = ((frame[46] ?? 0) >> 4) * 4;
  return {
    ttl: ip.ttl,
    source: ip.source,
    destination: ip.destination,
    sourcePort: w.u16(frame, 34),
    destinationPort: w.u16(frame, 36),
    seq: w.u32(frame, 38),
    ack: w.u32(frame, 42),
    flags: (frame[47] ?? 0) & 0x3f,
    urgent: w.u16(frame, 52),
    data: hex(frame.subarray(34 + header, end)),
  };
}

/** A request with its acknowledgement shifted to our sequence numbers. */
function shifted(frame: Uint8Array, shifts: ReadonlyMap<number, number>): Uint8Array {
  const ip = w.parseIpv4(frame, 14, frame.length);
  if (typeof ip === 'string' || ip.protocol !== w.PROTOCOL_TCP || ip.payloadLength < 20) return frame;
  const shift = shifts.get(w.u16(frame, 34));
  if (shift === undefined) return frame;
  const before = w.u32(frame, 42);
  const after = (before + shift) >>> 0;
  w.put32(frame, 42, after);
  w.put16(frame, 50, w.updateChecksum32(w.u16(frame, 50), before, after));
  return frame;
}

/** Without repetitions, and without what other connections of the group still send. */
function onlyOnce(segments: (Segment | string)[], guestPorts: readonly number[]): (Segment | string)[] {
  const seen = new Set<string>();
  return segments.filter((segment) => {
    if (typeof segment === 'object' && !guestPorts.includes(segment.destinationPort)) return false;
    const key = JSON.stringify(segment);
    return !seen.has(key) && seen.add(key);
  });
}

function segmentFrame(
  port: number,
  seq: number,
  ack: number,
  flags: number,
  destinationPort = 8000,
  payloadLength = 0,
): Uint8Array {
  const length = 20 + payloadLength;
  const tcp = new Uint8Array(length);
  w.put16(tcp, 0, port);
  w.put16(tcp, 2, destinationPort);
  w.put32(tcp, 4, seq);
  w.put32(tcp, 8, ack);
  tcp[12] = 0x50;
  tcp[13] = flags;
  w.put16(tcp, 14, 65535);
  w.put16(tcp, 16, w.checksum(tcp, 0, length, w.ipv4PseudoSum(0x0a00020f, 0x0a000202) + 6 + length));
  return ipv4Frame(w.PROTOCOL_TCP, tcp);
}

describe('golden tcp', () => {
  const rows = vectors.filter((v) => v.group === 'tcp');
  for (const netdev of new Set(rows.map((v) => v.netdev))) {
    describe(netdev, () => {
      let world: World;
      const accepted: StreamSocket[] = [];
      const shifts = new Map<number, number>();

      beforeAll(async () => {
        world = await createWorld(optionsOf(netdev) as NetdevUserOptions);
        await recordedWorld(world.test);
        world.test.network.fail({ on: 'connect', host: '203.0.113.9', code: 'EHOSTUNREACH', afterMs: 3050 });
        const serve = (listener: Listener): void => {
          listener.onConnection = (socket) => {
            accepted.push(socket);
            const into = new Uint8Array(65536);
            socket.onEvent = (event) => {
              if (event === 'readable' && socket.readInto(into, 0, into.length) === 0) socket.interest(false, false);
            };
            socket.interest(true, false);
          };
        };
        serve(await listenOn(world.test, '127.0.0.1', 8000));
        serve(await listenOn(world.test, '198.51.100.1', 8001));
        world.give(announce());
      });
      afterAll(async () => {
        await world.close();
        await world.test.settle();
        expect(world.test.leaks()).toEqual([]);
      });

      /** Vectors without request begin on a connection that was made for them. */
      const connect = async (port: number): Promise<{ isn: number; host: StreamSocket }> => {
        const [answer] = await world.exchange(segmentFrame(port, GUEST_ISN, 0, SYN));
        const synAck = decode(answer ?? new Uint8Array(0)) as Segment;
        expect(synAck.flags).toBe(SYN | ACK);
        await world.exchange(segmentFrame(port, GUEST_ISN + 1, synAck.seq + 1, ACK));
        const host = accepted.at(-1);
        if (host === undefined) throw new TypeError('nobody accepted');
        return { isn: synAck.seq, host };
      };

      const act = async (vector: Vector): Promise<void> => {
        const port = vector.reply[0] === undefined ? 0 : w.u16(fromHex(vector.reply[0]), 36);
        const host = accepted.at(-1);
        switch (vector.name) {
          case 'tcp-host-data':
            host?.write(new TextEncoder().encode('world'), 0, 5);
            break;
          case 'tcp-host-close-after-guest-fin':
            // The recorded session carried nine bytes in between that no vector shows.
            host?.write(new Uint8Array(9), 0, 9);
            await world.test.elapse(50);
            world.give(shifted(segmentFrame(port, 2667, 16, ACK), shifts));
            await world.test.elapse(50);
            world.take();
            host?.close();
            break;
          case 'tcp-urgent-host': {
            const made = await connect(port);
            // Four bytes of the guest that no vector shows.
            world.give(segmentFrame(port, GUEST_ISN + 1, made.isn + 1, ACK, 8000, 4));
            await world.test.elapse(50);
            world.take();
            shifts.set(port, (made.isn + 1 - w.u32(fromHex(vector.reply[0] ?? ''), 38)) >>> 0);
            made.host.writeUrgent?.(0x21);
            break;
          }
          case 'tcp-host-fin': {
            const made = await connect(port);
            shifts.set(port, (made.isn + 1 - w.u32(fromHex(vector.reply[0] ?? ''), 38)) >>> 0);
            made.host.shutdown();
            break;
          }
        }
      };

      for (const vector of rows.filter((v) => v.netdev === netdev)) {
        const feature = later(vector.name);
        const run = async (): Promise<{ got: (Segment | string)[]; want: (Segment | string)[] }> => {
          world.take();
          await act(vector);
          for (const request of vector.request) world.give(shifted(fromHex(request), shifts));
          await world.test.elapse(150);
          const want = vector.reply.map((reply) => decode(fromHex(reply)));
          const ports = [...vector.request, ...vector.reply].map((frame, i) =>
            w.u16(fromHex(frame), i < vector.request.length ? 34 : 36),
          );
          const got = onlyOnce(world.take().map(decode), ports);
          for (let i = 0; i < got.length; i++) {
            const mine = got[i];
            const theirs = want[i];
            if (typeof mine !== 'object' || typeof theirs !== 'object') continue;
            if ((mine.flags & SYN) !== 0) shifts.set(mine.destinationPort, (mine.seq - theirs.seq) >>> 0);
            if ((mine.flags & RST) === 0 || (mine.flags & ACK) === 0 || mine.seq !== 0) {
              mine.seq = (mine.seq - (shifts.get(mine.destinationPort) ?? 0)) >>> 0;
            }
          }
          return { got, want };
        };
        if (feature !== undefined) {
          it.fails(`${vector.name} (later: ${feature})`, async () => {
            const { got, want } = await run();
            expect(got).toEqual(want);
          });
        } else if (vector.policy === 'improve' && !EQUAL_ALL_THE_SAME.includes(vector.name)) {
          it(`${vector.name} (ours differs)`, async () => {
            await run();
          });
        } else if (vector.name in DELIBERATE) {
          it(`${vector.name} (ours differs)`, async () => {
            await run();
          });
        } else {
          it(vector.name, async () => {
            const { got, want } = await run();
            expect(got, vector.note).toEqual(want);
          });
        }
      }
    });
  }
});
