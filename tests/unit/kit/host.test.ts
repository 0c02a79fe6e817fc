import { describe, expect, it } from 'vitest';
import { FLUSH, PRODUCE, type StreamEvent, type StreamSocket } from '../../../src/net/host.ts';
import { createTestHost, type TestHost } from '../../kit/host.ts';

const SERVER = { family: 'ipv4', host: '203.0.113.7', port: 80 } as const;

function record(socket: StreamSocket): StreamEvent[] {
  const events: StreamEvent[] = [];
  socket.onEvent = (event) => events.push(event);
  return events;
}

async function pair(test: TestHost, latencyMs = 0) {
  const server = test.network.addHost(SERVER.host, { latencyMs });
  const listener = await server.sockets.listen(SERVER);
  const accepted: StreamSocket[] = [];
  listener.onConnection = (socket) => accepted.push(socket);
  const client = test.host.sockets.connect(SERVER);
  const events = record(client);
  test.advance(latencyMs * 2);
  return { client, events, peer: accepted[0] as StreamSocket, listener };
}

describe('the virtual loop', () => {
  it('fires timers in order of their deadlines and moves them later without firing early', () => {
    const test = createTestHost();
    const fired: string[] = [];
    const start = test.clock.now();
    const a = test.host.timers.create(() => fired.push(`a@${test.clock.now() - start}`));
    const b = test.host.timers.create(() => fired.push(`b@${test.clock.now() - start}`));
    a.set(start + 10);
    b.set(start + 5);
    a.set(start + 20);
    test.advance(15);
    expect(fired).toEqual(['b@5']);
    b.set(start + 16);
    b.set(start + 30);
    b.set(start + 17);
    test.advance(100);
    expect(fired).toEqual(['b@5', 'b@17', 'a@20']);
    expect(test.leaks()).toEqual([]);
  });

  it('runs every PRODUCE before every FLUSH, in at most four rounds a turn', () => {
    const test = createTestHost();
    const ran: string[] = [];
    const again = {
      count: 0,
      run() {
        ran.push(`p${++this.count}`);
        if (this.count < 6) test.host.loop.atBatchEnd(PRODUCE, this);
      },
    };
    const later = { run: () => ran.push('later') };
    test.host.loop.atBatchEnd(FLUSH, {
      run: () => {
        ran.push('f');
        test.host.loop.nextTurn(later);
      },
    });
    test.host.loop.atBatchEnd(PRODUCE, again);
    test.host.loop.atBatchEnd(PRODUCE, again);
    test.runUntilIdle();
    expect(ran).toEqual(['p1', 'f', 'p2', 'p3', 'p4', 'later', 'p5', 'p6']);
  });

  it('reports a busy loop instead of hanging', () => {
    const test = createTestHost();
    const task = { run: () => test.host.loop.nextTurn(task) };
    test.host.loop.nextTurn(task);
    expect(() => test.runUntilIdle()).toThrow(/does not become idle/);
  });
});

