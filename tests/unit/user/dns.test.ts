/** The virtual name server: forwarding, failover, and what answers are believed. */
import { describe, expect, it } from 'vitest';
import type { DatagramSocket, InetAddress } from '../../../src/net/host.ts';
import { newBatch } from '../../../src/slirp/udp-sender.ts';
import * as w from '../../../src/wire/index.ts';
import { announce, DNS, GUEST, icmpOf, udpFrame, udpOf, type World } from './world.ts';
import { worldPerTest } from './world-per-test.ts';

const OTHER = 0x0a000210;
const OTHER_MAC = 0x525400123457;

const create = worldPerTest(() => {});

async function open(servers: string[]): Promise<World> {
  const world = await create();
  world.test.resolver.setServers(servers.map((host) => ({ family: 'ipv4', host, port: 53 })));
  world.give(announce());
  return world;
}

type Answer = (query: Uint8Array) => Uint8Array | undefined;

/** A name server on the machine under test that answers as told, and notes the identifiers it saw. */
async function server(on: World, host: string, answer: Answer): Promise<{ ids: number[]; from: InetAddress[] }> {
  const bind: InetAddress = { family: 'ipv4', host, port: 53 };
  const socket: DatagramSocket = await on.test.network.local.sockets.datagram({ family: 'ipv4', bind });
  const ids: number[] = [];
  const from: InetAddress[] = [];
  const batch = newBatch(new Uint8Array(65_536), 1);
  socket.onEvent = (event) => {
    if (event !== 'readable') return;
    while (socket.receiveBatch(batch) > 0) {
      const query = batch.bytes.slice(batch.offset[0] ?? 0, (batch.offset[0] ?? 0) + (batch.length[0] ?? 0));
      ids.push(w.dnsId(query, 0));
      from.push(batch.peer[0] as InetAddress);
      const reply = answer(query);
      if (reply === undefined) continue;
      const out = newBatch(reply, 1);
      out.length[0] = reply.length;
      out.peer[0] = batch.peer[0];
      out.count = 1;
      socket.sendBatch(out);
    }
  };
  socket.interest(true, false);
  return { ids, from };
}

function query(id: number, name = 'example.com'): Uint8Array {
  const bytes = new Uint8Array(300);
  const length = w.emitDns(bytes, 0, id, w.DNS_RECURSION_DESIRED, w.dnsLabels(name) ?? [], 1, 1);
  return bytes.slice(0, length);
}

const answered: Answer = (bytes) => {
  const reply = bytes.slice();
  w.put16(reply, 2, 0x8180);
  return reply;
};
const silent: Answer = () => undefined;
const ask = (id: number, port = 5353, name?: string): Uint8Array =>
  udpFrame(port, 53, query(id, name), { destination: DNS });

