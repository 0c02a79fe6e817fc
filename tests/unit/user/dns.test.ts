/** The virtual name server: forwarding, failover, and what answers are believed. */
import { describe, expect, it, vi } from 'vitest';
import { type DatagramSocket, HostError, type InetAddress } from '../../../src/net/host.ts';
import { MAX_QUERIES } from '../../../src/slirp/dns-forwarder.ts';
import { SOCKETS_EACH } from '../../../src/slirp/dns-sockets.ts';
import { newBatch } from '../../../src/slirp/udp-sender.ts';
import * as w from '../../../src/wire/index.ts';
import { limitSockets } from '../../kit/limited-sockets.ts';
import { announce, DNS, GUEST, icmpOf, listenOn, tcpSegment, udpFrame, udpOf, type World } from './world.ts';
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
  it('names and connections work where another port has opened all the UDP sockets that it can', async () => {
    const on = await open(['127.0.0.53']);
    await server(on, '127.0.0.53', answered);
    await listenOn(on.test, '127.0.0.1', 80);
    limitSockets(on.test.host.sockets, 40);
    for (let port = 4000; port < 4100; port++) on.give(udpFrame(port, 9000, 'x', { source: OTHER }), 2);
    await on.test.elapse(10);
    expect(on.client.usernet?.statistics()['udp.sockets']).toBe(30);
    on.take();
    const [name] = await on.exchange(ask(1), 10);
    expect(udpOf(name)).toMatchObject({ source: DNS, destination: GUEST });
    const [connected] = await on.exchange(tcpSegment([5000, 80], w.TCP_SYN), 10);
    expect(w.tcpFlags(connected as Uint8Array, 34)).toBe(w.TCP_SYN | w.TCP_ACK);
  });

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

  it('gives up after five attempts with SERVFAIL, absorbing repetitions meanwhile', async () => {
    const on = await open(['127.0.0.53']);
    const seen = await server(on, '127.0.0.53', silent);
    on.give(ask(1));
    await on.test.elapse(500);
    on.give(ask(1));
    await on.test.elapse(20_000);
    expect(seen.ids.length).toBe(5);
    const replies = on.take().map(udpOf);
    expect(replies.map(({ data }) => w.parseDns(data, 0, data.length))).toEqual([
      { id: 1, flags: 0x8182, questionCount: 1, name: 'example.com', type: 1, class: 1 },
    ]);
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

  it.each([
    ['SERVFAIL', 2],
    ['NOTIMP', 4],
    ['REFUSED', 5],
  ])(
    'a server that says %s is left for the next one at once; if that says so too, the guest hears it',
    async (_, code) => {
      const on = await open(['127.0.0.53', '127.0.0.54']);
      const refuse: Answer = (bytes) => {
        const reply = answered(bytes) as Uint8Array;
        w.put16(reply, 2, 0x8180 | code);
        return reply;
      };
      await server(on, '127.0.0.53', refuse);
      let second: Answer = answered;
      const seen = await server(on, '127.0.0.54', (bytes) => second(bytes));
      const [reply] = await on.exchange(ask(1), 10);
      expect(w.dnsFlags(udpOf(reply).data, 0)).toBe(0x8180);
      second = refuse;
      const [refusal] = await on.exchange(ask(2), 10);
      expect([w.dnsId(udpOf(refusal).data, 0), w.dnsFlags(udpOf(refusal).data, 0)]).toEqual([2, 0x8180 | code]);
      expect(seen.ids.length).toBe(2);
      // One that says so, and one that is silent: nobody answers, and why is told.
      second = silent;
      expect(await on.exchange(ask(3), 1000)).toEqual([]);
      const [late] = await on.exchange(ask(3), 20_000);
      expect(w.dnsResponseCode(udpOf(late).data, 0)).toBe(code);
    },
  );

  it('an answer that says there is no such name is an answer', async () => {
    const on = await open(['127.0.0.53', '127.0.0.54']);
    await server(on, '127.0.0.53', (bytes) => {
      const reply = answered(bytes) as Uint8Array;
      w.put16(reply, 2, 0x8183);
      return reply;
    });
    const next = await server(on, '127.0.0.54', answered);
    const [reply] = await on.exchange(ask(1), 10);
    expect([w.dnsResponseCode(udpOf(reply).data, 0), next.ids.length]).toEqual([3, 0]);
  });

  it('2,000 names at once are answered, through few sockets with many ports and identifiers', async () => {
    const on = await open(['127.0.0.53']);
    const seen = await server(on, '127.0.0.53', answered);
    let most = 0;
    for (let i = 0; i < 2000; i++) {
      on.give(ask(7, 5000 + i, `n${i}.example`));
      most = Math.max(most, on.client.usernet?.statistics()['dns.sockets'] ?? 0);
      // Less than what waits at the server's socket at most.
      if (i % 500 === 499) await on.test.settle();
    }
    await on.test.elapse(100);
    const names = on.take().map(udpOf);
    expect(names.length).toBe(2000);
    for (const { data, destinationPort } of names) {
      expect(w.parseDns(data, 0, data.length)).toMatchObject({ id: 7, name: `n${destinationPort - 5000}.example` });
    }
    expect(most).toBe(SOCKETS_EACH);
    expect(new Set(seen.from.map(({ port }) => port)).size).toBe(4 * SOCKETS_EACH);
    expect(new Set(seen.ids).size).toBeGreaterThan(1900);
    expect(on.client.usernet?.statistics()).toMatchObject({ 'dns.queries': 0, 'dns.sockets': 0 });
  });

  it('a port does not stay in use while there is always a query under way', async () => {
    const on = await open(['127.0.0.53']);
    const held: Uint8Array[] = [];
    const seen = await server(on, '127.0.0.53', (bytes) => void held.push(bytes));
    for (let i = 0; i < 1000; i++) {
      on.give(ask(i, 5000, `n${i}.example`));
      await on.test.elapse(10);
    }
    const early = new Set(seen.from.slice(0, 400).map(({ port }) => port));
    const late = new Set(seen.from.slice(-400).map(({ port }) => port));
    expect([...late].filter((port) => early.has(port))).toEqual([]);
  });

  it('where the host has no more sockets, those it has are shared', async () => {
    const on = await open(['127.0.0.53']);
    let answer: Answer = silent;
    await server(on, '127.0.0.53', (bytes) => answer(bytes));
    on.give(ask(1, 5000, 'first.example'));
    await on.test.elapse(0);
    answer = answered;
    on.test.network.fail({ on: 'datagram', code: 'EMFILE' });
    for (let i = 2; i < 50; i++) on.give(ask(i, 5000, `n${i}.example`));
    await on.test.elapse(10);
    expect(on.take().map((frame) => w.dnsResponseCode(udpOf(frame).data, 0))).toEqual(new Array(48).fill(0));
  });

  it('a guest that has used up its share of the descriptors still has two sockets for names', async () => {
    const on = await open(['127.0.0.53']);
    await server(on, '127.0.0.53', answered);
    const { sockets } = on.test.host;
    const datagram = sockets.datagram.bind(sockets);
    let opened = 0;
    vi.spyOn(sockets, 'datagram').mockImplementation((options) => {
      if (options.share !== undefined) return Promise.reject(new HostError('EMFILE', 'Too many open files'));
      opened++;
      return datagram(options);
    });
    for (let i = 0; i < 50; i++) on.give(ask(i, 5000, `n${i}.example`));
    await on.test.elapse(10);
    expect(on.take().map((frame) => w.dnsResponseCode(udpOf(frame).data, 0))).toEqual(new Array(50).fill(0));
    expect(opened).toBe(2);
  });

  it('beyond its share a guest loses the query it has not repeated for longest, and hears SERVFAIL', async () => {
    const on = await open(['127.0.0.53']);
    await server(on, '127.0.0.53', silent);
    const share = (MAX_QUERIES * 3) / 4;
    for (let i = 0; i < share; i++) on.give(ask(i & 0xffff, 5000 + i));
    on.give(ask(0, 5000));
    for (let i = 0; i < 10; i++) on.give(ask(i, 60_000));
    await on.test.elapse(10);
    const statistics = on.client.usernet?.statistics() ?? {};
    expect([statistics['dns.queries'], statistics['drop.dns-evicted']]).toEqual([share, 10]);
    const lost = on.take().map(udpOf);
    expect(lost.map(({ data }) => w.dnsResponseCode(data, 0))).toEqual(new Array(10).fill(2));
    expect(lost.map(({ destinationPort }) => destinationPort)).toEqual(Array.from({ length: 10 }, (_, i) => 5001 + i));
  });

  it('whatever addresses one port invents, a guest behind another one is answered', async () => {
    const on = await open(['127.0.0.53']);
    on.give(announce(OTHER_MAC, OTHER), 2);
    let silence = true;
    await server(on, '127.0.0.53', (bytes) => (silence ? undefined : answered(bytes)));
    const invented = (i: number): Uint8Array =>
      udpFrame(1024 + (i % 60_000), 53, query(i & 0xffff), { source: 0x0a000220 + (i % 200), destination: DNS });
    const asked = (id: number): Uint8Array =>
      udpFrame(6000 + id, 53, query(id), { source: OTHER, mac: OTHER_MAC, destination: DNS });
    for (let i = 0; i < MAX_QUERIES + 1000; i++) {
      on.give(invented(i));
      if (i % 1000 === 0) on.give(asked(i / 1000), 2);
      if (i % 500 === 0) await on.test.settle();
    }
    silence = false;
    await on.test.elapse(9000);
    const mine = on
      .take()
      .filter((frame) => frame[12] === 8 && frame[13] === 0)
      .map(udpOf)
      .filter(({ destination }) => destination === OTHER);
    expect(mine.map(({ data }) => w.dnsResponseCode(data, 0))).toEqual(new Array(mine.length).fill(0));
    expect(mine.length).toBe(6);
    // What a port that is gone had asked gives way first.
    silence = true;
    for (let i = 0; i < MAX_QUERIES; i++) on.give(invented(i), 3);
    on.client.ingressGone?.(3);
    const before = on.client.usernet?.statistics()['drop.dns-evicted'] ?? 0;
    for (let i = 0; i < (MAX_QUERIES * 3) / 4; i++) on.give(ask(i, 5000 + (i % 50_000)), 4);
    await on.test.elapse(1);
    const told = on.take().filter((frame) => frame[12] === 8 && frame[13] === 0 && udpOf(frame).destination === GUEST);
    expect([told, (on.client.usernet?.statistics()['drop.dns-evicted'] ?? 0) > before]).toEqual([[], true]);
  });

  it('a guest that asks over TCP is answered by the second server when the first one refuses', async () => {
    const on = await open(['127.0.0.53', '127.0.0.54']);
    for (const [host, flags] of [
      ['127.0.0.53', 0x8185],
      ['127.0.0.54', 0x8180],
    ] as const) {
      const listener = await listenOn(on.test, host, 53);
      listener.onConnection = (socket) => {
        const bytes = new Uint8Array(512);
        socket.onEvent = () => {
          const count = socket.readInto(bytes, 0, bytes.length);
          if (count === 0) socket.close();
          if (count <= 0) return;
          w.put16(bytes, 4, flags);
          socket.write(bytes, 0, count);
        };
        socket.interest(true, false);
      };
    }
    const to = { destination: DNS };
    const [synAck] = await on.exchange(tcpSegment([5353, 53], w.TCP_SYN, {}, to), 20);
    const isn = w.tcpSeq(synAck ?? new Uint8Array(60), 34);
    const message = query(9);
    const data = Uint8Array.from([message.length >> 8, message.length & 255, ...message]);
    const frames = await on.exchange(tcpSegment([5353, 53], w.TCP_ACK, { seq: 1001, ack: isn + 1, data }, to), 20);
    const answers = frames
      .map((frame) => frame.subarray(34 + w.tcpHeaderLength(frame, 34)))
      .filter((a) => a.length > 2);
    expect(answers.map((bytes) => w.parseDns(bytes, 2, bytes.length))).toMatchObject([
      { id: 9, flags: 0x8180, name: 'example.com' },
    ]);
    await on.exchange(tcpSegment([5353, 53], w.TCP_RST, { seq: 1001 + data.length, ack: isn + 1 }, to), 20);
  });

  it('closing with queries under way leaves nothing', async () => {
    const on = await open(['127.0.0.53', '127.0.0.54']);
    for (let i = 0; i < 10; i++) on.give(ask(i));
    await on.close();
    await on.test.settle();
    expect(on.test.leaks()).toEqual([]);
  });
});
