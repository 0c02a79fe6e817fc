/** Random and mutated segments into the TCP of the user network: no throw, no hang, no growth, nothing left. */
import { expect, it } from 'vitest';
import type { StreamSocket } from '../src/net/host.ts';
import { ipv4Address } from '../src/slirp/address.ts';
import { TcpStack } from '../src/slirp/tcp-stack.ts';
import { GuestTcp } from '../tests/kit/guest-tcp.ts';
import { createTestHost } from '../tests/kit/host.ts';
import { fuzzBudget, mutate, pick, seededRandom } from '../tests/kit/mutate.ts';
import { buildPacket, HOST_ALIAS, type Segment, type SegmentFields, TcpLink } from '../tests/kit/tcp-link.ts';

const STEPS = 400;
const MAX_FLOWS = 32;
const REMOTES = [HOST_ALIAS, HOST_ALIAS, ipv4Address(0xcb007107), ipv4Address(0xcb007107), ipv4Address(0x0a00020f)];
/** Segments of the stack that the guest may still answer. */
const RECENT = 24;
const FLAGS = [0x02, 0x12, 0x10, 0x10, 0x18, 0x18, 0x11, 0x19, 0x04, 0x14, 0x00, 0x29, 0xff];

it('segments', { timeout: 600_000 }, async () => {
  const { ms, seed } = fuzzBudget();
  console.log(`tcp: FUZZ_SEED=${seed} FUZZ_MS=${ms}`);
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
  const test = createTestHost({ seed });
  const link = new TcpLink(test.host, test.loop, { seed });
  const stack = new TcpStack(link, { maxFlows: MAX_FLOWS, maxConnecting: 16, initialSequence: () => 0xffff_fff0 });
  link.stack = stack;
  const accepted: StreamSocket[] = [];
  await listen(test, accepted);
  const forward = await stack.addForward({
    hostAddress: '127.0.0.1',
    hostPort: 0,
    guestAddress: link.guest,
    guestPort: 22,
  });
  link.checksEdges = false;
  const recent: Segment[] = [];
  link.onSegment = (segment) => {
    if ((segment.flags & 4) !== 0) return;
    recent.push(segment);
    if (recent.length > RECENT) recent.shift();
  };
  for (let i = 0; i < STEPS; i++) {
    const chance = random();
    if (chance < 0.75) inject(link, fields(recent[pick(recent.length, random)], random), random);
    else if (chance < 0.85) play(accepted, random);
    else if (chance < 0.87)
      test.network.local.sockets.connect({ family: 'ipv4', host: '127.0.0.1', port: forward.hostPort });
    else if (chance < 0.9) link.busy = !link.busy;
    else test.advance(pick(random() < 0.1 ? 100_000 : 300, random));
    if (!link.busy) stack.resumeGuest(link.guest);
    test.runUntilIdle();
    expect(stack.flows().length).toBeLessThanOrEqual(MAX_FLOWS);
  }
  link.busy = false;
  stack.resumeGuest(link.guest);
  // Whatever happened, an honest connection still works once the others had time to fail.
  test.advance(200_000);
  const guest = new GuestTcp(link, { remote: HOST_ALIAS, remotePort: 80, guestPort: 7000 });
  link.onSegment = (segment) => {
    if (segment.destinationPort === 7000) guest.onSegment(segment);
  };
  guest.connect();
  test.advance(100);
  guest.write(new Uint8Array(1000));
  test.advance(100);
  expect(guest.bytesAcked).toBe(1000);
  guest.vanish();
  const statistics = stack.statistics();
  expect(statistics['tcp.poolPeakBytes']).toBeLessThan(MAX_FLOWS * 8 * 1024 * 1024);
  await stack.close();
  for (const socket of accepted) socket.reset();
  await test.settle();
  expect(test.leaks()).toEqual([]);
  expect(stack.statistics()['tcp.poolBytes']).toBe(0);
  expect(stack.statistics()['tcp.connecting']).toBe(0);
  expect(stack.statistics()['tcp.parkedNow']).toBe(0);
}

async function listen(test: ReturnType<typeof createTestHost>, accepted: StreamSocket[]): Promise<void> {
  const server = test.network.addHost('203.0.113.7', { latencyMs: 20 });
  for (const [sockets, host] of [
    [test.network.local.sockets, '127.0.0.1'],
    [server.sockets, '203.0.113.7'],
  ] as const) {
    const listener = await sockets.listen({ family: 'ipv4', host, port: 80 });
    listener.onConnection = (socket) => accepted.push(socket);
  }
}

/** Mostly what a guest could mean: numbers near those the stack last used. */
function fields(last: Segment | undefined, random: () => number): SegmentFields {
  const near = () => pick(3000, random) - 1000;
  const guess = () => (random() < 0.6 ? 0 : near());
  const wild = random() < 0.2;
  const flags = FLAGS[pick(FLAGS.length, random)] ?? 0;
  const opening = last === undefined || random() < 0.1;
  return {
    remote: opening || wild ? (REMOTES[pick(REMOTES.length, random)] ?? HOST_ALIAS) : last.remote,
    guestPort: opening || wild ? 5000 + pick(40, random) : last.destinationPort,
    remotePort: opening || wild ? (random() < 0.9 ? 80 : pick(65536, random)) : last.sourcePort,
    seq: opening ? 0xffff_ff00 + pick(2, random) * 50 : (last.ack + guess()) >>> 0,
    ack: opening ? 0 : (last.seq + last.payload.length + (last.flags & 3 ? 1 : 0) + guess()) >>> 0,
    flags: opening && !wild ? 2 : flags,
    window: random() < 0.1 ? 0 : pick(65536, random),
    options: options(last, random),
    payload:
      flags & 8 || random() < 0.1 ? new Uint8Array(pick(random() < 0.1 ? 60_000 : 1460, random)) : new Uint8Array(0),
  };
}

function options(last: Segment | undefined, random: () => number): Uint8Array {
  const choice = random();
  if (choice < 0.4) return new Uint8Array(0);
  if (choice < 0.7)
    return Uint8Array.of(2, 4, pick(12, random), pick(256, random), 1, 1, 4, 2, 1, 3, 3, pick(20, random));
  if (choice < 0.9) {
    const edge = ((last?.seq ?? 0) + 1460 * (pick(8, random) - 1) + pick(3, random)) >>> 0;
    const bytes = new Uint8Array(12);
    bytes.set([1, 1, 5, 10]);
    const view = new DataView(bytes.buffer);
    view.setUint32(4, edge);
    view.setUint32(8, edge + pick(5000, random));
    return bytes;
  }
  return Uint8Array.from({ length: 4 * pick(11, random) }, () => pick(256, random));
}

function inject(link: TcpLink, what: SegmentFields, random: () => number): void {
  const { packet } = buildPacket(link.guest, what);
  if (random() < 0.3) {
    const segment = packet.bytes.subarray(packet.transportOffset, packet.transportOffset + packet.transportLength);
    const mutated = mutate(segment.slice(), random).subarray(0, 65_000);
    packet.bytes = new Uint8Array(packet.transportOffset + mutated.length);
    packet.bytes.set(mutated, packet.transportOffset);
    packet.transportLength = mutated.length;
    packet.checksumTrusted = random() < 0.95;
  }
  link.injectRaw(packet);
  packet.bytes.fill(0xee);
}

/** The other end of some connection does something. */
function play(accepted: StreamSocket[], random: () => number): void {
  const socket = accepted[pick(accepted.length, random)];
  if (socket === undefined) return;
  const bytes = new Uint8Array(pick(100_000, random));
  switch (pick(6, random)) {
    case 0:
      socket.shutdown();
      return;
    case 1:
      if (random() < 0.3) socket.reset();
      return;
    case 2:
      if (random() < 0.3) socket.close();
      return;
    case 3:
      if (socket.room() > 0) socket.write(bytes, 0, bytes.length);
      return;
    default:
      socket.readInto(bytes, 0, bytes.length);
  }
}
