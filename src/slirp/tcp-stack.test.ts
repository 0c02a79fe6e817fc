import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { GuestTcp } from '../../tests/kit/guest-tcp.ts';
import { createTestHost, type TestHost } from '../../tests/kit/host.ts';
import { Prng } from '../../tests/kit/prng.ts';
import { HOST_ALIAS, type LinkFaults, TcpLink } from '../../tests/kit/tcp-link.ts';
import { DROPPED } from '../net/client.ts';
import type { StreamSocket } from '../net/host.ts';
import { ipv4Address, parseAddress } from './address.ts';
import { CHUNK_BYTES, ChunkPool, LARGE_CHUNK_BYTES } from './chunk-pool.ts';
import { MAX_TIME_WAIT, TIME_WAIT_MS, TIME_WAIT_STEP_MS } from './tcp-limits.ts';
import { TcpStack, type TcpStackOptions } from './tcp-stack.ts';

interface World {
  test: TestHost;
  link: TcpLink;
  stack: TcpStack;
}

let open: World[] = [];

function createWorld(options: TcpStackOptions = {}, seed = 1): World {
  const test = createTestHost({ seed });
  const link = new TcpLink(test.host, test.loop, { seed });
  const stack = new TcpStack(link, { initialSequence: () => 0xffff_fff0, ...options });
  link.stack = stack;
  const world = { test, link, stack };
  open.push(world);
  return world;
}

afterEach(async () => {
  for (const { test, stack } of open) {
    await stack.close();
    await test.settle();
    expect(test.leaks()).toEqual([]);
    expect(stack.statistics()['tcp.poolBytes']).toBe(0);
    expect(stack.flows()).toEqual([]);
  }
  open = [];
});

