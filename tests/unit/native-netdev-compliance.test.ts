/** The netdevs that need only sockets, on this machine's kernel through the addon; the far side is on node:net. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { InetAddress, SocketAddress } from '../../src/net/host.ts';
import { createDgram, createListener, createSocket, createStream } from '../../src/netdevs/index.ts';
import { createNodeHost, type NodeHost } from '../../src/node/index.ts';
import { type NetdevPair, netdevCompliance } from '../kit/compliance/netdev.ts';
import { clientPair, datagramPair, serverPair, type World } from '../kit/compliance/pairs.ts';
import { realTime } from '../kit/compliance/real-time.ts';
import { describeNative } from '../kit/native.ts';

/** Below the ephemeral ports, of this process alone. */
const PORT = 20_000 + (process.pid % 10_000);
const AT: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: PORT };
const INET = { type: 'inet', host: AT.host, port: String(PORT) } as const;
const LOSSY = { maxFrame: 65_507, lossy: true } as const;

let near: NodeHost;
let onNode: NodeHost;
/** Of its own: node:dgram has no unix sockets. */
let native: NodeHost;
let folder: string;

/** A pair whose progress is what its far side and its endpoint have seen. */
async function pairOf(make: (world: World) => Promise<NetdevPair>, far = onNode): Promise<NetdevPair> {
  let pair: NetdevPair | undefined;
  const progress = (): number =>
    pair === undefined ? 0 : pair.received.length + pair.endpoint.counters.sentFrames + far.openSockets;
  pair = await make({ test: realTime(near, progress), far: far.sockets });
  return pair;
}

describeNative('on native sockets', () => {
  beforeAll(() => {
    near = createNodeHost({ native: true });
    onNode = createNodeHost({ native: false });
    native = createNodeHost({ native: true });
    folder = mkdtempSync(join(tmpdir(), 'ny-compliance-'));
  });
  afterAll(async () => {
    await Promise.all([near.close(), onNode.close(), native.close()]);
    rmSync(folder, { recursive: true });
  });
  const unix = (name: string) => ({ type: 'unix', path: join(folder, name) }) as const;
  const unixAt = (name: string): SocketAddress => ({ family: 'unix', path: join(folder, name) });

  netdevCompliance('stream server, unix', () =>
    pairOf((world) =>
      serverPair(world, 'stream', (context) => createStream({ addr: unix('s'), server: true }, context), unixAt('s')),
    ),
  );
  netdevCompliance('stream client, unix', () =>
    pairOf((world) =>
      clientPair(world, 'stream', (context) => createStream({ addr: unix('c') }, context), unixAt('c')),
    ),
  );
  netdevCompliance('stream client, inet, reconnect', () =>
    pairOf((world) =>
      clientPair(world, 'stream', (context) => createStream({ addr: INET, 'reconnect-ms': 10 }, context), AT),
    ),
  );
  netdevCompliance('listener child, unix', () =>
    pairOf((world) =>
      serverPair(world, 'listener', (context) => createListener({ addr: unix('l') }, context), unixAt('l')),
    ),
  );
  netdevCompliance('socket listen', () =>
    pairOf((world) =>
      serverPair(world, 'socket', (context) => createSocket({ listen: `127.0.0.1:${PORT}` }, context), AT),
    ),
  );
  netdevCompliance(
    'dgram inet',
    () =>
      pairOf((world) => {
        const remote = { ...INET, port: String(PORT + 1) };
        return datagramPair(world, 'dgram', (c) => createDgram({ remote, local: INET }, c), AT, {
          ...AT,
          port: PORT + 1,
        });
      }),
    LOSSY,
  );
  netdevCompliance(
    'dgram unix',
    () =>
      pairOf(
        (world) =>
          datagramPair(
            world,
            'dgram',
            (c) => createDgram({ local: unix('near'), remote: unix('far') }, c),
            unixAt('near'),
            unixAt('far'),
          ),
        native,
      ),
    { lossy: true },
  );
});
