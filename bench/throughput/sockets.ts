/**
 * Host sockets alone: the addon's against node:net's, this process against a far side in a process of its own.
 *
 *   node --import tsx bench/throughput/sockets.ts [--seconds N] [--rounds N]
 *
 * Interleaved rounds; medians of Gbit/s (streams) or thousands per second (requests), and this process's CPU seconds per
 * gigabyte, or microseconds per request. `small` writes are 1460 bytes.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { StreamSocket } from '../../src/net/host.ts';
import { createNodeHost } from '../../src/node/host.ts';

const option = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const SECONDS = option('seconds', 1);
const ROUNDS = option('rounds', 5);
const BLOCK = new Uint8Array(65_536);

/** The far side, always on the addon: what the first byte asks for. */
async function far(): Promise<void> {
  const host = createNodeHost({ native: true });
  const listener = await host.sockets.listen({ family: 'ipv4', host: '127.0.0.1', port: 0 });
  const mode = new Uint8Array(1);
  listener.onConnection = (socket) => {
    socket.onEvent = () => {
      if (socket.readInto(mode, 0, 1) === 1) serve(socket, String.fromCharCode(mode[0] as number));
    };
    socket.interest(true, false);
  };
  process.send?.((listener.address as { port: number }).port);
}

function serve(socket: StreamSocket, mode: string): void {
  if (mode === 's') {
    writes(socket, BLOCK.length);
  } else if (mode === 'd') {
    reads(socket);
  } else {
    const bytes = new Uint8Array(1024);
    socket.onEvent = () => {
      const count = socket.readInto(bytes, 0, bytes.length);
      if (count > 0) socket.write(bytes, 0, count);
    };
  }
}

function writes(socket: StreamSocket, size: number): { count(): number } {
  let bytes = 0;
  const fill = (): void => {
    for (let left = 262_144; left > 0; ) {
      const taken = socket.write(BLOCK, 0, size);
      if (taken <= 0) return;
      bytes += taken;
      left -= taken;
    }
  };
  socket.onEvent = (event) => {
    if (event === 'writable') fill();
  };
  socket.interest(false, true);
  return { count: () => bytes };
}

function reads(socket: StreamSocket): { count(): number } {
  const into = new Uint8Array(262_144);
  let bytes = 0;
  socket.onEvent = (event) => {
    if (event !== 'readable') return;
    for (let n = 1; n > 0; bytes += Math.max(0, n)) n = socket.readInto(into, 0, 65_536);
  };
  socket.interest(true, false);
  return { count: () => bytes };
}

function requests(socket: StreamSocket): { count(): number } {
  const byte = new Uint8Array(1);
  let count = 0;
  socket.onEvent = (event) => {
    if (event !== 'readable' || socket.readInto(byte, 0, 1) !== 1) return;
    count++;
    socket.write(byte, 0, 1);
  };
  socket.interest(true, false);
  socket.write(byte, 0, 1);
  return { count: () => count };
}

const CASES: [string, string, (socket: StreamSocket) => { count(): number }, number, string][] = [
  ['write 64 KiB', 'd', (socket) => writes(socket, 65_536), 8e-9, 'Gbit/s'],
  ['write small', 'd', (socket) => writes(socket, 1460), 8e-9, 'Gbit/s'],
  ['read', 's', reads, 8e-9, 'Gbit/s'],
  ['1-byte requests', 'e', requests, 1e-3, 'thousand/s'],
];

interface Sample {
  readonly rate: number;
  /** Per byte, or per request. */
  readonly cpuMicros: number;
}

async function measure(port: number, native: boolean, mode: string, start: (typeof CASES)[0][2]): Promise<Sample> {
  const host = createNodeHost({ native });
  const socket = host.sockets.connect({ family: 'ipv4', host: '127.0.0.1', port });
  await new Promise<void>((resolve) => {
    socket.onEvent = () => resolve();
  });
  socket.write(new TextEncoder().encode(mode), 0, 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const running = start(socket);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const [from, at, cpu] = [running.count(), performance.now(), process.cpuUsage()];
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  const count = running.count() - from;
  const rate = count / ((performance.now() - at) / 1000);
  const { user, system } = process.cpuUsage(cpu);
  socket.reset();
  await host.close();
  return { rate, cpuMicros: (user + system) / count };
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] as number;

async function main(): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ['--far'], { execArgv: ['--import', 'tsx'] });
  const port = await new Promise<number>((resolve) => child.once('message', (message) => resolve(message as number)));
  for (const [name, mode, start, scale, unit] of CASES) {
    const samples: [Sample[], Sample[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      samples[0].push(await measure(port, true, mode, start));
      samples[1].push(await measure(port, false, mode, start));
    }
    const of = (which: 0 | 1, what: keyof Sample): number => median(samples[which].map((sample) => sample[what]));
    const cpuScale = unit === 'Gbit/s' ? 1e3 : 1;
    const text = (which: 0 | 1): string =>
      `${(of(which, 'rate') * scale).toFixed(1)} ${unit} at ${(of(which, 'cpuMicros') * cpuScale).toFixed(2)}`;
    const ratio = (of(0, 'rate') / of(1, 'rate')).toFixed(2);
    console.log(`${name.padEnd(16)} addon ${text(0)}, node:net ${text(1)}, ratio ${ratio}`);
  }
  child.kill();
}

if (process.argv.includes('--far')) await far();
else await main();
