/**
 * What every Host must keep to (src/net/host.ts), as one suite over real or virtual time. A host is driven only by
 * `step`, which lets a little time pass: the suite never sleeps by itself.
 *
 * @example
 * hostCompliance('Node', () => {
 *   const host = createNodeHost();
 *   return {
 *     host,
 *     step: () => new Promise((resolve) => setTimeout(resolve, 1)),
 *     leaks: () => (host.openSockets === 0 ? [] : ['sockets']),
 *     unixPath: (name) => join(directory, name),
 *     close: () => host.close(),
 *   };
 * });
 */
import { describe, expect, it } from 'vitest';
import {
  type DatagramBatch,
  FLUSH,
  type Host,
  HostError,
  type InetAddress,
  type Listener,
  PRODUCE,
  SOCKET_FAILED,
  type SocketAddress,
  type StreamEvent,
  type StreamSocket,
  WOULD_BLOCK,
} from '../../../src/net/host.ts';

export interface HostUnderTest {
  readonly host: Host;
  /** Lets things happen; about a millisecond. */
  step(): Promise<void>;
  /** Time passes by itself: streams may be busy without end. */
  readonly isRealTime?: boolean;
  /** What the host still holds, in words. */
  leaks(): string[];
  /** A fresh path for a unix socket; unset: the host has none. */
  unixPath?(name: string): string;
  close(): void | Promise<void>;
}

const LOOPBACK: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 0 };
const MAX_STEPS = 3000;

