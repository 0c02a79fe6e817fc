/** What a hostile guest at one port, under any number of addresses, leaves to a quiet one at another. */
import { afterEach, describe, expect, it } from 'vitest';
import { GuestTcp } from '../../tests/kit/guest-tcp.ts';
import { createTestHost, type TestHost } from '../../tests/kit/host.ts';
import { HOST_ALIAS, type Segment, TcpLink } from '../../tests/kit/tcp-link.ts';
import { type StreamSocket, WOULD_BLOCK } from '../net/host.ts';
import { ipv4Address } from './address.ts';
import { CHUNK_BYTES, ChunkPool } from './chunk-pool.ts';
import { Assembler } from './tcp-assembler.ts';
import { LastWords } from './tcp-last-words.ts';
import { MAX_CONNECTING, MAX_LAST_WORDS } from './tcp-limits.ts';
import { TcpStack, type TcpStackOptions } from './tcp-stack.ts';

const QUIET = 1;
const HOSTILE = 2;
const ISS = 1000;
const ACK_OF_SYN = 0xffff_fff1;
const SILENT = ipv4Address(0xcb007107);

interface World {
  readonly test: TestHost;
  readonly link: TcpLink;
  readonly stack: TcpStack;
  /** By remote port: what an accepted connection is sent. */
  readonly answers: Map<number, Uint8Array>;
}

let worlds: World[] = [];

afterEach(async () => {
  for (const { test, stack } of worlds) {
    await stack.close();
    await test.settle();
    expect(test.leaks()).toEqual([]);
    expect(stack.statistics()).toMatchObject({ 'tcp.poolBytes': 0, 'tcp.connecting': 0, 'tcp.dialing': 0 });
  }
  worlds = [];
});

async function createWorld(options: TcpStackOptions = {}): Promise<World> {
  const test = createTestHost({ seed: 1 });
  const link = new TcpLink(test.host, test.loop, { seed: 1 });
  link.checksEdges = false;
  const stack = new TcpStack(link, { initialSequence: () => ACK_OF_SYN - 1, ...options });
  link.stack = stack;
  test.network.fail({ on: 'connect', code: 'none', host: '203.0.113.7' });
  const answers = new Map<number, Uint8Array>();
  for (const port of [80, 81]) {
    const listener = await test.network.local.sockets.listen({ family: 'ipv4', host: '127.0.0.1', port });
    listener.onConnection = (socket) => answer(socket, answers.get(port));
  }
  const world = { test, link, stack, answers };
  worlds.push(world);
  return world;
}

function answer(socket: StreamSocket, bytes: Uint8Array | undefined): void {
  let at = 0;
  const write = (): void => {
    if (bytes === undefined) return;
    const n = socket.write(bytes, at, bytes.length - at);
    if (n > 0) at += n;
    socket.interest(false, at < bytes.length);
  };
  socket.onEvent = (event) => {
    if (event === 'writable') write();
  };
  write();
}

const invented = (n: number): Uint32Array => ipv4Address(0x0a010000 + n);

/** Opens `count` connections from as many addresses; nothing is ever acknowledged but the handshake. */
function open({ link, test }: World, count: number, window = 65_535, ingress = HOSTILE): void {
  link.onSegment = () => {};
  const fields = { remote: HOST_ALIAS, remotePort: 81, ingress, window };
  for (let n = 0; n < count; n++) {
    link.inject({ ...fields, guest: invented(n), guestPort: 1024 + (n % 7), seq: ISS, flags: 2 });
    if (n % 50 === 49) test.advance(1);
  }
  test.advance(50);
  for (let n = 0; n < count; n++) {
    const ours = { guest: invented(n), guestPort: 1024 + (n % 7), seq: ISS + 1, ack: ACK_OF_SYN };
    link.inject({ ...fields, ...ours, flags: 0x10 });
  }
  test.advance(200);
}