describe('memory streams', () => {
  it('carry bytes with latency and close both ways', async () => {
    const test = createTestHost();
    const { client, events, peer, listener } = await pair(test, 10);
    expect(events).toEqual(['connected']);
    expect(client.write(new Uint8Array([1, 2, 3]), 1, 2)).toBe(2);
    const into = new Uint8Array(8);
    test.advance(9);
    expect(peer.readInto(into, 0, 8)).toBe(-1);
    test.advance(1);
    expect(peer.readInto(into, 2, 6)).toBe(2);
    expect([...into]).toEqual([0, 0, 2, 3, 0, 0, 0, 0]);
    client.shutdown();
    peer.write(into, 0, 4);
    peer.shutdown();
    test.advance(10);
    expect(peer.readInto(into, 0, 8)).toBe(0);
    expect(client.readInto(into, 0, 8)).toBe(4);
    expect(client.readInto(into, 0, 8)).toBe(0);
    test.runUntilIdle();
    expect(events).toEqual(['connected', 'closed']);
    client.close();
    peer.close();
    await listener.close();
    expect(test.leaks()).toEqual([]);
  });

  it('block at their capacity and report room again', async () => {
    const test = createTestHost();
    const { client, events, peer } = await pair(test);
    const bytes = new Uint8Array(300_000);
    expect(client.room()).toBe(262_144);
    expect(client.write(bytes, 0, bytes.length)).toBe(262_144);
    expect(client.write(bytes, 0, 1)).toBe(-1);
    test.runUntilIdle();
    expect(peer.readInto(bytes, 0, 1000)).toBe(1000);
    expect(client.room()).toBe(1000);
    client.onEvent = (event) => {
      events.push(event);
      client.interest(false, false);
    };
    client.interest(false, true);
    test.runUntilIdle();
    expect(events.at(-1)).toBe('writable');
  });

  it('repeat readable every turn until it is read', async () => {
    const test = createTestHost();
    const { client, peer } = await pair(test);
    let seen = 0;
    client.onEvent = () => {
      if (++seen === 3) client.readInto(new Uint8Array(10), 0, 10);
    };
    client.interest(true, false);
    peer.write(new Uint8Array(5), 0, 5);
    test.runUntilIdle();
    expect(seen).toBe(3);
  });

  it('turn a reset, unread bytes at close and refusals into errors with codes', async () => {
    const test = createTestHost();
    const first = await pair(test);
    first.peer.reset();
    test.runUntilIdle();
    expect(first.events).toEqual(['connected', 'error']);
    expect(first.client.error?.code).toBe('ECONNRESET');
    expect(first.client.readInto(new Uint8Array(1), 0, 1)).toBe(-2);
    await first.listener.close();

    const refused = test.host.sockets.connect(SERVER);
    const unreachable = test.host.sockets.connect({ ...SERVER, host: '192.0.2.77' });
    const events = [record(refused), record(unreachable)];
    test.runUntilIdle();
    expect(events).toEqual([['error'], ['error']]);
    expect([refused.error?.message, unreachable.error?.code]).toEqual(['Connection refused', 'ENETUNREACH']);
    test.network.fail({ on: 'connect', code: 'ETIMEDOUT', afterMs: 500, count: 1 });
    const late = test.host.sockets.connect(SERVER);
    test.advance(499);
    expect(late.error).toBeUndefined();
    test.advance(1);
    expect(late.error?.code).toBe('ETIMEDOUT');
    expect(test.leaks()).toHaveLength(4);
    for (const stream of [first.client, refused, unreachable, late]) stream.close();
    expect(test.leaks()).toEqual([]);
  });
});

describe('memory datagrams', () => {
  const batch = () => ({
    bytes: new Uint8Array(4096),
    count: 0,
    offset: new Int32Array(8),
    length: new Int32Array(8),
    peer: [],
    ttl: new Uint8Array(8),
    tos: new Uint8Array(8),
  });

  it('are delivered, lost by seed, and answered with ECONNREFUSED when nobody listens', async () => {
    const test = createTestHost({ seed: 7 });
    const server = test.network.addHost('203.0.113.7', { latencyMs: 1, loss: 0.5 });
    const at = { family: 'ipv4', host: '203.0.113.7', port: 53 } as const;
    const receiver = await server.sockets.datagram({ family: 'ipv4', bind: at });
    const sender = await test.host.sockets.datagram({ family: 'ipv4' });
    const out = batch();
    out.count = 1;
    out.length[0] = 100;
    (out.peer as unknown[])[0] = at;
    for (let i = 0; i < 100; i++) expect(sender.sendBatch(out)).toBe(1);
    test.advance(2);
    const into = batch();
    let got = 0;
    for (let n = receiver.receiveBatch(into); n > 0; n = receiver.receiveBatch(into)) got += n;
    expect(got).toBeGreaterThan(30);
    expect(got).toBeLessThan(70);
    await receiver.close();
    sender.connect(at);
    server.setLink({ loss: 0 });
    const errors: string[] = [];
    sender.onEvent = (event) => errors.push(event);
    sender.sendBatch(out);
    test.advance(2);
    expect(errors).toEqual(['error']);
    expect(sender.takeError()?.code).toBe('ECONNREFUSED');
    await sender.close();
    expect(test.leaks()).toEqual([]);
  });

  it('refuse an address in use', async () => {
    const test = createTestHost();
    const bind = { family: 'ipv4', host: '127.0.0.1', port: 5000 } as const;
    const first = await test.host.sockets.datagram({ family: 'ipv4', bind });
    await expect(test.host.sockets.datagram({ family: 'ipv4', bind })).rejects.toThrow('Address already in use');
    await first.close();
  });
});