export function hostCompliance(name: string, makeHost: () => HostUnderTest | Promise<HostUnderTest>): void {
  const test = (title: string, use: (t: Bench) => Promise<void>) =>
    it(title, async () => {
      const under = await makeHost();
      const bench = new Bench(under);
      try {
        await use(bench);
        await bench.end();
        expect(under.leaks()).toEqual([]);
      } finally {
        await under.close();
      }
    });

  describe(`host compliance: ${name}`, () => {
    describe('time', () => {
      test('moves on, monotonic and wall clock apart', async ({ host, step }) => {
        const before = [host.clock.now(), host.clock.wallMicros()] as const;
        for (let i = 0; i < 20; i++) await step();
        expect(host.clock.now()).toBeGreaterThan(before[0]);
        expect(host.clock.wallMicros()).toBeGreaterThan(before[1]);
        expect(host.clock.wallMicros()).toBeGreaterThan(1.7e15);
      });

      test('timers fire once, in order, not before their deadline', async ({ host, until }) => {
        const fired: string[] = [];
        const start = host.clock.now();
        const early: boolean[] = [];
        const at = (label: string, ms: number) => {
          const timer = host.timers.create(() => {
            fired.push(label);
            early.push(host.clock.now() < start + ms);
          });
          timer.set(start + ms);
          return timer;
        };
        const b = at('b', 20);
        const a = at('a', 5);
        at('c', 35);
        const cancelled = at('x', 10);
        cancelled.cancel();
        expect([b.deadlineMs, cancelled.deadlineMs]).toEqual([start + 20, undefined]);
        await until(() => fired.length === 3);
        expect([fired, early, a.deadlineMs]).toEqual([['a', 'b', 'c'], [false, false, false], undefined]);
      });

      test('timers can be moved both ways, also from their own callback', async ({ host, until }) => {
        const fired: number[] = [];
        const start = host.clock.now();
        const late = host.timers.create(() => fired.push(1));
        late.set(start + 5);
        late.set(start + 40);
        const soon = host.timers.create(() => fired.push(2));
        soon.set(start + 4_000_000);
        soon.set(start + 10);
        let rounds = 0;
        const again = host.timers.create(() => {
          if (++rounds < 3) again.set(host.clock.now() + 1);
        });
        again.set(start);
        await until(() => fired.length === 2 && rounds === 3);
        expect(fired).toEqual([2, 1]);
      });
    });

    describe('batches', () => {
      test('PRODUCE before FLUSH, once per task, four rounds, then the next turn', async ({ host, until }) => {
        const ran: string[] = [];
        const producer = {
          count: 0,
          run() {
            ran.push(`p${++this.count}`);
            if (this.count < 6) host.loop.atBatchEnd(PRODUCE, this);
          },
        };
        host.loop.atBatchEnd(FLUSH, { run: () => ran.push('f') });
        host.loop.atBatchEnd(PRODUCE, producer);
        host.loop.atBatchEnd(PRODUCE, producer);
        const turn = { run: () => ran.push('|') };
        await until(() => producer.count >= 1);
        host.loop.nextTurn(turn);
        await until(() => producer.count === 6 && ran.includes('|'));
        expect(ran.slice(0, 5)).toEqual(['p1', 'f', 'p2', 'p3', 'p4']);
        expect(ran.filter((entry) => entry !== '|')).toEqual(['p1', 'f', 'p2', 'p3', 'p4', 'p5', 'p6']);
      });

      test('nextTurn runs outside the turn that asked for it', async ({ host, until }) => {
        let turns = 0;
        let inside = false;
        const task = {
          run() {
            expect(inside).toBe(false);
            inside = true;
            if (++turns < 5) host.loop.nextTurn(task);
            inside = false;
          },
        };
        host.loop.nextTurn(task);
        expect(turns).toBe(0);
        await until(() => turns === 5);
      });

      test('random fills whole arrays and differs', async ({ host }) => {
        const a = new Uint8Array(64);
        const b = new Uint8Array(64);
        host.random.fill(a);
        host.random.fill(b);
        expect(a).not.toEqual(b);
        const value = host.random.u32();
        expect(Number.isInteger(value) && value >= 0 && value <= 0xffffffff).toBe(true);
      });
    });

    for (const kind of ['tcp', 'unix'] as const) {
      describe(`${kind} streams`, () => {
        let names = 0;
        const address = (bench: Bench): SocketAddress | undefined => {
          if (kind === 'tcp') return LOOPBACK;
          return bench.unixPath === undefined ? undefined : { family: 'unix', path: bench.unixPath(`s${names++}`) };
        };
        const pairTest = (title: string, use: (t: Bench, a: End, b: End) => Promise<void>) =>
          test(title, async (bench) => {
            const at = address(bench);
            if (at === undefined) return;
            const { client, server } = await bench.pair(at);
            await use(bench, client, server);
          });

        pairTest('connect, know their addresses, and carry bytes both ways', async (_, a, b) => {
          expect(a.events[0]).toBe('connected');
          if (kind === 'tcp') {
            expect(a.socket.remoteAddress).toEqual(b.socket.localAddress);
            expect(b.socket.remoteAddress).toEqual(a.socket.localAddress);
          }
          await a.write(pattern(1, 5000));
          await b.write(pattern(2, 70_000));
          await b.expect(pattern(1, 5000));
          await a.expect(pattern(2, 70_000));
        });

        pairTest('take borrowed bytes: the buffer may be overwritten at once', async (_bench, a, b) => {
          const total = 3_000_000;
          const source = pattern(3, total);
          const scratch = new Uint8Array(100_000);
          let sent = 0;
          b.keepReading();
          await a.until(() => {
            while (sent < total) {
              const n = Math.min(scratch.length, total - sent);
              scratch.set(source.subarray(sent, sent + n));
              const half = n >> 1;
              const taken = a.socket.write2(scratch, 0, half, half, n - half);
              scratch.fill(0xdd);
              if (taken <= 0) break;
              sent += taken;
            }
            return sent === total;
          });
          await b.expect(source);
        });

        pairTest('block when the other side does not read, and tell when there is room', async (bench, a, b) => {
          const block = new Uint8Array(65536);
          let sent = 0;
          let blocked = 0;
          await a.until(() => {
            for (;;) {
              const taken = a.socket.write(block, 0, block.length);
              if (taken === WOULD_BLOCK) break;
              sent += taken;
            }
            expect(a.socket.room()).toBe(0);
            return ++blocked > 20;
          });
          expect(sent).toBeLessThan(64 * 1024 * 1024);
          a.clear();
          a.socket.interest(false, true);
          for (let i = 0; i < 5; i++) await bench.step();
          expect(a.events).toEqual([]);
          b.keepReading();
          await bench.until(() => a.events.includes('writable') && b.size === sent);
          expect(a.socket.room()).toBeGreaterThan(0);
        });

        pairTest('say readable again and again until the bytes are read', async (bench, a, b) => {
          let times = 0;
          b.socket.onEvent = (event) => {
            if (event !== 'readable' || ++times < 3) return;
            b.socket.interest(false, false);
          };
          b.socket.interest(true, false);
          await a.write(pattern(4, 10));
          await bench.until(() => times === 3);
          for (let i = 0; i < 5; i++) await bench.step();
          expect(times).toBe(3);
          await b.expect(pattern(4, 10));
        });

        pairTest('close one half, and go on with the other', async (_, a, b) => {
          await a.write(pattern(5, 1000));
          a.socket.shutdown();
          await b.expect(pattern(5, 1000));
          await b.end();
          await b.write(pattern(6, 1000));
          await a.expect(pattern(6, 1000));
          b.socket.shutdown();
          await a.end();
        });

        pairTest('close gracefully: what was taken arrives, then the end; no event follows', async (_, a, b) => {
          const all = pattern(7, 200_000);
          const taken = a.socket.write(all, 0, all.length);
          expect(taken).toBeGreaterThanOrEqual(65_536);
          a.clear();
          a.socket.close();
          await b.expect(all.subarray(0, taken));
          await b.end();
          expect(a.events).toEqual([]);
        });

        pairTest('keep the order of small and large writes, however often they block', async (bench, a, b) => {
          const total = 12_000_000;
          const source = pattern(8, total);
          let sent = 0;
          let blocked = 0;
          let size = 1;
          await bench.until(() => {
            while (sent < total) {
              size = (size * 7 + 11) % 50_000;
              const wanted = Math.min(size, total - sent);
              const taken = a.socket.write(source, sent, wanted);
              sent += Math.max(0, taken);
              if (taken < wanted) break;
            }
            if (sent === total) return true;
            blocked++;
            // A reader that is slower than the writer.
            b.socket.interest(true, false);
            for (let i = 0; i < 20; i++) b.read(50_000);
            return false;
          });
          expect(blocked).toBeGreaterThan(0);
          await b.expect(source);
        });

        pairTest('survive a peer that is suddenly gone, and fail in the end', async (bench, a, b) => {
          await a.write(pattern(9, 1000));
          await b.write(pattern(9, 1000));
          b.socket.reset();
          const block = new Uint8Array(20_000);
          await bench.until(() => {
            // What came before is read first.
            a.read(1000);
            return a.socket.write(block, 0, block.length) === SOCKET_FAILED;
          });
          await bench.until(() => a.events.at(-1) === 'error');
          expect(['EPIPE', 'ECONNRESET']).toContain(a.socket.error?.code);
          expect([a.read(10), a.socket.room()]).toEqual([SOCKET_FAILED, 0]);
          a.socket.interest(true, true);
          a.socket.shutdown();
        });

        pairTest('say nothing after close, also when the descriptor is used again', async (bench, a, b) => {
          const listener = await bench.host.sockets.listen(address(bench) as SocketAddress);
          listener.onConnection = (socket) => {
            bench.own(socket);
            socket.write(pattern(10, 100), 0, 100);
          };
          let late = 0;
          for (let i = 0; i < 30; i++) {
            const end = bench.connect(listener.address);
            await bench.until(() => end.events.includes('connected'));
            end.socket.interest(true, true);
            end.socket.close();
            end.socket.onEvent = () => late++;
          }
          await a.write(pattern(10, 10));
          await b.expect(pattern(10, 10));
          expect(late).toBe(0);
          await listener.close();
        });

        test('a busy stream does not starve quiet ones', async (bench) => {
          const at = address(bench);
          if (at === undefined || !bench.isRealTime) return;
          const busy = await bench.pair(at);
          const next = (): Promise<{ client: End; server: End }> =>
            bench.pair(kind === 'tcp' ? at : (address(bench) as SocketAddress));
          const quiet = [];
          for (let i = 0; i < 40; i++) quiet.push(await next());
          const block = new Uint8Array(65536);
          busy.client.socket.onEvent = (event) => {
            if (event === 'writable') for (let i = 0; i < 16; i++) busy.client.socket.write(block, 0, block.length);
          };
          let read = 0;
          busy.server.socket.onEvent = (event) => {
            if (event !== 'readable') return;
            for (let n = busy.server.socket.readInto(block, 0, block.length); n > 0; ) {
              read += n;
              n = busy.server.socket.readInto(block, 0, block.length);
            }
          };
          busy.server.socket.interest(true, false);
          busy.client.socket.interest(false, true);
          await bench.until(() => read > 1_000_000);
          for (const [i, { client, server }] of quiet.entries()) {
            await client.write(pattern(i, 100));
            await server.expect(pattern(i, 100));
          }
          const before = read;
          await bench.until(() => read > before + 1_000_000);
          busy.client.socket.interest(false, false);
        });

        if (kind === 'tcp') {
          pairTest('reset: the other side gets ECONNRESET', async (bench, a, b) => {
            b.socket.interest(true, false);
            a.socket.reset();
            await bench.until(() => b.socket.error !== undefined);
            expect([b.socket.error?.code, b.events.at(-1)]).toEqual(['ECONNRESET', 'error']);
            expect(b.read(10)).toBe(SOCKET_FAILED);
          });

          pairTest('reset: what was taken arrives first, however slowly it is read', async (bench, a, b) => {
            const all = pattern(11, 8_000_000);
            const taken = a.socket.write(all, 0, all.length);
            expect(taken).toBeGreaterThan(30_000);
            const last = Math.max(0, a.socket.write(all, taken, 45));
            a.clear();
            a.socket.reset();
            for (let i = 0; i < 20; i++) await bench.step();
            await b.expect(all.subarray(0, taken + last));
            b.keepReading();
            await bench.until(() => b.socket.error !== undefined);
            expect([b.socket.error?.code, b.events.at(-1), a.events]).toEqual(['ECONNRESET', 'error', []]);
          });

          pairTest('what came before a reset is read first, also by who writes meanwhile', async (bench, a, b) => {
            await a.write(pattern(12, 20_000));
            await bench.step();
            b.clear();
            a.socket.reset();
            const block = new Uint8Array(30_000);
            for (let i = 0; i < 50; i++) {
              expect(b.socket.write(block, 0, block.length)).not.toBe(SOCKET_FAILED);
              b.socket.interest(false, true);
              await bench.step();
            }
            expect([b.socket.write(block, 0, block.length), b.socket.room()]).toEqual([WOULD_BLOCK, 0]);
            expect(b.events).not.toContain('error');
            await b.expect(pattern(12, 20_000));
            b.keepReading();
            await bench.until(() => b.socket.error !== undefined && b.events.at(-1) === 'error');
            expect(['EPIPE', 'ECONNRESET']).toContain(b.socket.error?.code);
          });
        }

        test('refused connections are errors with a code, not exceptions', async (bench) => {
          let to: SocketAddress | undefined;
          if (kind === 'unix') {
            if (bench.unixPath === undefined) return;
            to = { family: 'unix', path: bench.unixPath('nobody') };
          } else {
            const listener = await bench.host.sockets.listen(LOOPBACK);
            to = listener.address;
            await listener.close();
          }
          const end = bench.connect(to);
          await bench.until(() => end.events.length > 0);
          expect(end.events).toEqual(['error']);
          expect(end.socket.error?.code).toBe(kind === 'unix' ? 'ENOENT' : 'ECONNREFUSED');
          expect(end.socket.error).toBeInstanceOf(HostError);
        });

        test('a closed listener frees its name at once; a bound one is refused', async (bench) => {
          const at = address(bench);
          if (at === undefined) return;
          const first = await bench.host.sockets.listen(at);
          const same = await failure(bench.host.sockets.listen(first.address));
          expect([same?.code, same?.message]).toEqual(['EADDRINUSE', 'Address already in use']);
          if (first.address.family !== 'unix') expect(first.address.port).toBeGreaterThan(0);
          await first.close();
          const second = await bench.host.sockets.listen(first.address);
          expect(second.address).toEqual(first.address);
          await second.close();
        });

        test('a paused listener holds connections back', async (bench) => {
          const at = address(bench);
          if (at === undefined) return;
          const listener = await bench.host.sockets.listen(at);
          const accepted: StreamSocket[] = [];
          listener.onConnection = (socket) => accepted.push(socket);
          listener.pause();
          const end = bench.connect(listener.address);
          for (let i = 0; i < 20; i++) await bench.step();
          expect(accepted).toHaveLength(0);
          listener.resume();
          await bench.until(() => accepted.length === 1 && end.events.includes('connected'));
          bench.own(accepted[0] as StreamSocket);
          await listener.close();
        });
      });
    }

    describe('datagrams', () => {
      test('carry batches with their source, in order on loopback', async (bench) => {
        const a = await bench.host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK });
        const b = await bench.host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK });
        const out = createBatch(8);
        fill(out, [pattern(1, 10), pattern(2, 1400), pattern(3, 0), pattern(4, 9000)], b.localAddress);
        let sent = 0;
        await bench.until(() => {
          sent = a.sendBatch(out);
          return sent > 0;
        });
        expect(sent).toBe(4);
        out.bytes.fill(0xdd);
        const got: Uint8Array[] = [];
        const into = createBatch(8);
        b.onEvent = () => b.interest(false, false);
        await bench.until(() => {
          b.interest(true, false);
          for (let n = b.receiveBatch(into); n > 0; n = b.receiveBatch(into)) {
            expect(n).toBe(into.count);
            for (let i = 0; i < n; i++) {
              const at = into.offset[i] as number;
              got.push(into.bytes.slice(at, at + (into.length[i] as number)));
              expect(into.peer[i]).toEqual(a.localAddress);
            }
          }
          return got.length === 4;
        });
        expect(got).toEqual([pattern(1, 10), pattern(2, 1400), pattern(3, 0), pattern(4, 9000)]);
        await Promise.all([a.close(), b.close()]);
      });

      test('carry more and larger ones than an arena holds, each whole', async (bench) => {
        const a = await bench.host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK });
        const b = await bench.host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK });
        b.onEvent = () => b.interest(false, false);
        const into = createBatch(16);
        const sizes = [100, 30_000, 5, 60_000, 1, 2, 3, 65_000, 40_000, 7];
        for (const [round, size] of sizes.entries()) {
          const datagrams = [
            pattern(round, size),
            pattern(round + 1, 20),
            pattern(round + 2, sizes[(round + 3) % 10] as number),
          ];
          for (const [i, bytes] of datagrams.entries()) {
            const out = createBatch(1);
            fill(out, [bytes], b.localAddress);
            await bench.until(() => a.sendBatch(out) === 1);
            if (i < 2) continue;
            const got: Uint8Array[] = [];
            await bench.until(() => {
              b.interest(true, false);
              for (let n = b.receiveBatch(into); n > 0; n = b.receiveBatch(into)) got.push(...contents(into));
              return got.length === 3;
            });
            expect(got).toEqual(datagrams);
          }
        }
        await Promise.all([a.close(), b.close()]);
      });

      test('take a flood or say that they would block, and tell when there is room', async (bench) => {
        const a = await bench.host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK });
        const b = await bench.host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK });
        const out = createBatch(64);
        fill(out, new Array<Uint8Array>(64).fill(pattern(1, 1000)), b.localAddress);
        let writable = 0;
        a.onEvent = (event) => {
          if (event === 'writable') writable++;
        };
        let taken = 0;
        for (let i = 0; i < 200; i++) {
          const sent = a.sendBatch(out);
          if (sent === WOULD_BLOCK) {
            a.interest(false, true);
            const before = writable;
            await bench.until(() => writable > before);
            a.interest(false, false);
          } else {
            expect(sent).toBeGreaterThan(0);
            taken += sent;
          }
        }
        expect(taken).toBeGreaterThanOrEqual(64 * 100);
        await Promise.all([a.close(), b.close()]);
      });

      test('report ECONNREFUSED of a connected peer', async (bench) => {
        const gone = await bench.host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK });
        const to = gone.localAddress;
        await gone.close();
        const socket = await bench.host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK });
        const events: string[] = [];
        socket.onEvent = (event) => events.push(event);
        socket.connect(to);
        const out = createBatch(1);
        fill(out, [pattern(1, 10)], undefined);
        await bench.until(() => {
          if (!events.includes('error')) socket.sendBatch(out);
          return events.includes('error');
        });
        expect(socket.takeError()?.code).toBe('ECONNREFUSED');
        await socket.close();
      });

      test('refuse a port in use and an address of another machine', async (bench) => {
        const a = await bench.host.sockets.datagram({ family: 'ipv4', bind: LOOPBACK });
        const same = await failure(bench.host.sockets.datagram({ family: 'ipv4', bind: a.localAddress }));
        expect(same?.code).toBe('EADDRINUSE');
        await a.close();
        const again = await bench.host.sockets.datagram({ family: 'ipv4', bind: a.localAddress });
        await again.close();
        const foreign = await failure(
          bench.host.sockets.datagram({ family: 'ipv4', bind: { family: 'ipv4', host: '192.0.2.1', port: 0 } }),
        );
        expect(foreign?.code).toBe('EADDRNOTAVAIL');
      });
    });

    describe('names and files', () => {
      test('numeric names are themselves, unknown ones a HostError', async ({ host }) => {
        expect(await host.resolver.lookup('192.0.2.7', {})).toEqual([{ family: 'ipv4', host: '192.0.2.7' }]);
        expect(await host.resolver.lookup('::1', { family: 'ipv6' })).toEqual([{ family: 'ipv6', host: '::1' }]);
        expect(Array.isArray(host.resolver.servers())).toBe(true);
        const unknown = await failure(host.resolver.lookup('no such name.invalid', {}));
        expect(unknown?.message).toMatch(/name resolution|not known|No address/);
      });

      test('an aborted lookup rejects', async ({ host }) => {
        await expect(host.resolver.lookup('localhost', { signal: AbortSignal.abort() })).rejects.toBeDefined();
      });

      test('a missing file is ENOENT', async ({ host }) => {
        const missing = await failure(host.files.read('/nonexistent/file', 100));
        expect([missing?.code, missing?.message]).toEqual(['ENOENT', 'No such file or directory']);
      });
    });
  });
}