/** A server program on the host: collects what it reads, writes what it is told to. */
class Server {
  readonly socket: StreamSocket;
  readonly hash = createHash('sha256');
  received = 0;
  ended = false;
  failed: string | undefined;
  #out: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = false;
  constructor(socket: StreamSocket) {
    this.socket = socket;
    socket.onEvent = (event) => {
      if (event === 'error') this.failed = socket.error?.code;
      if (event === 'readable') this.#read();
      if (event === 'writable') this.#write();
    };
    socket.interest(true, false);
  }
  send(bytes: Uint8Array, end = false): void {
    this.#out = bytes;
    this.#at = 0;
    this.#end = end;
    this.#write();
  }
  pause(): void {
    this.socket.interest(false, false);
  }
  resume(): void {
    this.socket.interest(true, false);
  }
  #read(): void {
    const buffer = new Uint8Array(65536);
    const n = this.socket.readInto(buffer, 0, buffer.length);
    if (n > 0) {
      this.hash.update(buffer.subarray(0, n));
      this.received += n;
    } else if (n === 0) {
      this.ended = true;
      this.socket.interest(false, this.#at < this.#out.length);
    }
  }
  #write(): void {
    const n = this.socket.write(this.#out, this.#at, this.#out.length - this.#at);
    if (n > 0) this.#at += n;
    if (this.#at < this.#out.length) {
      this.socket.interest(!this.ended, true);
      return;
    }
    this.socket.interest(!this.ended, false);
    if (this.#end) this.socket.shutdown();
  }
}

async function serve({ test }: World, port = 80, capacity?: number): Promise<Server[]> {
  const servers: Server[] = [];
  if (capacity !== undefined) test.network.local.streamCapacity = capacity;
  const listener = await test.network.local.sockets.listen({ family: 'ipv4', host: '127.0.0.1', port });
  listener.onConnection = (socket) => servers.push(new Server(socket));
  return servers;
}

function randomBytes(length: number, seed = 7): Uint8Array {
  const bytes = new Uint8Array(length);
  new Prng(seed).fill(bytes);
  return bytes;
}

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

function connect({ link, test }: World, options: Partial<ConstructorParameters<typeof GuestTcp>[1]> = {}): GuestTcp {
  const guest = new GuestTcp(link, { remote: HOST_ALIAS, remotePort: 80, guestPort: 5000, ...options });
  link.onSegment = guest.onSegment;
  guest.connect();
  test.advance(50);
  return guest;
}

describe('TcpStack', () => {
  it('carries bytes both ways and closes', async () => {
    const world = createWorld();
    const servers = await serve(world);
    const guest = connect(world);
    expect(guest.state).toBe('open');
    expect(guest.peerMss).toBe(1460);
    expect(world.stack.flows().map((flow) => flow.state)).toEqual(['ESTABLISHED']);
    const up = randomBytes(300_000, 1);
    const down = randomBytes(1_000_000, 2);
    guest.write(up);
    guest.end();
    servers[0]?.send(down, true);
    world.test.advance(3000);
    expect(servers[0]?.received).toBe(up.length);
    expect(servers[0]?.hash.digest('hex')).toBe(sha(up));
    expect(servers[0]?.ended).toBe(true);
    expect(sha(guest.received)).toBe(sha(down));
    expect(guest.state).toBe('done');
    expect(world.link.largestFrame).toBeGreaterThan(60_000);
    world.test.advance(20_000);
    expect(world.stack.flows()).toEqual([]);
  });

  const faults: [string, LinkFaults, LinkFaults][] = [
    ['loss towards the guest', { loss: 0.02, latencyMs: 2 }, { latencyMs: 2 }],
    ['loss from the guest', { latencyMs: 2 }, { loss: 0.02, latencyMs: 2 }],
    ['reordering', { latencyMs: 2, jitterMs: 3 }, { latencyMs: 2, jitterMs: 3 }],
    [
      'loss, duplicates and reordering both ways',
      { loss: 0.03, duplicate: 0.02, latencyMs: 1, jitterMs: 2 },
      { loss: 0.03, duplicate: 0.02, latencyMs: 1, jitterMs: 2 },
    ],
  ];
  for (const [name, toGuest, fromGuest] of faults) {
    for (const sack of [true, false]) {
      it(`survives ${name}${sack ? '' : ', without SACK'}`, async () => {
        for (let seed = 1; seed <= 3; seed++) {
          const world = createWorld({}, seed);
          Object.assign(world.link.toGuest, toGuest);
          Object.assign(world.link.fromGuest, fromGuest);
          const servers = await serve(world);
          const guest = connect(world, { sack });
          world.test.advance(5000);
          const up = randomBytes(400_000, seed);
          const down = randomBytes(600_000, seed + 9);
          guest.write(up);
          servers[0]?.send(down);
          world.test.advance(120_000);
          expect(servers[0]?.received).toBe(up.length);
          expect(servers[0]?.hash.digest('hex')).toBe(sha(up));
          expect(guest.received.length).toBe(down.length);
          expect(sha(guest.received)).toBe(sha(down));
          guest.end();
          servers[0]?.send(new Uint8Array(0), true);
          world.test.advance(60_000);
          expect(guest.state).toBe('done');
          expect(world.stack.flows()).toEqual([]);
        }
      });
    }
  }

  it('carries IPv6 just the same', async () => {
    const test = createTestHost();
    const link = new TcpLink(test.host, test.loop, { guest: parseAddress('fec0::15') as Uint32Array });
    const stack = new TcpStack(link, { initialSequence: () => 0xffff_fff0 });
    link.stack = stack;
    open.push({ test, link, stack });
    const far = test.network.addHost('2001:db8::7', { latencyMs: 5 });
    const servers: Server[] = [];
    const listener = await far.sockets.listen({ family: 'ipv6', host: '2001:db8::7', port: 80 });
    listener.onConnection = (socket) => servers.push(new Server(socket));
    const guest = connect({ test, link, stack }, { remote: parseAddress('2001:db8::7') as Uint32Array });
    expect(guest.state).toBe('open');
    expect(guest.peerMss).toBe(1460);
    const bytes = randomBytes(300_000);
    guest.write(bytes);
    guest.end();
    servers[0]?.send(bytes, true);
    test.advance(2000);
    expect(servers[0]?.hash.digest('hex')).toBe(sha(bytes));
    expect(sha(guest.received)).toBe(sha(bytes));
    expect(stack.flows()[0]).toBeUndefined();
  });

  it('makes the guest wait for a slow host, without loss', async () => {
    const world = createWorld();
    Object.assign(world.link.fromGuest, { latencyMs: 1 });
    Object.assign(world.link.toGuest, { latencyMs: 1 });
    const servers = await serve(world);
    const guest = connect(world);
    for (const stream of world.test.network.streams) stream.capacity = 50_000;
    const server = servers[0] as Server;
    server.pause();
    const bytes = randomBytes(1_000_000);
    guest.write(bytes);
    world.test.advance(30_000);
    expect(guest.bytesAcked).toBeLessThanOrEqual(50_000);
    expect(world.stack.flows()[0]?.receiveQueue).toBeLessThanOrEqual(65_536);
    for (let i = 0; i < 400 && server.received < bytes.length; i++) {
      server.resume();
      world.test.advance(3);
      server.pause();
      world.test.advance(50);
    }
    expect(server.received).toBe(bytes.length);
    expect(server.hash.digest('hex')).toBe(sha(bytes));
  });

  it('keeps at most so many flows of a port in TIME-WAIT, the last ones, and each for ten seconds', async () => {
    const world = createWorld();
    const servers = await serve(world);
    const guests = Array.from({ length: MAX_TIME_WAIT + 6 }, (_, n) => {
      const fields = { remote: HOST_ALIAS, remotePort: 80, guestPort: 2000 + n, iss: n * 1000 };
      // The first three come in by another port, which they do not fill.
      return new GuestTcp(world.link, { ...fields, ingress: n < 3 ? 2 : 1 });
    });
    world.link.onSegment = (segment) => guests[segment.destinationPort - 2000]?.onSegment(segment);
    for (const [n, guest] of guests.entries()) {
      guest.connect();
      world.test.advance(1);
      servers[n]?.send(randomBytes(1), true);
      world.test.advance(1);
      guest.end();
      world.test.advance(1);
    }
    const flows = world.stack.flows();
    expect(new Set(flows.map(({ state }) => state))).toEqual(new Set(['TIME-WAIT']));
    expect(flows.map(({ sourcePort }) => sourcePort)).toEqual([
      ...Array.from({ length: 766 }, (_, n) => 2000 + MAX_TIME_WAIT + 5 - n),
      2002,
      2001,
      2000,
    ]);
    world.test.advance(TIME_WAIT_MS - 10);
    expect(world.stack.flows()[0]?.sourcePort).toBe(2000 + MAX_TIME_WAIT + 5);
    world.test.advance(10 + TIME_WAIT_STEP_MS);
    expect(world.stack.flows()).toEqual([]);
  });

  it('leaves bytes in the host while the guest does not read', async () => {
    const world = createWorld();
    const servers = await serve(world);
    const guest = connect(world, { window: 100_000 });
    guest.reading = false;
    const bytes = randomBytes(1_000_000);
    servers[0]?.send(bytes);
    world.test.advance(60_000);
    expect(guest.received.length).toBeLessThanOrEqual(100_000);
    expect(world.stack.statistics()['tcp.poolBytes']).toBe(0);
    while (guest.received.length < bytes.length) {
      const before = guest.received.length;
      guest.resumeReading();
      world.test.advance(100);
      expect(guest.received.length).toBeGreaterThan(before);
    }
    expect(sha(guest.received)).toBe(sha(bytes));
  });

  it('shares out between flows, whatever the pool holds', async () => {
    const pool = new ChunkPool(6 * CHUNK_BYTES);
    const world = createWorld({ pool });
    Object.assign(world.link.toGuest, { latencyMs: 10 });
    const servers = await serve(world);
    const guests = [1, 2, 3, 4, 5, 6, 7, 8].map(
      (n) => new GuestTcp(world.link, { remote: HOST_ALIAS, remotePort: 80, guestPort: 5000 + n, iss: n * 1000 }),
    );
    world.link.onSegment = (segment) => guests[segment.destinationPort - 5001]?.onSegment(segment);
    for (const guest of guests) guest.connect();
    world.test.advance(100);
    const bytes = randomBytes(400_000);
    for (const server of servers) server.send(bytes, true);
    world.test.advance(60);
    const progress = guests.map((guest) => guest.received.length);
    expect(Math.min(...progress)).toBeGreaterThan(0);
    expect(Math.max(...progress)).toBeLessThan(4 * Math.min(...progress));
    world.test.advance(5000);
    for (const guest of guests) expect(sha(guest.received)).toBe(sha(bytes));
    expect(pool.peakBytes).toBeLessThanOrEqual(6 * CHUNK_BYTES);
    expect(world.stack.statistics()['tcp.starved']).toBeGreaterThan(0);
    expect(pool.usedBytes).toBe(0);
  });

  it('reads a socket that has more in large chunks, while half of the pool is free', async () => {
    for (const [limit, small, large] of [
      [8 * LARGE_CHUNK_BYTES, 1, 4],
      [LARGE_CHUNK_BYTES, 5, 0],
    ] as const) {
      const pool = new ChunkPool(limit);
      const world = createWorld({ pool });
      const servers = await serve(world);
      const guest = connect(world, { window: 4_000_000 });
      world.link.onSegment = () => {};
      servers[0]?.send(randomBytes(4_000_000));
      world.test.advance(100);
      // A small one first: that there is more is known afterwards. The rest of the pool is for others.
      expect(pool.usedBytes).toBe(small * CHUNK_BYTES + large * LARGE_CHUNK_BYTES);
      expect(pool.refused).toBe(0);
      guest.vanish();
    }
  });

  it('leaves most of the pool to others when a guest does not acknowledge', async () => {
    const pool = new ChunkPool(8 * CHUNK_BYTES);
    const world = createWorld({ pool });
    const servers = await serve(world);
    const guest = connect(world, { window: 4_000_000 });
    world.link.onSegment = () => {};
    servers[0]?.send(randomBytes(2_000_000));
    world.test.advance(100);
    expect(pool.usedBytes).toBeLessThanOrEqual(5 * CHUNK_BYTES);
    guest.vanish();
  });

  it('leaves some of the pool to the guest of another port, whatever the number of flows', async () => {
    const pool = new ChunkPool(8 * CHUNK_BYTES);
    const world = createWorld({ pool });
    const servers = await serve(world);
    const guests = [...Array(20).keys()].map((n) => connect(world, { guestPort: 5000 + n }));
    world.link.onSegment = () => {};
    for (const server of servers) server.send(randomBytes(100_000));
    world.test.advance(100);
    expect(pool.usedBytes).toBe(6 * CHUNK_BYTES);
    const other = connect(world, { guest: ipv4Address(0x0a000210), ingress: 2, guestPort: 6000 });
    const bytes = randomBytes(500_000);
    servers[20]?.send(bytes);
    world.test.advance(1000);
    expect(sha(other.received)).toBe(sha(bytes));
    for (const guest of guests) guest.vanish();
  });

  it('leaves some of the pool to other ports, whatever guests send out of order, under two addresses', async () => {
    const pool = new ChunkPool(8 * CHUNK_BYTES);
    const world = createWorld({ pool });
    const servers = await serve(world);
    const iss = 1000;
    const addresses = [ipv4Address(0x0a00020f), ipv4Address(0x0a000211)];
    const guests = addresses.flatMap((guest) =>
      [5000, 5001, 5002].map((guestPort) => connect(world, { guest, guestPort, iss })),
    );
    world.link.onSegment = () => {};
    const segment = { remote: HOST_ALIAS, remotePort: 80, ack: 0xffff_fff1, flags: 0x10, window: 512 };
    const used = addresses.map((guest) => {
      for (let i = 0; i < 300; i++) {
        const seq = iss + 3 + 2 * i;
        world.link.inject({ ...segment, guest, guestPort: 5000 + (i % 3), seq, payload: new Uint8Array(1) });
      }
      return pool.usedBytes / CHUNK_BYTES;
    });
    expect(used).toEqual([4, 4]);
    expect(world.stack.statistics()['tcp.outOfOrderRefused']).toBe(600 - 128);
    const other = connect(world, { guest: ipv4Address(0x0a000210), ingress: 2, guestPort: 6000 });
    const bytes = randomBytes(500_000);
    servers[6]?.send(bytes);
    world.test.advance(1000);
    expect(sha(other.received)).toBe(sha(bytes));
    for (const guest of guests) guest.vanish();
  });

  it('offers a wider window to a guest that fills it', async () => {
    const world = createWorld();
    Object.assign(world.link.fromGuest, { latencyMs: 5 });
    const servers = await serve(world, 80, 8_000_000);
    const guest = connect(world);
    for (const stream of world.test.network.streams) stream.capacity = 8_000_000;
    guest.write(randomBytes(10_000_000));
    world.test.advance(1000);
    expect(servers[0]?.received).toBe(10_000_000);
    expect(Math.max(...guest.segments.slice(1).map((segment) => segment.window << 7))).toBe(4 * 1024 * 1024);
    // Six doublings take about as many round trips.
    expect(world.stack.statistics()['tcp.duplicate']).toBe(0);
  });

  it('offers less to each of many that send at once, and more again to the one that is left', async () => {
    const world = createWorld();
    Object.assign(world.link.fromGuest, { latencyMs: 5 });
    const servers = await serve(world, 80, 8_000_000);
    const guests = [...Array(200).keys()].map(
      (n) => new GuestTcp(world.link, { remote: HOST_ALIAS, remotePort: 80, guestPort: 5000 + n }),
    );
    world.link.onSegment = (segment) => guests[segment.destinationPort - 5000]?.onSegment(segment);
    for (const guest of guests) guest.connect();
    world.test.advance(50);
    for (const stream of world.test.network.streams) stream.capacity = 8_000_000;
    for (const guest of guests.slice(1)) guest.write(new Uint8Array(400_000));
    guests[0]?.write(new Uint8Array(8_000_000));
    world.test.advance(60);
    // The round trips before it was known how many they are.
    for (const guest of guests) guest.segments.length = 0;
    world.test.advance(30);
    const widest = guests.map((guest) => Math.max(0, ...guest.segments.map((segment) => segment.window << 7)));
    expect(Math.max(...widest)).toBeLessThan(65_536);
    world.test.advance(2000);
    for (const server of servers.slice(1)) expect(server.received).toBe(400_000);
    expect(servers[0]?.received).toBe(8_000_000);
    expect(Math.max(...(guests[0]?.segments ?? []).map((segment) => segment.window << 7))).toBeGreaterThan(1_000_000);
  });

  it('parks only the flows of the guest whose way is not clear', async () => {
    const world = createWorld();
    const servers = await serve(world);
    const other = ipv4Address(0x0a000210);
    const busy = new Set<number>();
    Object.assign(world.link.busyGuests, { has: (guest: Uint32Array) => busy.has(guest[3] as number) });
    const first = connect(world);
    const second = new GuestTcp(world.link, { remote: HOST_ALIAS, remotePort: 80, guestPort: 6000, guest: other });
    world.link.onSegment = (segment) => (segment.destinationPort === 6000 ? second : first).onSegment(segment);
    second.connect();
    world.test.advance(50);
    busy.add(world.link.guest[3] as number);
    const bytes = randomBytes(200_000);
    for (const server of servers) server.send(bytes);
    world.test.advance(10_000);
    expect(second.received.length).toBe(bytes.length);
    expect(first.received.length).toBe(0);
    busy.clear();
    world.stack.resumeGuest(other);
    world.test.advance(10);
    world.stack.resumeGuest(world.link.guest);
    world.test.advance(1000);
    expect(sha(first.received)).toBe(sha(bytes));
  });

  it('forgets BUSY by itself when nobody resumes', async () => {
    const world = createWorld();
    const servers = await serve(world);
    const guest = connect(world);
    world.link.busy = true;
    servers[0]?.send(randomBytes(1000));
    world.test.advance(5000);
    expect(guest.received.length).toBe(0);
    world.link.busy = false;
    world.test.advance(3000);
    expect(guest.received.length).toBe(1000);
  });

  it('keeps connections while the link is down', async () => {
    const world = createWorld();
    const servers = await serve(world);
    const guest = connect(world);
    const { deliver } = world.link;
    world.link.deliver = () => DROPPED;
    servers[0]?.send(randomBytes(1000));
    world.test.advance(3_600_000);
    expect(world.stack.flows()[0]?.state).toBe('ESTABLISHED');
    world.link.deliver = deliver;
    world.test.advance(60_000);
    expect(guest.received.length).toBe(1000);
  });

  it('is capped in flows; idle ones give way', async () => {
    const world = createWorld({ maxFlows: 8, maxConnecting: 100 });
    await serve(world);
    const ports = [...Array(8).keys()].map((n) => 5000 + n);
    const guests = ports.map(
      (guestPort) => new GuestTcp(world.link, { remote: HOST_ALIAS, remotePort: 80, guestPort }),
    );
    world.link.onSegment = (segment) => guests[segment.destinationPort - 5000]?.onSegment(segment);
    for (const guest of guests) {
      guest.connect();
      world.test.advance(10);
      if (!guest.isConnected) guest.vanish();
    }
    // Three quarters of all are one guest's share.
    expect(world.stack.flows().length).toBe(6);
    expect(world.link.drops).toEqual({ 'tcp-flow-limit': 2 });
    world.test.advance(70_000);
    const late = connect(world, { guestPort: 7000 });
    expect(late.isConnected).toBe(true);
    expect(world.stack.flows().length).toBe(6);
    expect(world.stack.statistics()['tcp.evicted']).toBe(1);
  });

  it('is capped in connections under way', async () => {
    const world = createWorld({ maxConnecting: 4 });
    world.test.network.fail({ on: 'connect', code: 'none' });
    for (let guestPort = 1; guestPort <= 10; guestPort++) {
      world.link.inject({ remote: HOST_ALIAS, remotePort: 80, guestPort, seq: 0, flags: 2 });
    }
    expect(world.stack.statistics()['tcp.connecting']).toBe(3);
    expect(world.link.drops).toEqual({ 'tcp-connecting-limit': 7 });
    world.link.inject({
      guest: ipv4Address(0x0a000210),
      ingress: 2,
      remote: HOST_ALIAS,
      remotePort: 80,
      guestPort: 1,
      seq: 0,
      flags: 2,
    });
    expect(world.stack.statistics()['tcp.connecting']).toBe(4);
    world.test.advance(80_000);
    expect(world.stack.statistics()['tcp.connecting']).toBe(0);
    expect(world.link.unreachable.length).toBe(4);
  });

  it('dials for strangers with a share of their own: the guest still reaches the outside', async () => {
    const world = createWorld({ maxConnecting: 8 });
    await serve(world);
    const rule = { hostAddress: '127.0.0.1', hostPort: 0, guestAddress: world.link.guest, guestPort: 22 };
    const { hostPort } = await world.stack.addForward(rule);
    const to = { family: 'ipv4', host: '127.0.0.1', port: hostPort } as const;
    const strangers = Array.from({ length: 10 }, () => world.test.network.local.sockets.connect(to));
    world.test.advance(10);
    expect(world.stack.statistics()).toMatchObject({ 'tcp.dialing': 6, 'tcp.connecting': 0 });
    expect(world.link.drops).toEqual({ 'tcp-dialing-limit': 4 });
    expect(connect(world).isConnected).toBe(true);
    for (const stream of world.test.network.streams) stream.isPolled = false;
    for (const stranger of strangers) stranger.reset();
    world.test.advance(10);
    expect(world.stack.statistics()).toMatchObject({ 'tcp.dialing': 0, 'tcp.flows': 1 });
  });

  it('lets a guest that restarted use its old ports', async () => {
    const world = createWorld();
    const servers = await serve(world);
    connect(world, { iss: 1000 }).vanish();
    const again = new GuestTcp(world.link, { remote: HOST_ALIAS, remotePort: 80, guestPort: 5000, iss: 77_000 });
    // An ACK where a SYN-ACK is due: a real stack answers with the reset that clears the old connection.
    world.link.onSegment = (segment) => {
      if (again.state === 'syn-sent' && segment.flags === 16) {
        world.link.send({ remote: HOST_ALIAS, remotePort: 80, guestPort: 5000, seq: segment.ack, flags: 4 });
      } else {
        again.onSegment(segment);
      }
    };
    again.connect();
    world.test.advance(3000);
    expect(again.isConnected).toBe(true);
    expect(servers.length).toBe(2);
    expect(servers[0]?.failed).toBe('ECONNRESET');
  });

  it('forwards: many clients at once, listed, removed', async () => {
    const world = createWorld();
    const rule = { hostAddress: '127.0.0.1', hostPort: 0, guestAddress: world.link.guest, guestPort: 22 };
    const forward = await world.stack.addForward(rule);
    expect(forward).toMatchObject({
      protocol: 'tcp',
      hostAddress: '127.0.0.1',
      guestAddress: '10.0.2.15',
      guestPort: 22,
    });
    expect(forward.hostPort).toBeGreaterThan(0);
    await expect(world.stack.addForward({ ...rule, hostPort: forward.hostPort })).rejects.toThrow(
      'Address already in use',
    );
    const guests = new Map<number, GuestTcp>();
    world.link.onSegment = (segment) => {
      let guest = guests.get(segment.sourcePort);
      if (guest === undefined) {
        guest = new GuestTcp(world.link, { remote: segment.remote, remotePort: segment.sourcePort, guestPort: 22 });
        guests.set(segment.sourcePort, guest);
      }
      guest.onSegment(segment);
    };
    const to = { family: 'ipv4', host: '127.0.0.1', port: forward.hostPort } as const;
    const clients = [1, 2, 3].map(() => new Server(world.test.network.local.sockets.connect(to)));
    world.test.advance(100);
    expect(guests.size).toBe(3);
    expect(world.stack.flows().map((flow) => flow.destinationPort)).toEqual([22, 22, 22]);
    expect(world.stack.flows()[0]?.sourcePort).toBe(forward.hostPort);
    const bytes = randomBytes(200_000);
    for (const client of clients) client.send(bytes, true);
    for (const guest of guests.values()) {
      guest.write(bytes);
      guest.end();
    }
    world.test.advance(5000);
    for (const guest of guests.values()) expect(sha(guest.received)).toBe(sha(bytes));
    for (const client of clients) expect(client.hash.digest('hex')).toBe(sha(bytes));
    expect(await world.stack.removeForward('127.0.0.1', forward.hostPort)).toBe(true);
    expect(await world.stack.removeForward('127.0.0.1', forward.hostPort)).toBe(false);
    expect(world.stack.forwards()).toEqual([]);
  });

  it('closes in the middle of everything', async () => {
    const world = createWorld();
    const servers = await serve(world);
    const guest = connect(world);
    servers[0]?.send(randomBytes(1_000_000));
    guest.write(randomBytes(100_000));
    world.link.inject({ remote: HOST_ALIAS, remotePort: 81, guestPort: 5001, seq: 0, flags: 2 });
    await world.stack.close();
    guest.vanish();
    world.test.advance(10);
    expect(servers[0]?.failed).toBe('ECONNRESET');
  });
});
