/** Measurements with a program of kit/ends.ts at either end. */
import { join } from 'node:path';
import { freshPort } from './iperf.ts';
import { HOST_FROM_GUEST, type Link, ROOT } from './links.ts';
import type { Namespace, Running, World } from './world.ts';

const ENDS = join(ROOT, 'bench', 'compare', 'kit', 'ends.ts');

export interface Counted {
  readonly count: number;
  readonly seconds: number;
  /** With those of the warm-up, where there is one. */
  readonly total: number;
}

export function startEnd(world: World, mode: string, args: readonly unknown[], inside?: Namespace): Running {
  return world.start([process.execPath, '--import', 'tsx', ENDS, mode, ...args.map(String)], inside);
}

const READY = 'ready\n';

/** Waits for `ready`: the other end may come. */
export async function startReady(
  world: World,
  mode: string,
  args: readonly unknown[],
  inside?: Namespace,
): Promise<Running> {
  return startEnd(world, mode, args, inside).says(READY);
}

export function lastLine<T>(text: string): T {
  return JSON.parse(text.trim().split('\n').at(-1) ?? '') as T;
}

/** TCP connections per second: opened, one byte received, closed. Four clients, each with a server of its own. */
export async function connectionsPerSecond(world: World, seconds: number, link?: Link): Promise<number> {
  const servers: Running[] = [];
  const ports = Array.from({ length: 4 }, freshPort);
  try {
    for (const port of ports) servers.push(await startReady(world, 'connection-server', ['127.0.0.1', port]));
    const to = link === undefined ? '127.0.0.1' : HOST_FROM_GUEST;
    const clients = ports.map((port) => startEnd(world, 'connection-client', [to, port, seconds], link?.guest));
    const results = await Promise.all(clients.map((client) => client.output(seconds + 20)));
    return results.reduce((sum, text) => sum + lastLine<Counted>(text).count, 0) / seconds;
  } finally {
    for (const server of servers) await server.stop();
  }
}

export interface Latency {
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Round trips of one byte on one connection, one after the other; with a pause between them beside a load. */
export async function latency(
  world: World,
  seconds: number,
  guest?: Namespace,
  pauseMilliseconds = 0,
): Promise<Latency> {
  const port = freshPort();
  const server = await startReady(world, 'echo-server', ['127.0.0.1', port, pauseMilliseconds > 0 ? 1 : 0]);
  try {
    const to = guest === undefined ? '127.0.0.1' : HOST_FROM_GUEST;
    const client = startEnd(world, 'latency-client', [to, port, seconds, pauseMilliseconds], guest);
    return lastLine<Latency>(await client.output(seconds + 20));
  } finally {
    await server.stop();
  }
}

/** Datagrams received a second while the sender sends what it can. `toGuest`: the guest asks, the host answers. */
export async function datagramsPerSecond(
  world: World,
  seconds: number,
  size: number,
  toGuest: boolean,
  link?: Link,
): Promise<number> {
  const port = freshPort();
  const to = link === undefined ? '127.0.0.1' : HOST_FROM_GUEST;
  const bound = ['127.0.0.1', port, size] as const;
  const guest = [to, port, size] as const;
  // The sender goes on for as long as the receiver counts.
  const [sending, receiving] = [seconds + 1, seconds];
  const server = toGuest
    ? await startReady(world, 'udp-send', [...bound, sending, 1])
    : await startReady(world, 'udp-receive', [...bound, receiving, 0]);
  try {
    const client = toGuest
      ? startEnd(world, 'udp-receive', [...guest, receiving, 1], link?.guest)
      : startEnd(world, 'udp-send', [...guest, sending, 0], link?.guest);
    const receiver = toGuest ? client : server;
    const { count, seconds: took } = lastLine<Counted>(await receiver.output(seconds + 20));
    await client.stop();
    return count / took;
  } finally {
    await server.stop();
  }
}