async function failure(work: Promise<unknown>): Promise<HostError | undefined> {
  try {
    await work;
  } catch (error) {
    expect(error).toBeInstanceOf(HostError);
    return error as HostError;
  }
  return undefined;
}

/** One side of a connection. */
class End {
  readonly socket: StreamSocket;
  readonly events: StreamEvent[] = [];
  readonly #bench: Bench;
  readonly #got: Uint8Array[] = [];
  readonly #buffer = new Uint8Array(65536);

  constructor(bench: Bench, socket: StreamSocket) {
    this.#bench = bench;
    this.socket = socket;
    socket.onEvent = (event) => {
      this.events.push(event);
      // Level-triggered: without a reader or writer it would come again for ever.
      if (event === 'readable' || event === 'writable') socket.interest(false, false);
    };
  }

  /** Bytes read and not compared yet. */
  get size(): number {
    return this.#got.reduce((sum, piece) => sum + piece.length, 0);
  }

  clear(): void {
    this.events.length = 0;
  }

  until(condition: () => boolean): Promise<void> {
    return this.#bench.until(condition);
  }

  /** All of it, as the host takes it. */
  async write(bytes: Uint8Array): Promise<void> {
    let sent = 0;
    await this.until(() => {
      const taken = this.socket.write(bytes, sent, bytes.length - sent);
      expect(taken).not.toBe(SOCKET_FAILED);
      sent += Math.max(0, taken);
      return sent === bytes.length;
    });
  }

