/**
 * A Host in virtual time with an in-memory network. Nothing happens by itself: `advance` and `runUntilIdle` drive it.
 *
 * @example
 * const test = createTestHost({ seed: 1 });
 * const server = test.network.addHost('203.0.113.7', { latencyMs: 10 });
 * const listener = await server.sockets.listen({ family: 'ipv4', host: '203.0.113.7', port: 80 });
 * const stream = test.host.sockets.connect({ family: 'ipv4', host: '203.0.113.7', port: 80 });
 * test.advance(20); // 'connected' was reported
 * expect(test.leaks()).toEqual([]);
 */
import type { Clock, Files, Host, HostError, InetAddress, Log, ResolvedAddress, Resolver } from '../../src/net/host.ts';
import { HostError as HostErrorClass } from '../../src/net/host.ts';
import { hostError } from './memory/errors.ts';
import { MemoryListener } from './memory/listener.ts';
import { MemoryNetwork } from './memory/network.ts';
import { MemorySockets } from './memory/sockets.ts';
import { MemoryStream } from './memory/stream.ts';
import { Prng } from './prng.ts';
import { VirtualLoop } from './virtual-loop.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Record<string, unknown> | undefined;
}

/** A resolver whose answers are set by the test. Unknown names are EAI_NONAME; numeric ones are themselves. */
export interface TestResolver extends Resolver {
  setServers(servers: readonly InetAddress[]): void;
  setName(name: string, answer: readonly ResolvedAddress[] | HostError): void;
}

export interface TestHost {
  readonly host: Host;
  readonly clock: Clock;
  readonly loop: VirtualLoop;
  readonly network: MemoryNetwork;
  readonly resolver: TestResolver;
  /** Contents by path. */
  readonly files: Map<string, Uint8Array>;
  readonly logs: LogLine[];
  /** Moves virtual time on, running all that is due on the way. */
  advance(ms: number): void;
  /** Runs all that is due now. */
  runUntilIdle(): void;
  /** Like advance, but lets promises settle before and after every moment at which something happens. */
  elapse(ms: number): Promise<void>;
  /** Lets promises settle and runs what is due, until neither changes anything. */
  settle(): Promise<void>;
  /** What the host under test still holds: timers, tasks, sockets. Empty after a clean close. */
  leaks(): string[];
}

export function createTestHost(options: { seed?: number } = {}): TestHost {
  const loop = new VirtualLoop();
  const seed = options.seed ?? 1;
  const network = new MemoryNetwork(loop, new Prng(seed));
  const random = new Prng(seed ^ 0x5bd1e995);
  const sockets = new MemorySockets(network, network.local);
  const logs: LogLine[] = [];
  const files = new Map<string, Uint8Array>();
  const resolver = createResolver();
  const host: Host = {
    clock: loop,
    timers: loop,
    loop,
    random: { fill: (bytes) => random.fill(bytes), u32: () => random.u32() },
    sockets,
    resolver,
    files: createFiles(files),
    log: createLog(logs),
    get kernel(): never {
      throw hostError('ENOTSUP');
    },
  };
  const settle = async () => {
    for (let quiet = 0; quiet < 2; ) {
      await new Promise((resolve) => setImmediate(resolve));
      const before = loop.turns;
      loop.runUntilIdle();
      quiet = loop.turns === before ? quiet + 1 : 0;
    }
  };
  return {
    host,
    clock: loop,
    loop,
    network,
    resolver,
    files,
    logs,
    advance: (ms) => loop.advance(ms),
    runUntilIdle: () => loop.runUntilIdle(),
    settle,
    elapse: async (ms) => {
      const target = loop.now() + ms;
      await settle();
      for (let next = loop.nextDue(); next !== undefined && next <= target; next = loop.nextDue()) {
        loop.jump(next);
        await settle();
      }
      loop.jump(target);
    },
    leaks: () => [...loop.pending(), ...[...sockets.open].map(describe)],
  };
}

function describe(socket: MemoryStream | MemoryListener | object): string {
  if (socket instanceof MemoryListener) return `listener at ${JSON.stringify(socket.address)}`;
  if (socket instanceof MemoryStream) return `stream to ${JSON.stringify(socket.remoteAddress)}`;
  return 'datagram socket';
}

function createLog(lines: LogLine[]): Log {
  const at = (level: LogLine['level']) => (message: string, fields?: Record<string, unknown>) => {
    lines.push({ level, message, fields });
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function createFiles(files: Map<string, Uint8Array>): Files {
  return {
    read: async (path, limit) => {
      const bytes = files.get(path);
      if (bytes === undefined) throw hostError('ENOENT');
      if (bytes.length > limit) throw hostError('EFBIG');
      return bytes.slice();
    },
    write: async (path, bytes) => {
      files.set(path, bytes.slice());
    },
  };
}

function createResolver(): TestResolver {
  let servers: readonly InetAddress[] = [];
  const names = new Map<string, readonly ResolvedAddress[] | HostError>();
  return {
    servers: () => servers,
    setServers: (list) => {
      servers = list;
    },
    setName: (name, answer) => {
      names.set(name, answer);
    },
    lookup: async (name, { family, signal }) => {
      signal?.throwIfAborted();
      const answer = names.get(name) ?? builtIn(name);
      if (answer instanceof HostErrorClass) throw answer;
      const found = answer?.filter((address) => family === undefined || address.family === family) ?? [];
      if (found.length === 0) throw hostError('EAI_NONAME');
      return found;
    },
  };
}

function builtIn(name: string): readonly ResolvedAddress[] | undefined {
  if (name === 'localhost') {
    return [
      { family: 'ipv6', host: '::1' },
      { family: 'ipv4', host: '127.0.0.1' },
    ];
  }
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) return [{ family: 'ipv4', host: name }];
  if (name.includes(':')) return [{ family: 'ipv6', host: name }];
  return undefined;
}
