/**
 * Mutated golden frames and random ones into a whole user network: no throw, no hang, no growth; afterwards the gateway
 * still answers, and closing leaves nothing.
 */
import { expect, it } from 'vitest';
import { BUSY } from '../src/net/client.ts';
import type { NetdevUserOptions } from '../src/schema/net.ts';
import * as w from '../src/wire/index.ts';
import { fuzzBudget, mutate, pick, seededRandom } from '../tests/kit/mutate.ts';
import { vectors } from '../tests/unit/user/golden-vectors.ts';
import {
  arpFrame,
  createWorld,
  fromHex,
  GUEST,
  GUEST_MAC,
  HOST,
  listenOn,
  recordedWorld,
} from '../tests/unit/user/world.ts';

const STEPS = 300;
const CONFIGS: NetdevUserOptions[] = [
  {},
  { restrict: true },
  {
    hostfwd: [{ str: 'tcp:127.0.0.1:0-:22' }, { str: 'udp:127.0.0.1:7777-:777' }],
    dnssearch: [{ str: 'example.com' }],
  },
  { net: '10.0.2.0/29', bootfile: 'http://x/y' },
];
const CORPUS = vectors.flatMap((v) => v.request.slice(0, 20)).map(fromHex);

it('user stack', { timeout: 600_000 }, async () => {
  const { ms, seed } = fuzzBudget();
  console.log(`user stack: FUZZ_SEED=${seed} FUZZ_MS=${ms}`);
  const until = performance.now() + ms;
  let rounds = 0;
  for (; rounds === 0 || performance.now() < until; rounds++) {
    await round(seed + rounds).catch((cause: unknown) => {
      throw new Error(`FUZZ_SEED=${seed + rounds} FUZZ_MS=1`, { cause });
    });
  }
  expect(rounds).toBeGreaterThan(0);
});

async function round(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const world = await createWorld(CONFIGS[pick(CONFIGS.length, random)]);
  await recordedWorld(world.test);
  const listener = await listenOn(world.test, '127.0.0.1', 8000);
  listener.onConnection = (socket) => {
    if (random() < 0.3) socket.reset();
    else if (random() < 0.5) socket.shutdown();
  };
  for (let i = 0; i < STEPS; i++) {
    world.give(nextFrame(random));
    if (random() < 0.05) await world.test.elapse(random() < 0.1 ? 60_000 : pick(500, random));
    if (random() < 0.02) world.port.answer = BUSY;
    if (random() < 0.1) world.port.release();
    if (world.port.frames.length > 1000) world.take();
  }
  world.port.release();
  await world.test.elapse(2000);
  expectBounded(world.client.usernet?.statistics() ?? {});
  world.take();
  // What waited for this guest's address comes along.
  const answers = await world.exchange(arpFrame(w.ARP_REQUEST, GUEST_MAC, GUEST, HOST), 1);
  expect(answers.some(isArpReply)).toBe(true);
  await world.close();
  await world.test.settle();
  expect(world.test.leaks()).toEqual([]);
}

const isArpReply = (frame: Uint8Array): boolean =>
  w.ethernetType(frame, 0) === w.ETHERTYPE_ARP && w.arpOperation(frame, 14) === w.ARP_REPLY;

function nextFrame(random: () => number): Uint8Array {
  const base = CORPUS[pick(CORPUS.length, random)] ?? new Uint8Array(60);
  const chance = random();
  if (chance < 0.15) return base;
  if (chance < 0.25) return Uint8Array.from({ length: pick(300, random) }, () => pick(256, random));
  // The Ethernet header stays in most, or nothing gets past it.
  const frame = random() < 0.9 ? behind(base, 14, random) : mutate(base, random);
  if (random() < 0.8) repair(frame);
  return frame;
}

function behind(base: Uint8Array, header: number, random: () => number): Uint8Array {
  const skip = random() < 0.5 ? header : Math.min(base.length, 34);
  const tail = mutate(base.slice(skip), random);
  const frame = new Uint8Array(skip + tail.length);
  frame.set(base.subarray(0, skip));
  frame.set(tail, skip);
  return frame.subarray(0, 65_550);
}

/** Lengths and checksums that hold, so that the mutation reaches the layers above. */
function repair(frame: Uint8Array): void {
  if (frame.length < 34 || w.ethernetType(frame, 0) !== w.ETHERTYPE_IPV4) return;
  const header = w.ipv4HeaderLength(frame, 14);
  if (header < 20 || 14 + header > frame.length) return;
  const total = Math.min(frame.length - 14, 0xffff);
  w.put16(frame, 16, total);
  w.put16(frame, 24, 0);
  w.put16(frame, 24, w.checksum(frame, 14, header));
  const at = 14 + header;
  const length = total - header;
  const protocol = w.ipv4Protocol(frame, 14);
  const pseudo = w.ipv4PseudoSum(w.ipv4Source(frame, 14), w.ipv4Destination(frame, 14)) + protocol;
  if (protocol === w.PROTOCOL_UDP && length >= 8) {
    w.put16(frame, at + 6, 0);
    const own = w.udpLength(frame, at);
    if (own >= 8 && own <= length) w.put16(frame, at + 6, w.checksum(frame, at, own, pseudo + own));
  } else if (protocol === w.PROTOCOL_TCP && length >= 20) {
    w.put16(frame, at + 16, 0);
    w.put16(frame, at + 16, w.checksum(frame, at, length, pseudo + length));
  } else if (protocol === w.PROTOCOL_ICMP && length >= 8) {
    w.put16(frame, at + 2, 0);
    w.put16(frame, at + 2, w.checksum(frame, at, length));
  }
}

function expectBounded(statistics: Record<string, number>): void {
  const caps: Record<string, number> = {
    'ip.neighbours': 1024,
    'ip.incompleteDatagrams': 64,
    'ip.fragmentBytes': 4 * 1024 * 1024,
    'udp.flows': 8192,
    'dns.queries': 256,
    'tcp.flows': 16_384,
    'tcp.poolBytes': 64 * 1024 * 1024,
  };
  for (const [name, cap] of Object.entries(caps)) {
    expect(statistics[name], name).toBeDefined();
    expect(statistics[name] ?? 0, name).toBeLessThanOrEqual(cap);
  }
}
