/** Many descriptors, none left, and the process's limit. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeNative } from '../../../tests/kit/native.ts';
import {
  batchOf,
  createBatch,
  event,
  LOOPBACK,
  NativeBench,
  numbered,
  openDescriptors,
  readAll,
  turns,
} from '../../../tests/kit/native-host.ts';
import { findProgram } from '../../../tests/kit/peers.ts';
import { until } from '../../../tests/kit/until.ts';
import { type StreamSocket, WOULD_BLOCK } from '../../net/index.ts';

const PAIRS = 1500;

const logged: string[] = [];
let bench: NativeBench;

beforeEach(() => {
  const ignore = (): void => {};
  const warn = (message: string, fields?: Record<string, unknown>): void => {
    logged.push(`${message}: ${fields?.['error']}`);
  };
  bench = new NativeBench({ log: { debug: ignore, info: ignore, warn, error: ignore } });
});

afterEach(async () => {
  await bench.close();
});

async function pairs(count: number): Promise<[StreamSocket, StreamSocket][]> {
  const listener = await bench.host.sockets.listen(LOOPBACK, { backlog: 512 });
  const servers = new Map<number, StreamSocket>();
  listener.onConnection = (socket) => {
    servers.set((socket.remoteAddress as { port: number }).port, socket);
  };
  const made: [StreamSocket, StreamSocket][] = [];
  while (made.length < count) {
    const clients = Array.from({ length: 100 }, () => bench.host.sockets.connect(listener.address));
    await until(() => clients.every((client) => client.localAddress !== undefined));
    const port = (client: StreamSocket): number => (client.localAddress as { port: number }).port;
    await until(() => clients.every((client) => servers.has(port(client))));
    for (const client of clients) made.push([client, servers.get(port(client)) as StreamSocket]);
  }
  await listener.close();
  return made;
}

describeNative('thousands of native descriptors', () => {
  it('a busy one does not starve the quiet, and none is left', async () => {
    const before = openDescriptors();
    const all = await pairs(PAIRS);
    for (const [client, server] of all) {
      client.interest(true, false);
      server.interest(true, false);
    }
    const [writer, reader] = all[0] as [StreamSocket, StreamSocket];
    const block = new Uint8Array(65_536);
    let busyBytes = 0;
    writer.onEvent = (got) => {
      if (got === 'writable') while (writer.write(block, 0, block.length) > 0);
    };
    reader.onEvent = () => {
      for (let n = 1; n > 0; busyBytes += Math.max(0, n)) n = reader.readInto(block, 0, block.length);
    };
    writer.interest(true, true);
    await until(() => busyBytes > 4_000_000);
    // Every quiet one answers while that goes on, and none waits for more than a few of its turns.
    let answered = 0;
    let worst = 0;
    const sentAt = new Map<StreamSocket, number>();
    const byte = new Uint8Array(1);
    for (const [client, server] of all.slice(1)) {
      server.onEvent = () => {
        if (server.readInto(byte, 0, 1) === 1) server.write(byte, 0, 1);
      };
      client.onEvent = () => {
        if (client.readInto(byte, 0, 1) !== 1) return;
        worst = Math.max(worst, performance.now() - (sentAt.get(client) ?? 0));
        answered++;
      };
    }
    for (let i = 1; i < all.length; i++) {
      const client = all[i]?.[0] as StreamSocket;
      sentAt.set(client, performance.now());
      client.write(byte, 0, 1);
      if (i % 50 === 0) await until(() => answered === i);
    }
    await until(() => answered === all.length - 1);
    expect(worst).toBeLessThan(500);
    await bench.host.close();
    expect(openDescriptors()).toBeLessThanOrEqual(before);
  }, 60_000);

  it('one that is used again delivers nothing to its former owner', async () => {
    const [far] = await bench.pair();
    const late: string[] = [];
    for (let i = 0; i < 300; i++) {
      const [client, server] = await bench.pair();
      const number = (client as unknown as { descriptor: number }).descriptor;
      client.interest(true, true);
      server.interest(true, true);
      server.write(numbered(5), 0, 5);
      client.onEvent = () => {
        // Closed while events of this poll for it and its successor are still to be delivered.
        client.close();
        server.close();
        client.onEvent = () => late.push('client');
        server.onEvent = () => late.push('server');
        const next = bench.host.sockets.connect(LOOPBACK);
        expect((next as unknown as { descriptor: number }).descriptor).toBeGreaterThanOrEqual(-1);
        next.close();
      };
      await until(() => (client as unknown as { descriptor: number }).descriptor < 0);
      expect(number).toBeGreaterThan(0);
    }
    await turns(5);
    expect(late).toEqual([]);
    far.close();
  });

  it('storms of EAGAIN cost no datagram and no descriptor', async () => {
    const a = await bench.host.sockets.datagram({ family: 'unix', bind: bench.path('a') });
    const b = await bench.host.sockets.datagram({ family: 'unix', bind: bench.path('b') });
    const out = batchOf(bench.path('b'), ...new Array<Uint8Array>(64).fill(numbered(500)));
    let sent = 0;
    let refused = 0;
    a.onEvent = (got) => {
      if (got !== 'writable') return;
      for (let i = 0; i < 4; i++) {
        const count = a.sendBatch(out);
        if (count === WOULD_BLOCK) refused++;
        else sent += count;
      }
    };
    a.interest(false, true);
    let received = 0;
    const into = createBatch(64);
    b.onEvent = () => {
      received += b.receiveBatch(into);
    };
    b.interest(true, false);
    await until(() => received > 20_000);
    a.interest(false, false);
    await until(() => received === sent);
    expect(refused).toBeGreaterThan(100);
    expect([bench.host.counters.sendErrors, bench.host.counters.droppedDatagrams]).toEqual([0, 0]);
  });

  it.skipIf(findProgram('prlimit') === undefined)('EMFILE of the process: a message, then recovery', async () => {
    logged.length = 0;
    const listener = await bench.host.sockets.listen(LOOPBACK);
    const clients = [bench.host.sockets.connect(listener.address), bench.host.sockets.connect(listener.address)];
    await until(() => clients.every((client) => client.localAddress !== undefined));
    const limit = (soft: string): void => {
      execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${soft}:`]);
    };
    const before = execFileSync('prlimit', ['--pid', String(process.pid), '--nofile', '--noheadings', '-o', 'SOFT'], {
      encoding: 'utf8',
    }).trim();
    const fillers: number[] = [];
    limit('2048');
    try {
      for (;;) fillers.push(openSync('/dev/null', 'r'));
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('EMFILE');
    }
    try {
      let accepted = 0;
      listener.onConnection = (socket) => {
        accepted++;
        socket.write(numbered(3), 0, 3);
      };
      await until(() => logged.length > 0);
      expect(logged).toEqual(['accepting a connection failed: Too many open files']);
      const refused = bench.host.sockets.connect(listener.address);
      await event(refused, 'error');
      expect(refused.error).toMatchObject({ code: 'EMFILE', message: 'Too many open files' });
      await expect(bench.host.sockets.datagram({ family: 'ipv4' })).rejects.toMatchObject({ code: 'EMFILE' });
      expect(accepted).toBe(0);
      for (const fd of fillers.splice(0)) closeSync(fd);
      await until(() => accepted === 2);
      for (const client of clients) expect(await readAll(client, 3)).toHaveLength(3);
    } finally {
      for (const fd of fillers) closeSync(fd);
      limit(before);
    }
  });
});
