/** One run of iperf3 between a guest and a host. */
import type { Namespace, Running, World } from './world.ts';

export interface IperfOptions {
  readonly client?: Namespace | undefined;
  readonly server?: Namespace | undefined;
  readonly bind: string;
  readonly to: string;
  readonly seconds: number;
  /** The server sends. */
  readonly reverse: boolean;
  readonly streams: number;
  /** Of which CPU time is counted. */
  readonly process?: Running | undefined;
}

export interface IperfResult {
  readonly gigabits: number;
  /** CPU seconds of `process` per gigabyte received; NaN without. */
  readonly cpuPerGigabyte: number;
}

/** Below where Linux picks ports for those who name none: one of these is free, or somebody listens there. */
const FIRST_PORT = 10_000;
const PORTS = 20_000;
let nextPort = process.pid % PORTS;

export function freshPort(): number {
  return FIRST_PORT + (nextPort++ % PORTS);
}

/** @throws Error if either end fails or takes five seconds too long. */
export async function iperf(world: World, options: IperfOptions): Promise<IperfResult> {
  const port = String(freshPort());
  const { seconds, reverse, streams } = options;
  const listening = ['iperf3', '-s', '-1', '--forceflush', '-B', options.bind, '-p', port];
  const server = await world.start(listening, options.server).says('listening');
  const words = ['iperf3', '-c', options.to, '-p', port, '-t', String(seconds), '-P', String(streams), '-J'];
  const before = options.process?.cpuSeconds() ?? Number.NaN;
  const client = world.start([...words, '--connect-timeout', '3000', ...(reverse ? ['-R'] : [])], options.client);
  try {
    const result = JSON.parse(await client.output(seconds + 8)) as IperfJson;
    const after = options.process?.cpuSeconds() ?? Number.NaN;
    const received = result.end.sum_received;
    return {
      gigabits: received.bits_per_second / 1e9,
      cpuPerGigabyte: (after - before) / (received.bytes / 1e9),
    };
  } finally {
    await server.stop();
  }
}

interface IperfJson {
  readonly end: { readonly sum_received: { readonly bits_per_second: number; readonly bytes: number } };
}