function synToSilence({ link }: World, n: number, guest = invented(n), ingress = HOSTILE): void {
  link.inject({ guest, ingress, remote: SILENT, remotePort: 80, guestPort: 1 + (n % 60_000), seq: n, flags: 2 });
}

function connect({ link, test }: World, guestPort: number, ingress = QUIET): GuestTcp {
  const guest = new GuestTcp(link, { remote: HOST_ALIAS, remotePort: 80, guestPort, ingress });
  link.onSegment = (segment: Segment) => {
    if (segment.destinationPort === guestPort) guest.onSegment(segment);
  };
  guest.connect();
  test.advance(10);
  return guest;
}

/** What the quiet guest receives of a megabyte within a second. */
function transfer(world: World, guestPort: number, ingress = QUIET): number {
  world.answers.set(80, new Uint8Array(1_000_000).fill(7));
  const guest = connect(world, guestPort, ingress);
  world.test.advance(1000);
  guest.vanish();
  return guest.received.length;
}

describe('the pool', () => {
  it('counts what a flow really holds: one-byte replies hold little, and nobody is in need', async () => {
    const world = await createWorld();
    world.answers.set(81, new Uint8Array(1));
    open(world, 1200);
    expect(world.stack.statistics()['tcp.poolBytes']).toBeLessThanOrEqual(1200 * 1024);
    expect(world.stack.statistics()['tcp.starved']).toBe(0);
    expect(transfer(world, 5000)).toBe(1_000_000);
  });

  it('puts replies that come one after the other behind each other', async () => {
    const world = await createWorld();
    const sockets: StreamSocket[] = [];
    const listener = await world.test.network.local.sockets.listen({ family: 'ipv4', host: '127.0.0.1', port: 82 });
    listener.onConnection = (socket) => sockets.push(socket);
    const guest = new GuestTcp(world.link, { remote: HOST_ALIAS, remotePort: 82, guestPort: 5000 });
    world.link.onSegment = guest.onSegment;
    guest.connect();
    world.test.advance(10);
    world.link.onSegment = () => {};
    const sent = Uint8Array.from({ length: 900 }, (_, i) => i);
    for (let at = 0; at < sent.length; at += 3) {
      sockets[0]?.write(sent, at, 3);
      world.test.advance(1);
    }
    expect(world.stack.statistics()['tcp.poolBytes']).toBeLessThanOrEqual(2048);
    world.link.onSegment = guest.onSegment;
    world.test.advance(5000);
    expect([...guest.received]).toEqual([...sent]);
  });

  it('is shared by ports: long replies never acknowledged, under many addresses, leave the quiet guest its transfer', async () => {
    const world = await createWorld({ pool: new ChunkPool(64 * CHUNK_BYTES) });
    world.answers.set(81, new Uint8Array(100_000));
    open(world, 300);
    expect(world.stack.statistics()['tcp.starved']).toBeGreaterThan(0);
    expect(transfer(world, 5000)).toBe(1_000_000);
    world.test.advance(5000);
    expect(transfer(world, 5001)).toBe(1_000_000);
  });

  it('is the same when the quiet guest comes first, and what a port that is gone holds gives way', async () => {
    const pool = new ChunkPool(64 * CHUNK_BYTES);
    const world = await createWorld({ pool });
    world.answers.set(81, new Uint8Array(100_000));
    open(world, 300);
    world.stack.ingressGone(HOSTILE);
    open(world, 300, 65_535, QUIET);
    // Three quarters of all, not of what the other left.
    expect(pool.heldBy(QUIET)).toBeGreaterThanOrEqual(47 * CHUNK_BYTES);
  });

  it('follows a guest to another port', async () => {
    const pool = new ChunkPool(64 * CHUNK_BYTES);
    const world = await createWorld({ pool });
    world.answers.set(81, new Uint8Array(50_000));
    open(world, 2, 65_535, QUIET);
    const held = pool.usedBytes;
    expect([held > 0, pool.heldBy(QUIET)]).toEqual([true, held]);
    const ack = { remote: HOST_ALIAS, remotePort: 81, guest: invented(0), guestPort: 1024, flags: 0x10, ingress: 3 };
    // Not its own: a number outside of the window.
    world.link.inject({ ...ack, seq: ISS + 5_000_000, ack: ACK_OF_SYN });
    expect(pool.heldBy(3)).toBe(0);
    world.link.inject({ ...ack, seq: ISS + 1, ack: ACK_OF_SYN });
    expect(pool.heldBy(3)).toBe(held / 2);
    world.stack.ingressGone(QUIET);
    expect(world.stack.statistics()['tcp.flows']).toBe(2);
  });
});