  read(length: number): number {
    const n = this.socket.readInto(this.#buffer, 3, Math.min(length, this.#buffer.length - 3));
    if (n > 0) this.#got.push(this.#buffer.slice(3, 3 + n));
    return n;
  }

  /** Reads whenever something is there. */
  keepReading(): void {
    this.socket.onEvent = (event) => {
      this.events.push(event);
      if (event === 'readable') while (this.read(65536) > 0);
    };
    this.socket.interest(true, false);
  }

  /** The other side's end of stream arrives. */
  end(): Promise<void> {
    this.socket.interest(true, false);
    return this.#bench.until(() => {
      const n = this.read(1);
      if (n === WOULD_BLOCK) this.socket.interest(true, false);
      return n === 0;
    });
  }

  /** Exactly these bytes arrive, and no more. */
  async expect(bytes: Uint8Array): Promise<void> {
    this.keepReading();
    await this.#bench.until(() => this.size >= bytes.length);
    const all = new Uint8Array(this.size);
    let at = 0;
    for (const piece of this.#got.splice(0)) {
      all.set(piece, at);
      at += piece.length;
    }
    expect(all.length).toBe(bytes.length);
    expect(all.findIndex((byte, i) => byte !== bytes[i])).toBe(-1);
    this.socket.interest(false, false);
  }
}

