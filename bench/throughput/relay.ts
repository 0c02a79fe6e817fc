/**
 * The Node host and the stream framing as a relay, without a TCP stack between: how near user traffic can come to what
 * plain sockets carry.
 *
 *   npx tsx bench/throughput/relay.ts [MB]
 *
 * guest-to-host: framed frames over a unix socket in, their payload over TCP out; host-to-guest: the reverse. Peers are
 * processes of their own. Prints one JSON line a run.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Port, TAKEN } from '../../src/net/client.ts';
import { Frame } from '../../src/net/frame.ts';
import type { BatchLoop, InetAddress, SocketAddress, StreamSocket } from '../../src/net/host.ts';
import { StreamConnection } from '../../src/netdevs/framing/index.ts';
import { createNodeHost } from '../../src/node/index.ts';

const HEADERS = 54;
const megabytes = Number(process.argv[2] ?? 1000);

/** Connects and writes `total` bytes made of framed frames, or reads until the end. Plain JavaScript: runs with `node -e`. */
const PEER = `
const net = require('node:net');
const [, mode, at, frame, total] = process.argv;
const socket = at.startsWith('/') ? net.connect(at) : net.connect(Number(at), '127.0.0.1');
if (mode === 'read') socket.resume().on('end', () => socket.destroy());
else {
  const unit = Number(frame), step = unit === 0 ? 262144 : unit + 4;
  const count = Math.max(1, Math.floor(262144 / step));
  const block = Buffer.alloc(count * step);
  if (unit > 0) for (let i = 0; i < count; i++) block.writeUInt32BE(unit, i * step);
  let left = Number(total);
  const go = () => { while (left > 0) { left -= block.length; if (!socket.write(block)) { socket.once('drain', go); return; } } socket.end(); };
  socket.on('connect', go);
}
socket.on('error', () => {});
`;

const peer = (mode: 'read' | 'write', at: SocketAddress, frame: number): ChildProcess =>
  spawn(
    process.execPath,
    [
      '-e',
      PEER,
      mode,
      at.family === 'unix' ? at.path : String((at as InetAddress).port),
      String(frame),
      String(megabytes * 1e6),
    ],
    { stdio: 'inherit' },
  );

async function run(direction: 'guest-to-host' | 'host-to-guest', frameLength: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'ny-bench-'));
  const host = createNodeHost();
  const guests = await host.sockets.listen({ family: 'unix', path: join(directory, 's') });
  const servers = await host.sockets.listen({ family: 'ipv4', host: '127.0.0.1', port: 0 });
  const accepted = (listener: typeof guests): Promise<StreamSocket> =>
    new Promise((resolve) => {
      listener.onConnection = resolve;
    });
  const toGuest = direction === 'host-to-guest';
  const peers = [
    peer(toGuest ? 'read' : 'write', guests.address, frameLength),
    peer(toGuest ? 'write' : 'read', servers.address, 0),
  ];
  const [guest, server] = await Promise.all([accepted(guests), accepted(servers)]);
  const begin = performance.now();
  const cpu = process.cpuUsage();
  const bytes = toGuest ? await down(host.loop, guest, server, frameLength) : await up(host.loop, guest, server);
  const seconds = (performance.now() - begin) / 1000;
  const used = process.cpuUsage(cpu);
  const cpuSeconds = (used.user + used.system) / 1e6;
  const row = {
    direction,
    frameLength,
    gbitPerSecond: round((bytes * 8) / seconds / 1e9),
    gbitPerCpuSecond: round((bytes * 8) / cpuSeconds / 1e9),
    rssMiB: Math.round(process.memoryUsage().rss / 2 ** 20),
  };
  process.stdout.write(`${JSON.stringify(row)}\n`);
  for (const child of peers) child.kill();
  await host.close();
  rmSync(directory, { recursive: true });
}

function up(loop: BatchLoop, guest: StreamSocket, server: StreamSocket): Promise<number> {
  let bytes = 0;
  return new Promise((resolve) => {
    const port = { ...idlePort(), send };
    const connection = new StreamConnection(guest, port as unknown as Port, loop, () => {
      server.close();
      resolve(bytes);
    });
    function send(frame: Frame): 0 | 1 {
      bytes += frame.length - HEADERS;
      server.write(frame.bytes, frame.offset + HEADERS, frame.length - HEADERS);
      if (server.room() > 300_000) return TAKEN;
      server.interest(false, true);
      return 1;
    }
    server.onEvent = () => {
      server.interest(false, false);
      connection.resume();
    };
  });
}

function down(loop: BatchLoop, guest: StreamSocket, server: StreamSocket, frameLength: number): Promise<number> {
  const chunk = new Uint8Array(HEADERS + 65_536);
  const payload = frameLength - HEADERS;
  const frame = new Frame();
  let bytes = 0;
  let waiting = 0;
  return new Promise((resolve) => {
    const port = { ...idlePort(), ready: () => void (flushWaiting() && server.interest(true, false)) };
    const connection = new StreamConnection(guest, port as unknown as Port, loop, () => {});
    function flushWaiting(): boolean {
      if (waiting > 0 && !connection.send(frame)) return false;
      waiting = 0;
      return true;
    }
    server.onEvent = () => {
      for (let budget = 0; budget < 262_144; ) {
        const count = server.readInto(chunk, HEADERS, Math.min(65_536, payload));
        if (count === 0) {
          server.close();
          connection.close();
          resolve(bytes);
        }
        if (count <= 0) return;
        bytes += count;
        budget += count;
        if (!connection.send(frame.setPlain(chunk, 0, HEADERS + count))) {
          waiting = 1;
          server.interest(false, false);
          return;
        }
      }
    };
    server.interest(true, false);
  });
}

const idlePort = () => ({ ready: () => {}, drop: () => {}, carrier: () => {}, onReady: () => {}, linkUp: true });
const round = (value: number): number => Math.round(value * 100) / 100;

for (const frameLength of [1514, 65_550]) {
  await run('guest-to-host', frameLength);
  await run('host-to-guest', frameLength);
}
