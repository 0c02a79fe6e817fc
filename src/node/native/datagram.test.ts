import { existsSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeNative } from '../../../tests/kit/native.ts';
import {
  addon,
  batchOf,
  contents,
  createBatch,
  LOOPBACK,
  NativeBench,
  numbered,
  openDescriptors,
  turns,
} from '../../../tests/kit/native-host.ts';
import { until } from '../../../tests/kit/until.ts';
import {
  type DatagramOptions,
  type DatagramSocket,
  HostError,
  type IcmpRecord,
  type SocketAddress,
  WOULD_BLOCK,
} from '../../net/index.ts';
import { encodeAddress, host32 } from './sockaddr.ts';

let bench: NativeBench;

beforeEach(() => {
  bench = new NativeBench();
});

afterEach(async () => {
  await bench.close();
});

const open = (options: DatagramOptions): Promise<DatagramSocket> => bench.host.sockets.datagram(options);
const descriptorOf = (socket: DatagramSocket): number => (socket as unknown as { descriptor: number }).descriptor;
const record = (): IcmpRecord => ({
  type: 0,
  code: 0,
  mtu: 0,
  offender: undefined,
  destination: undefined,
  quoted: new Uint8Array(0),
});

/** The next `count` datagrams with their senders. */
async function receive(socket: DatagramSocket, count: number): Promise<[Uint8Array, SocketAddress | undefined][]> {
  const got: [Uint8Array, SocketAddress | undefined][] = [];
  const batch = createBatch(64);
  socket.onEvent = () => {
    for (let n = socket.receiveBatch(batch); n > 0; n = socket.receiveBatch(batch)) {
      for (const [i, bytes] of contents(batch).entries()) got.push([bytes, batch.peer[i]]);
    }
  };
  socket.interest(true, false);
  await until(() => got.length >= count);
  socket.interest(false, false);
  socket.onEvent = () => {};
  return got;
}