class Bench {
  readonly host: Host;
  readonly unixPath: ((name: string) => string) | undefined;
  readonly isRealTime: boolean;
  readonly #under: HostUnderTest;
  readonly #owned: (StreamSocket | Listener)[] = [];

  constructor(under: HostUnderTest) {
    this.#under = under;
    this.host = under.host;
    this.unixPath = under.unixPath?.bind(under);
    this.isRealTime = under.isRealTime === true;
  }

  readonly step = (): Promise<void> => this.#under.step();

  readonly until = async (condition: () => boolean): Promise<void> => {
    for (let i = 0; i < MAX_STEPS; i++) {
      if (condition()) return;
      await this.step();
    }
    throw new RangeError('it did not happen');
  };

  own(socket: StreamSocket): void {
    this.#owned.push(socket);
  }

  connect(to: SocketAddress): End {
    const socket = this.host.sockets.connect(to);
    this.own(socket);
    return new End(this, socket);
  }

  async pair(at: SocketAddress): Promise<{ client: End; server: End }> {
    const listener = await this.host.sockets.listen(at);
    this.#owned.push(listener);
    let server: End | undefined;
    listener.onConnection = (socket) => {
      this.own(socket);
      server = new End(this, socket);
    };
    const client = this.connect(listener.address);
    await this.until(() => server !== undefined && client.events.length > 0);
    return { client, server: server as unknown as End };
  }

  async end(): Promise<void> {
    for (const owned of this.#owned.splice(0)) await owned.close();
    for (let i = 0; i < 200 && this.#under.leaks().length > 0; i++) await this.step();
  }
}

/** Bytes that differ by seed and position. */
function pattern(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2654435761) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

function createBatch(capacity: number): DatagramBatch {
  return {
    bytes: new Uint8Array(65536),
    count: 0,
    offset: new Int32Array(capacity),
    length: new Int32Array(capacity),
    peer: [],
    ttl: new Uint8Array(capacity),
    tos: new Uint8Array(capacity),
  };
}

function contents(batch: DatagramBatch): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let i = 0; i < batch.count; i++) {
    const at = batch.offset[i] as number;
    all.push(batch.bytes.slice(at, at + (batch.length[i] as number)));
  }
  return all;
}

function fill(batch: DatagramBatch, datagrams: Uint8Array[], to: SocketAddress | undefined): void {
  let at = 0;
  for (const [i, bytes] of datagrams.entries()) {
    batch.bytes.set(bytes, at);
    batch.offset[i] = at;
    batch.length[i] = bytes.length;
    batch.peer[i] = to;
    at += bytes.length;
  }
  batch.count = datagrams.length;
}