describe('last words', () => {
  it('of one port leave another one its own, and the oldest of a port gives way', async () => {
    const test = createTestHost();
    const pool = new ChunkPool();
    const words = new LastWords(test.host.timers, () => test.host.clock.now());
    const ended: number[] = [];
    const speak = (n: number, ingress: number): void => {
      const pieces = new Assembler(pool, { ingress });
      pieces.insert(0, new Uint8Array(10), 0, 10);
      const socket = { write: () => WOULD_BLOCK, interest: () => {}, reset: () => ended.push(n), onEvent: () => {} };
      words.take(socket as unknown as StreamSocket, pieces, 0, ingress);
    };
    for (let n = 0; n < MAX_LAST_WORDS; n++) speak(n, HOSTILE);
    expect(ended.length).toBe(MAX_LAST_WORDS / 4);
    expect(ended[0]).toBe(0);
    const before = ended.length;
    speak(1000, QUIET);
    expect(ended.length).toBe(before);
    words.close();
    expect([pool.usedBytes, ended.length, test.leaks()]).toEqual([0, MAX_LAST_WORDS + 1, []]);
  });
});

describe('connects', () => {
  it('that nobody answers leave the other ports theirs', async () => {
    const world = await createWorld();
    for (let n = 0; n < 3000; n++) synToSilence(world, n);
    expect(world.stack.statistics()['tcp.connecting']).toBeLessThanOrEqual(0.75 * MAX_CONNECTING + 1);
    for (let port = 5000; port < 5020; port++) {
      const guest = connect(world, port);
      expect(guest.isConnected).toBe(true);
      guest.vanish();
    }
  });

  it('that were given up give way to a new one of the same guest, those asked for again stay', async () => {
    const world = await createWorld({ maxConnecting: 16 });
    const { guest } = world.link;
    for (let n = 0; n < 100; n++) {
      synToSilence(world, n, guest, QUIET);
      synToSilence(world, 0, guest, QUIET);
    }
    expect(connect(world, 5000).isConnected).toBe(true);
    const ports = world.stack.flows().map((flow) => flow.sourcePort);
    expect(ports).toContain(1);
    expect(world.stack.statistics()['tcp.connecting']).toBe(11);
  });

  it('of a port that is gone give way first', async () => {
    const world = await createWorld({ maxConnecting: 16 });
    for (let n = 0; n < 12; n++) synToSilence(world, n);
    world.stack.ingressGone(HOSTILE);
    for (let n = 100; n < 112; n++) synToSilence(world, n, world.link.guest, QUIET);
    const ports = world.stack.flows().map((flow) => flow.sourcePort);
    expect(ports.filter((port) => port > 100).length).toBe(12);
  });
});