describeNative('native datagrams', () => {
  describe('over UDP', () => {
    it('carry a full batch both ways, IPv6 too, with one address object per peer', async () => {
      for (const host of ['127.0.0.1', '::1']) {
        const family = host === '::1' ? 'ipv6' : 'ipv4';
        const a = await open({ family, bind: { family, host, port: 0 } });
        const b = await open({ family, bind: { family, host, port: 0 } });
        const sent = Array.from({ length: 64 }, (_, i) => numbered(i * 20));
        expect(a.sendBatch(batchOf(b.localAddress, ...sent))).toBe(64);
        const got = await receive(b, 64);
        expect(got.map(([bytes]) => bytes)).toEqual(sent);
        expect(got[0]?.[1]).toEqual(a.localAddress);
        for (const [, from] of got) expect(from).toBe(got[0]?.[1]);
        expect(b.sendBatch(batchOf(got[0]?.[1], numbered(7)))).toBe(1);
        expect((await receive(a, 1))[0]?.[0]).toEqual(numbered(7));
      }
    });

    it.each(['127.0.0.1', '::1'])(
      'arrive one by one, whatever runs of one length they are sent in (%s)',
      async (host) => {
        const family = host === '::1' ? 'ipv6' : 'ipv4';
        const [a, b, c] = await Promise.all([1, 2, 3].map(() => open({ family, bind: { family, host, port: 0 } })));
        if (a === undefined || b === undefined || c === undefined) throw new RangeError('three sockets were opened');
        const lengths = [
          100, 100, 100, 40, 100, 0, 0, 7, 7, 9, 1400, 1400, 1400, 1400, 1, 2, 40_000, 40_000, 40_000, 3,
        ];
        const sent = lengths.map((length, i) => numbered(length).fill(i, 0, Math.min(1, length)));
        const batch = batchOf(b.localAddress, ...sent);
        // In the midst of a run: to somebody else.
        batch.peer[11] = c.localAddress;
        const toC = sent.splice(11, 1);
        expect(a.sendBatch(batch)).toBe(lengths.length);
        expect((await receive(b, sent.length)).map(([bytes]) => bytes)).toEqual(sent);
        expect((await receive(c, 1)).map(([bytes]) => bytes)).toEqual(toC);
      },
    );

    it('give at most 64 datagrams per turn', async () => {
      const a = await open({ family: 'ipv4', bind: LOOPBACK });
      const b = await open({ family: 'ipv4', bind: LOOPBACK });
      for (let i = 0; i < 3; i++) a.sendBatch(batchOf(b.localAddress, ...new Array<Uint8Array>(50).fill(numbered(9))));
      const perTurn: number[] = [];
      const batch = createBatch(256);
      b.onEvent = () => {
        let turn = 0;
        for (let n = b.receiveBatch(batch); n > 0; n = b.receiveBatch(batch)) turn += n;
        perTurn.push(turn);
      };
      b.interest(true, false);
      await until(() => perTurn.reduce((sum, n) => sum + n, 0) === 150);
      expect(perTurn).toEqual([64, 64, 22]);
    });

    it('set TTL and TOS per datagram', async () => {
      // A raw socket sees the IP header of all UDP that arrives at its address.
      const host = `127.9.${(process.pid >> 8) & 255}.${process.pid & 255 || 1}`;
      const raw = await open({ family: 'ipv4', rawProtocol: 17, bind: { ...LOOPBACK, host } });
      const a = await open({ family: 'ipv4', bind: LOOPBACK });
      const b = await open({ family: 'ipv4', bind: { ...LOOPBACK, host } });
      const batch = batchOf(b.localAddress, numbered(3), numbered(3), numbered(3));
      batch.ttl.set([7, 0, 200]);
      batch.tos.set([0x10, 0, 0]);
      expect(a.sendBatch(batch)).toBe(3);
      const headers = (await receive(raw, 3)).map(([bytes]) => [bytes[8], bytes[1]]);
      expect(headers).toEqual([
        [7, 0x10],
        [64, 0],
        [200, 0],
      ]);
    });

    it.each(['127.0.0.1', '::1'])('know the address that was written to, and leave from it (%s)', async (host) => {
      const family = host === '::1' ? 'ipv6' : 'ipv4';
      const any = { family, host: family === 'ipv6' ? '::' : '0.0.0.0', port: 0 } as const;
      const server = await open({ family, bind: any, localAddresses: true });
      const client = await open({ family, bind: { ...any, host } });
      const { port } = server.localAddress as { port: number };
      const hosts = family === 'ipv6' ? [host] : [host, '127.7.7.7', '127.7.7.8'];
      for (const to of hosts) client.sendBatch(batchOf({ family, host: to, port }, numbered(5), numbered(5)));
      const batch = { ...createBatch(64), local: [] as (SocketAddress | undefined)[] };
      server.onEvent = () => void server.receiveBatch(batch);
      server.interest(true, false);
      await until(() => batch.count === 2 * hosts.length);
      const twice = hosts.flatMap((to) => [to, to]);
      expect(batch.local.slice(0, batch.count)).toEqual(twice.map((to) => ({ family, host: to, port: 0 })));
      expect(server.sendBatch(batch)).toBe(batch.count);
      const answers = await receive(client, batch.count);
      expect(answers.map(([, from]) => from)).toEqual(twice.map((to) => ({ family, host: to, port })));
      // An address that is not ours: refused, and told.
      const foreign = family === 'ipv6' ? '2001:db8::9' : '192.0.2.9';
      const codes: (string | undefined)[] = [];
      server.onEvent = (event) => void (event === 'error' && codes.push(server.takeError()?.code));
      batch.local[0] = { family, host: foreign, port: 0 };
      batch.count = 1;
      expect(server.sendBatch(batch)).toBe(1);
      await until(() => codes.length > 0);
      expect(codes).toEqual([expect.any(String)]);
    });

    it('tell a refusal with its ICMP record, connected or not, and send on', async () => {
      const gone = await open({ family: 'ipv4', bind: LOOPBACK });
      const to = gone.localAddress;
      await gone.close();
      const there = await open({ family: 'ipv4', bind: LOOPBACK });
      for (const connected of [true, false]) {
        const a = await open({ family: 'ipv4', bind: LOOPBACK });
        if (connected) a.connect(to);
        const told: [string | undefined, IcmpRecord][] = [];
        a.onEvent = (event) => {
          const icmp = record();
          if (event === 'error' && a.nextError?.(icmp) === true) {
            told.push([a.takeError()?.code, { ...icmp, quoted: icmp.quoted.slice() }]);
          }
        };
        a.interest(true, false);
        expect(a.sendBatch(batchOf(to, numbered(20)))).toBe(1);
        await until(() => told.length === 1);
        expect(told[0]).toEqual([
          'ECONNREFUSED',
          {
            type: 3,
            code: 3,
            mtu: 0,
            offender: { family: 'ipv4', host: '127.0.0.1', port: 0 },
            destination: to,
            quoted: numbered(20),
          },
        ]);
        expect(a.nextError?.(record())).toBe(false);
        if (connected) continue;
        for (let i = 0; i < 3; i++) {
          expect(a.sendBatch(batchOf(there.localAddress, numbered(i)))).toBe(1);
          a.sendBatch(batchOf(to, numbered(1)));
        }
        await receive(there, 3);
      }
      expect(bench.host.counters.sendErrors).toBe(0);
    });

    it('do not spin on errors that nobody takes', async () => {
      const gone = await open({ family: 'ipv4', bind: LOOPBACK });
      const to = gone.localAddress;
      await gone.close();
      const a = await open({ family: 'ipv4', bind: LOOPBACK });
      let events = 0;
      a.onEvent = () => events++;
      a.interest(true, false);
      for (let i = 0; i < 200; i++) a.sendBatch(batchOf(to, numbered(20)));
      await until(() => events > 0);
      await turns(20);
      const before = events;
      await turns(50);
      expect(events).toBe(before);
    });

    it('count what the kernel refuses for good, tell it once, and go on with the next', async () => {
      const a = await open({ family: 'ipv4', bind: LOOPBACK });
      const b = await open({ family: 'ipv4', bind: LOOPBACK });
      const codes: (string | undefined)[] = [];
      a.onEvent = (event) => {
        if (event === 'error') codes.push(a.takeError()?.code);
      };
      a.interest(true, false);
      expect(a.sendBatch(batchOf(b.localAddress, new Uint8Array(65_508), numbered(7)))).toBe(2);
      expect((await receive(b, 1))[0]?.[0]).toEqual(numbered(7));
      await turns(5);
      expect([codes, bench.host.counters.sendErrors]).toEqual([['EMSGSIZE'], 1]);
      expect(a.refusedPeer).toBe(b.localAddress);
      // Not an address: all of the batch is lost, nothing throws.
      expect(a.sendBatch(batchOf({ ...LOOPBACK, host: 'x' }, numbered(1), numbered(2)))).toBe(2);
      await turns(5);
      expect(bench.host.counters.sendErrors).toBe(3);
    });

    it('join a group on an interface, with and without its loop', async () => {
      const bind = { family: 'ipv4', host: '239.192.7.7', port: 40_000 + (process.pid % 20_000) } as const;
      for (const loopback of [true, false]) {
        const multicast = { group: '239.192.7.7', interfaceAddress: '127.0.0.1', loopback };
        const a = await open({ family: 'ipv4', bind, multicast });
        const b = await open({ family: 'ipv4', bind, multicast });
        expect(a.sendBatch(batchOf(bind, numbered(5)))).toBe(1);
        // On lo itself everything comes back; the option is what other interfaces go by.
        expect((await receive(b, 1))[0]?.[0]).toEqual(numbered(5));
        const value = new Uint8Array(4);
        expect(addon().calls.getsockopt(descriptorOf(a), 0, 34, value, 0, 4)).toBe(4);
        expect(host32(value, 0)).toBe(loopback ? 1 : 0);
        expect(addon().calls.getsockopt(descriptorOf(a), 0, 32, value, 0, 4)).toBe(4);
        expect([...value]).toEqual([127, 0, 0, 1]);
        await Promise.all([a.close(), b.close()]);
      }
      const foreign = { group: '239.192.7.7', interfaceAddress: '192.0.2.77', loopback: true };
      await expect(open({ family: 'ipv4', bind, multicast: foreign })).rejects.toMatchObject({ code: 'ENODEV' });
      const six = { family: 'ipv6', host: '::', port: 0 } as const;
      const joined = await open({
        family: 'ipv6',
        bind: six,
        multicast: { group: 'ff02::77', interfaceAddress: '%lo', loopback: true },
      });
      await joined.close();
    });
  });

  describe('over unix sockets', () => {
    it('take no descriptors, however many are sent along', async () => {
      const a = await open({ family: 'unix' });
      const b = await open({ family: 'unix', bind: bench.path('b') });
      a.connect(b.localAddress);
      const before = openDescriptors();
      const passed = Int32Array.of(0, 1, 2);
      for (let i = 0; i < 5; i++) addon().sendDescriptors(a.descriptor ?? -1, numbered(60), 0, 60, passed, 3);
      expect((await receive(b, 5)).map(([bytes]) => bytes.length)).toEqual([60, 60, 60, 60, 60]);
      expect(openDescriptors()).toBe(before);
    });

    it('carry datagrams between paths, answer the sender, and remove their path', async () => {
      const a = await open({ family: 'unix', bind: bench.path('a'), mode: 0o600 });
      const b = await open({ family: 'unix', bind: bench.path('b') });
      expect(statSync(bench.path('a').path).mode & 0o777).toBe(0o600);
      expect(a.sendBatch(batchOf(bench.path('b'), numbered(100), numbered(60_000)))).toBe(2);
      const got = await receive(b, 2);
      expect(got.map(([bytes]) => bytes)).toEqual([numbered(100), numbered(60_000)]);
      expect(got[0]?.[1]).toEqual(bench.path('a'));
      await expect(open({ family: 'unix', bind: bench.path('a') })).rejects.toMatchObject({ code: 'EADDRINUSE' });
      await Promise.all([a.close(), b.close()]);
      expect(existsSync(bench.path('a').path)).toBe(false);
    });

    it('work unnamed, with an abstract name, and with one that the kernel picks', async () => {
      const name: SocketAddress = { family: 'unix', path: `\0ny-dgram-${process.pid}` };
      const server = await open({ family: 'unix', bind: name });
      const unnamed = await open({ family: 'unix' });
      const picked = await open({ family: 'unix', bind: { family: 'unix', path: '' } });
      expect(unnamed.localAddress).toEqual({ family: 'unix', path: '' });
      expect(picked.localAddress).toMatchObject({ path: expect.stringMatching(/^\0[0-9a-f]{5}$/) });
      unnamed.sendBatch(batchOf(name, numbered(1)));
      picked.sendBatch(batchOf(name, numbered(2)));
      const got = await receive(server, 2);
      expect(got.map(([, from]) => from)).toEqual([undefined, picked.localAddress]);
      server.sendBatch(batchOf(picked.localAddress, numbered(3)));
      expect((await receive(picked, 1))[0]?.[0]).toEqual(numbered(3));
    });

    it('replace a stale path', async () => {
      // As a killed process leaves it: closed, the path still there.
      const at = bench.path('old');
      const stale = addon().calls.socket(1, 2, 0);
      const bytes = new Uint8Array(128);
      expect(addon().calls.bind(stale, bytes, 0, encodeAddress(at, bytes, 0))).toBe(0);
      addon().calls.close(stale);
      expect(existsSync(at.path)).toBe(true);
      const again = await open({ family: 'unix', bind: at });
      await again.close();
    });

    for (const connected of [false, true]) {
      it(`${connected ? 'connected' : 'unconnected'}: wait for a peer that does not read, and lose nothing`, async () => {
        const a = await open({ family: 'unix', bind: bench.path('a') });
        const b = await open({ family: 'unix', bind: bench.path('b') });
        if (connected) a.connect(bench.path('b'));
        let sent = 0;
        let blocked = 0;
        const pump = (): void => {
          while (sent < 3000) {
            const count = a.sendBatch(batchOf(bench.path('b'), numbered(sent % 100), numbered(1)));
            sent += Math.max(0, count);
            if (count === 2) continue;
            expect(count === 1 || count === WOULD_BLOCK).toBe(true);
            blocked++;
            a.interest(false, true);
            return;
          }
          a.interest(false, false);
        };
        a.onEvent = (event) => {
          if (event === 'writable') pump();
        };
        pump();
        expect(blocked).toBe(1);
        // Long enough for the pauses between two looks to begin.
        await turns(100);
        expect(sent).toBeLessThan(3000);
        const got = await receive(b, 3000);
        expect([got.length, sent]).toEqual([3000, 3000]);
        expect(bench.host.counters.sendErrors).toBe(0);
      });
    }

    it('tell and count a peer that is gone, and reach it when it is back', async () => {
      const a = await open({ family: 'unix', bind: bench.path('a') });
      const codes: (string | undefined)[] = [];
      a.onEvent = (event) => {
        if (event === 'error') codes.push(a.takeError()?.code);
      };
      expect(a.sendBatch(batchOf(bench.path('b'), numbered(1), numbered(2)))).toBe(2);
      await until(() => codes.length === 2);
      expect([codes[0], bench.host.counters.sendErrors]).toEqual(['ENOENT', 2]);
      const b = await open({ family: 'unix', bind: bench.path('b') });
      expect(a.sendBatch(batchOf(bench.path('b'), numbered(3)))).toBe(1);
      await receive(b, 1);
    });

    it('drop and count what is longer than any slot', async () => {
      const a = await open({ family: 'unix' });
      const b = await open({ family: 'unix', bind: bench.path('b') });
      expect(a.sendBatch(batchOf(bench.path('b'), new Uint8Array(70_000), numbered(4)))).toBe(2);
      expect((await receive(b, 1)).map(([bytes]) => bytes)).toEqual([numbered(4)]);
      expect(bench.host.counters.droppedDatagrams).toBe(1);
    });
  });

  describe('of ICMP', () => {
    it('ping the loopback, or say which sysctl forbids it', async () => {
      for (const family of ['ipv4', 'ipv6'] as const) {
        let socket: DatagramSocket;
        try {
          socket = await bench.host.sockets.ping(family);
        } catch (error) {
          expect(error).toBeInstanceOf(HostError);
          expect((error as HostError).message).toMatch(/net\.ipv4\.ping_group_range|not supported/);
          continue;
        }
        const request = Uint8Array.of(family === 'ipv4' ? 8 : 128, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3);
        const to = { family, host: family === 'ipv4' ? '127.0.0.1' : '::1', port: 0 };
        expect(socket.sendBatch(batchOf(to, request))).toBe(1);
        const [reply] = await receive(socket, 1);
        expect([reply?.[0][0], ...(reply?.[0].subarray(6) ?? [])]).toEqual([
          family === 'ipv4' ? 0 : 129,
          0,
          5,
          1,
          2,
          3,
        ]);
        const identifier = ((reply?.[0][4] as number) << 8) | (reply?.[0][5] as number);
        expect((socket.localAddress as { port: number }).port).toBe(identifier);
      }
    });
  });

  it('leave no descriptor behind', async () => {
    const before = openDescriptors();
    for (let i = 0; i < 200; i++) {
      const sockets = [
        await open({ family: 'ipv4', bind: LOOPBACK }),
        await open({ family: 'unix', bind: bench.path('x') }),
      ];
      await expect(open({ family: 'ipv4', bind: { ...LOOPBACK, host: '192.0.2.1' } })).rejects.toBeInstanceOf(
        HostError,
      );
      for (const socket of sockets) {
        socket.interest(true, true);
        await socket.close();
      }
    }
    await turns(2);
    expect([openDescriptors(), bench.host.openSockets]).toEqual([before, 0]);
  });
});