describe('dns', () => {
  it('forwards under an identifier of its own and gives the guest its own back', async () => {
    const on = await open(['127.0.0.53']);
    const seen = await server(on, '127.0.0.53', answered);
    const ids = new Set<number>();
    for (let i = 0; i < 20; i++) {
      const [frame] = await on.exchange(ask(0x4242, 5000 + i), 5);
      const reply = udpOf(frame);
      expect(reply).toMatchObject({ source: DNS, sourcePort: 53, destination: GUEST, destinationPort: 5000 + i });
      expect(w.parseDns(reply.data, 0, reply.data.length)).toMatchObject({
        id: 0x4242,
        flags: 0x8180,
        name: 'example.com',
      });
    }
    for (const id of seen.ids) ids.add(id);
    expect(ids.size).toBeGreaterThan(15);
    expect(new Set(seen.from.map((a) => a.port)).size).toBe(20);
    expect(on.client.usernet?.statistics()).toMatchObject({ 'dns.queries': 0, 'dns.answered': 20 });
  });

  it('asks the next server after two seconds; a late answer of the first still counts', async () => {
    const on = await open(['127.0.0.53', '127.0.0.54']);
    const first = await server(on, '127.0.0.53', silent);
    const second = await server(on, '127.0.0.54', answered);
    on.give(ask(1));
    await on.test.elapse(1999);
    expect([first.ids.length, second.ids.length, on.take().length]).toEqual([1, 0, 0]);
    await on.test.elapse(10);
    expect(second.ids.length).toBe(1);
    expect(on.take().length).toBe(1);
  });

  it('a server that refuses is skipped at once; when all do, the guest is told', async () => {
    const on = await open(['127.0.0.53', '127.0.0.54']);
    const [refused] = await on.exchange(ask(1), 10);
    expect(icmpOf(refused)).toMatchObject({ source: DNS, type: 3, code: 3 });
    await server(on, '127.0.0.54', answered);
    const [frame] = await on.exchange(ask(2), 10);
    expect(udpOf(frame).source).toBe(DNS);
  });

  it('without a resolver the query is answered with net unreachable', async () => {
    const on = await open([]);
    const [reply] = await on.exchange(ask(1));
    expect(icmpOf(reply)).toMatchObject({ type: 3, code: 0 });
  });

  it('gives up after five attempts, absorbing repetitions meanwhile', async () => {
    const on = await open(['127.0.0.53']);
    const seen = await server(on, '127.0.0.53', silent);
    on.give(ask(1));
    await on.test.elapse(500);
    on.give(ask(1));
    await on.test.elapse(20_000);
    expect([seen.ids.length, on.take()]).toEqual([5, []]);
    expect(on.client.usernet?.statistics()).toMatchObject({ 'dns.queries': 0, 'dns.failed': 1 });
    on.give(ask(1));
    await on.test.elapse(10);
    expect(seen.ids.length).toBe(6);
  });

  it.each<[string, Answer]>([
    [
      'another identifier',
      (bytes) => {
        const reply = answered(bytes) as Uint8Array;
        w.put16(reply, 0, w.dnsId(reply, 0) ^ 1);
        return reply;
      },
    ],
    [
      'another question',
      (bytes) => {
        const reply = query(w.dnsId(bytes, 0), 'example.org');
        w.put16(reply, 2, 0x8180);
        return reply;
      },
    ],
    ['no response', (bytes) => bytes],
    ['a short message', (bytes) => bytes.slice(0, 11)],
    ['nothing at all', () => new Uint8Array(0)],
  ])('%s is not believed', async (_name, answer) => {
    const on = await open(['127.0.0.53']);
    await server(on, '127.0.0.53', answer);
    expect(await on.exchange(ask(7), 100)).toEqual([]);
    expect(on.client.usernet?.statistics()['drop.dns-mismatch']).toBe(1);
  });

  it('a different case of the question is the same question', async () => {
    const on = await open(['127.0.0.53']);
    await server(on, '127.0.0.53', (bytes) => {
      const reply = query(w.dnsId(bytes, 0), 'EXAMPLE.com');
      w.put16(reply, 2, 0x8180);
      return reply;
    });
    expect((await on.exchange(ask(7), 100)).length).toBe(1);
  });

  it('at most 256 queries are under way', async () => {
    const on = await open(['127.0.0.53']);
    await server(on, '127.0.0.53', silent);
    for (let i = 0; i < 300; i++) on.give(ask(i, 5000 + i));
    await on.test.elapse(10);
    const statistics = on.client.usernet?.statistics() ?? {};
    expect([statistics['dns.queries'], statistics['drop.dns-evicted']]).toEqual([256, 44]);
  });

  it('a guest that asks too much loses its own queries, not those of another', async () => {
    const on = await open(['127.0.0.53']);
    on.give(announce(OTHER_MAC, OTHER));
    let silence = true;
    await server(on, '127.0.0.53', (bytes) => (silence ? undefined : answered(bytes)));
    const few = (id: number): Uint8Array =>
      udpFrame(6000 + id, 53, query(id), { source: OTHER, mac: OTHER_MAC, destination: DNS });
    for (let i = 0; i < 4; i++) on.give(few(i));
    for (let i = 0; i < 300; i++) on.give(ask(i, 5000 + i));
    // The table is full: the newcomer has the place of one of those who have most.
    on.give(few(4));
    await on.test.elapse(10);
    const statistics = on.client.usernet?.statistics() ?? {};
    expect([statistics['dns.queries'], statistics['drop.dns-evicted']]).toEqual([256, 49]);
    silence = false;
    await on.test.elapse(2000);
    const replies = on.take().map(udpOf);
    const ports = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);
    expect(replies.map((reply) => reply.destinationPort).sort((a, b) => a - b)).toEqual([
      ...ports(5049, 251),
      ...ports(6000, 5),
    ]);
    expect(on.client.usernet?.statistics()['dns.queries']).toBe(0);
    // What was answered counts for nobody any more.
    silence = true;
    for (let i = 0; i < 300; i++) on.give(few(i));
    expect(on.client.usernet?.statistics()['dns.queries']).toBe(256);
  });

  it('closing with queries under way leaves nothing', async () => {
    const on = await open(['127.0.0.53', '127.0.0.54']);
    for (let i = 0; i < 10; i++) on.give(ask(i));
    await on.close();
    await on.test.settle();
    expect(on.test.leaks()).toEqual([]);
  });
});