describe('dials', () => {
  it('of one forward leave another one room, and the oldest that is not answered gives way', async () => {
    const world = await createWorld({ maxConnecting: 16 });
    const { link, test, stack } = world;
    link.onSegment = () => {};
    const rule = { hostAddress: '127.0.0.1', hostPort: 0, guestAddress: invented(1), guestPort: 22 };
    const forwards = [await stack.addForward(rule), await stack.addForward({ ...rule, guestAddress: link.guest })];
    const dial = (n: number, times: number) => {
      const to = { family: 'ipv4', host: '127.0.0.1', port: forwards[n]!.hostPort } as const;
      for (let i = 0; i < times; i++) test.network.local.sockets.connect(to);
      test.advance(10);
    };
    dial(0, 50);
    expect(stack.statistics()['tcp.dialing']).toBe(12);
    dial(1, 1);
    expect(stack.statistics()['tcp.dialing']).toBe(13);
    test.advance(2500);
    const syns: number[] = [];
    link.onSegment = (segment) => syns.push(segment.sourcePort);
    dial(0, 5);
    expect(syns.length).toBeGreaterThanOrEqual(5);
    expect(stack.statistics()['tcp.dialing']).toBeLessThanOrEqual(13);
    for (const stream of test.network.streams) stream.reset();
  });
});

describe('challenge ACKs', () => {
  it('are limited for each port', async () => {
    const world = await createWorld();
    open(world, 60);
    const count = (): number => world.stack.statistics()['tcp.challengeAcks'] as number;
    const syn = (n: number, ingress: number): void =>
      world.link.inject({
        guest: invented(n),
        ingress,
        remote: HOST_ALIAS,
        remotePort: 81,
        guestPort: 1024 + (n % 7),
        seq: ISS + 1,
        flags: 2,
      });
    for (let i = 0; i < 5; i++) for (let n = 0; n < 60; n++) syn(n, HOSTILE);
    const hostile = count();
    expect(hostile).toBeLessThanOrEqual(76);
    open(world, 61, 65_535, QUIET);
    const before = count();
    syn(60, QUIET);
    expect(count()).toBe(before + 1);
  });
});

describe('flows', () => {
  it('of a port that is gone give way, however young', async () => {
    const world = await createWorld({ maxFlows: 16 });
    open(world, 12);
    expect(world.stack.statistics()['tcp.flows']).toBe(12);
    world.stack.ingressGone(HOSTILE);
    for (let port = 5000; port < 5012; port++) expect(connect(world, port).isConnected).toBe(true);
    expect(world.link.drops['tcp-flow-limit']).toBeUndefined();
  });

  it('are refused where the port has no descriptor left, at once and told', async () => {
    const world = await createWorld();
    const asked: number[] = [];
    Object.assign(world.link.host.sockets, {
      mayConnect: (share: number) => {
        asked.push(share);
        return share !== HOSTILE;
      },
    });
    const refused = new GuestTcp(world.link, { remote: HOST_ALIAS, remotePort: 80, guestPort: 4000, ingress: HOSTILE });
    world.link.onSegment = refused.onSegment;
    refused.connect();
    world.test.advance(10);
    expect(refused.state).toBe('reset');
    expect(connect(world, 5000).isConnected).toBe(true);
    expect(asked).toEqual([HOSTILE, QUIET]);
  });

  it('that are old give way to a new one where the port has no descriptor left', async () => {
    const world = await createWorld();
    open(world, 3);
    Object.assign(world.link.host.sockets, {
      mayConnect: () => (world.stack.statistics()['tcp.flows'] as number) < 3,
    });
    world.test.advance(61_000);
    expect(connect(world, 5000, HOSTILE).isConnected).toBe(true);
    expect(world.stack.statistics()['tcp.flows']).toBe(3);
  });
});

