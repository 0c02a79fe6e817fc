import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { GuestTcp } from '../../tests/kit/guest-tcp.ts';
import { createTestHost, type TestHost } from '../../tests/kit/host.ts';
import { Prng } from '../../tests/kit/prng.ts';
import { HOST_ALIAS, type LinkFaults, TcpLink } from '../../tests/kit/tcp-link.ts';
import type { StreamSocket } from '../net/host.ts';
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
});
