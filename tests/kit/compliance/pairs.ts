/** Pairs for the suite of net clients: a netdev that needs only sockets, and a program at its far side. */
import type { NetClient, NetdevContext } from '../../../src/net/client.ts';
import type { SocketAddress, Sockets, StreamSocket } from '../../../src/net/host.ts';
import { type Endpoint, Network, ProtectedAddresses } from '../../../src/net/index.ts';
import { createDatagramPeer } from '../datagram-peer.ts';
import { FarStream } from '../far-stream.ts';
import type { TestHost } from '../host.ts';
import type { NetdevPair } from './netdev.ts';

/** Where a pair lives: the machine under test, and the sockets of the far side. */
export interface World {
  readonly test: TestHost;
  readonly far: Sockets;
}

export type Create = (context: NetdevContext) => Promise<NetClient>;

export interface Started {
  readonly test: TestHost;
  readonly network: Network;
  readonly endpoint: Endpoint;
  /** The first child of a listener. */
  readonly children: Endpoint[];
  readonly owner: NetClient;
}

/** Starts a driver as the yard does. */
export async function start(test: TestHost, driver: string, create: Create): Promise<Started> {
  const network = new Network({ host: test.host, switch: false });
  const endpoint = network.open('n0', driver, { isNetdev: true });
  const children: Endpoint[] = [];
  const starting = create({
    id: 'n0',
    port: endpoint,
    host: test.host,
    log: test.host.log,
    trace: () => {},
    signal: new AbortController().signal,
    emit: () => {},
    protectedAddresses: new ProtectedAddresses(),
    openChild: (name, make) => {
      const child = network.open(name, 'stream', { isNetdev: true });
      child.attach(make(child));
      children.push(child);
      return { port: child, remove: () => network.remove(child) };
    },
    takeDescriptor: () => {
      throw new RangeError('no descriptors in this test');
    },
    joinHub: () => {
      throw new RangeError('no hub here');
    },
  });
  await test.settle();
  const owner = await starting;
  endpoint.attach(owner);
  return { test, network, endpoint, children, owner };
}

function streamPair(started: Started, far: FarStream, endpoint: Endpoint, close: () => Promise<void>): NetdevPair {
  const { test, network } = started;
  return {
    test,
    network,
    endpoint,
    received: far.received,
    sendFromFar: (bytes) => far.send(bytes),
    stall: () => far.stall(),
    unstall: () => far.unstall(),
    vanish: () => far.vanish(),
    malformed: {
      'zero length': () => far.raw(0, 0, 0, 0),
      'two bytes': () => far.raw(0, 0, 0, 2, 1, 2),
      'thirteen bytes': () => far.raw(0, 0, 0, 13, ...new Array(13).fill(0xff)),
    },
    fatal: {
      'one more than fits': () => far.raw(0, 1, 0x10, 1),
      'all ones': () => far.raw(255, 255, 255, 255),
      'half a header, then the end': () => {
        far.raw(0, 0);
        far.socket.close();
      },
    },
    close: async () => {
      far.socket.close();
      await close();
      await started.owner.close();
    },
  };
}

/** The netdev listens, at `at`. */
export async function serverPair(world: World, driver: string, create: Create, at: SocketAddress): Promise<NetdevPair> {
  const { test } = world;
  const started = await start(test, driver, create);
  const far = new FarStream(world.far.connect(at));
  await test.settle();
  return streamPair(started, far, started.children[0] ?? started.endpoint, async () => {});
}

/** The netdev connects to `at`. */
export async function clientPair(world: World, driver: string, create: Create, at: SocketAddress): Promise<NetdevPair> {
  const { test } = world;
  const listener = await world.far.listen(at);
  let accepted: StreamSocket | undefined;
  listener.onConnection = (socket) => {
    accepted = socket;
  };
  const started = await start(test, driver, create);
  await test.settle();
  return streamPair(started, new FarStream(accepted as StreamSocket), started.endpoint, () => listener.close());
}

/** The netdev is at `near`, its peer at `at`. */
export async function datagramPair(
  world: World,
  driver: string,
  create: Create,
  near: SocketAddress,
  at: SocketAddress,
): Promise<NetdevPair> {
  const { test } = world;
  const peer = await createDatagramPeer(test, at, world.far);
  const started = await start(test, driver, create);
  const received: Uint8Array[] = [];
  const send = (bytes: Uint8Array) => peer.send(near, bytes);
  return {
    test,
    network: started.network,
    endpoint: started.endpoint,
    get received() {
      received.push(...peer.received());
      return received;
    },
    sendFromFar: send,
    malformed: {
      'empty datagram': () => send(new Uint8Array(0)),
      'thirteen bytes': () => send(new Uint8Array(13)),
    },
    close: async () => {
      await peer.close();
      await started.owner.close();
    },
  };
}