describe("the kernel's memory", () => {
  /** Connections whose server sends only when told to. */
  async function quietServers(world: World): Promise<{ sockets: StreamSocket[]; limits: number[] }> {
    const sockets: StreamSocket[] = [];
    const limits: number[] = [];
    const { sockets: factory } = world.link.host;
    const connectAs = factory.connect.bind(factory);
    Object.assign(factory, {
      connect: (...args: Parameters<typeof connectAs>) =>
        Object.assign(connectAs(...args), { limitReceive: (bytes: number) => limits.push(bytes) }),
    });
    const listener = await world.test.network.local.sockets.listen({ family: 'ipv4', host: '127.0.0.1', port: 82 });
    listener.onConnection = (socket) => sockets.push(socket);
    return { sockets, limits };
  }

  it('holds less for those whose port takes no frames, and as much as it likes once they are read', async () => {
    const world = await createWorld();
    const { sockets, limits } = await quietServers(world);
    const guests: GuestTcp[] = [];
    world.link.onSegment = (segment) => guests[segment.destinationPort - 5000]?.onSegment(segment);
    for (let n = 0; n < 100; n++) {
      const guest = new GuestTcp(world.link, { remote: HOST_ALIAS, remotePort: 82, guestPort: 5000 + n });
      guests.push(guest);
      guest.connect();
    }
    world.test.advance(50);
    world.link.busy = true;
    for (const socket of sockets) socket.write(new Uint8Array(1000), 0, 1000);
    world.test.advance(50);
    expect(limits.length).toBeGreaterThanOrEqual(100 - 32);
    expect(Math.max(...limits)).toBeLessThanOrEqual(1024 * 1024);
    const lowered = limits.splice(0).length;
    world.link.busy = false;
    world.stack.resumeGuest(world.link.guest);
    world.test.advance(50);
    for (const socket of sockets) socket.write(new Uint8Array(1000), 0, 1000);
    world.test.advance(50);
    expect(guests.map((guest) => guest.received.length)).toEqual(new Array(100).fill(2000));
    expect(limits.filter((bytes) => bytes === Number.POSITIVE_INFINITY).length).toBe(lowered);
    for (const guest of guests) guest.vanish();
  });

  it('is not held for a port that is gone, also of what comes later', async () => {
    const world = await createWorld();
    const { sockets } = await quietServers(world);
    world.link.onSegment = () => {};
    const fields = { remote: HOST_ALIAS, remotePort: 82, ingress: HOSTILE, window: 0 };
    for (let n = 0; n < 100; n++)
      world.link.inject({ ...fields, guest: invented(n), guestPort: 9, seq: ISS, flags: 2 });
    world.test.advance(50);
    const ack = { ...fields, guestPort: 9, seq: ISS + 1, ack: ACK_OF_SYN, flags: 16 };
    for (let n = 0; n < 100; n++) world.link.inject({ ...ack, guest: invented(n) });
    world.test.advance(50);
    world.stack.ingressGone(HOSTILE);
    world.test.advance(10_000);
    expect(world.stack.statistics()['tcp.flows']).toBe(100);
    for (const socket of sockets) socket.write(new Uint8Array(1000), 0, 1000);
    world.test.advance(4000);
    expect(world.stack.statistics()['tcp.flows']).toBeLessThanOrEqual(32);
  });

  it('holds less for each of many flows that a port does not read, and as before for those of others', async () => {
    const world = await createWorld({ pool: new ChunkPool(64 * CHUNK_BYTES) });
    const limits: number[] = [];
    const { sockets } = world.link.host;
    const connectAs = sockets.connect.bind(sockets);
    Object.assign(sockets, {
      connect: (...args: Parameters<typeof connectAs>) =>
        Object.assign(connectAs(...args), { limitReceive: (bytes: number) => limits.push(bytes) }),
    });
    world.answers.set(81, new Uint8Array(200_000));
    // The window is shut: nothing is taken of what waits.
    open(world, 300, 0);
    expect(limits.length).toBeGreaterThanOrEqual(300 - 32);
    expect(limits.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(128 * 1024 * 1024);
    limits.length = 0;
    expect(transfer(world, 5000)).toBe(1_000_000);
    expect(limits).toEqual([]);
    world.stack.ingressGone(HOSTILE);
    expect(transfer(world, 5001, HOSTILE + 1)).toBe(1_000_000);
    expect(limits).toEqual([]);
    world.test.advance(3000);
    expect(world.stack.statistics()['tcp.flows']).toBeLessThanOrEqual(32 + 2);
  });
});
