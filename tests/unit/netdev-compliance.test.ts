/** Every netdev that needs only sockets, through the suite of net clients, on the in-memory network. */
import type { NetClient, NetdevContext } from '../../src/net/client.ts';
import type { InetAddress, SocketAddress, StreamSocket } from '../../src/net/host.ts';
import { type Endpoint, Network } from '../../src/net/index.ts';
import { createDgram, createListener, createSocket, createStream } from '../../src/netdevs/index.ts';
import { type NetdevPair, netdevCompliance } from '../kit/compliance/netdev.ts';
import { createDatagramPeer } from '../kit/datagram-peer.ts';
import { FarStream } from '../kit/far-stream.ts';
import { createTestHost, type TestHost } from '../kit/host.ts';

const UNIX = { type: 'unix', path: '/run/s' } as const;
const INET = { type: 'inet', host: '127.0.0.1', port: '5555' } as const;
const AT: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 5555 };

interface Started {
  readonly test: TestHost;
  readonly network: Network;
  readonly endpoint: Endpoint;
  /** The first child of a listener. */
  readonly children: Endpoint[];
  readonly owner: NetClient;
}

/** Starts a driver as the yard does. */
async function start(
  test: TestHost,
  driver: string,
  create: (context: NetdevContext) => Promise<NetClient>,
): Promise<Started> {
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

async function serverPair(driver: string, create: (context: NetdevContext) => Promise<NetClient>, at: SocketAddress) {
  const test = createTestHost();
  const started = await start(test, driver, create);
  const far = new FarStream(test.network.local.sockets.connect(at));
  await test.settle();
  return streamPair(started, far, started.children[0] ?? started.endpoint, async () => {});
}

async function clientPair(driver: string, create: (context: NetdevContext) => Promise<NetClient>, at: SocketAddress) {
  const test = createTestHost();
  const listener = await test.network.local.sockets.listen(at);
  let accepted: StreamSocket | undefined;
  listener.onConnection = (socket) => {
    accepted = socket;
  };
  const started = await start(test, driver, create);
  await test.settle();
  return streamPair(started, new FarStream(accepted as StreamSocket), started.endpoint, () => listener.close());
}

const unixAt: SocketAddress = { family: 'unix', path: UNIX.path };

netdevCompliance('stream server, unix', () =>
  serverPair('stream', (context) => createStream({ addr: UNIX, server: true }, context), unixAt),
);
netdevCompliance('stream client, inet, reconnect', () =>
  clientPair('stream', (context) => createStream({ addr: INET, 'reconnect-ms': 10 }, context), AT),
);
netdevCompliance('listener child, unix', () =>
  serverPair('listener', (context) => createListener({ addr: UNIX }, context), unixAt),
);
netdevCompliance('socket listen', () =>
  serverPair('socket', (context) => createSocket({ listen: '127.0.0.1:5555' }, context), AT),
);
netdevCompliance('socket connect', () =>
  clientPair('socket', (context) => createSocket({ connect: '127.0.0.1:5555' }, context), AT),
);

async function datagramPair(driver: string, create: (context: NetdevContext) => Promise<NetClient>) {
  const test = createTestHost();
  const peer = await createDatagramPeer(test, { ...AT, port: 6001 });
  const started = await start(test, driver, create);
  const received: Uint8Array[] = [];
  const send = (bytes: Uint8Array) => peer.send({ ...AT, port: 6000 }, bytes);
  const pair: NetdevPair = {
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
  return pair;
}

const inet = (port: string) => ({ type: 'inet', host: '127.0.0.1', port }) as const;
netdevCompliance(
  'socket udp',
  () => datagramPair('socket', (c) => createSocket({ udp: '127.0.0.1:6001', localaddr: '127.0.0.1:6000' }, c)),
  { maxFrame: 65_507, lossy: true },
);
netdevCompliance(
  'dgram inet',
  () => datagramPair('dgram', (c) => createDgram({ remote: inet('6001'), local: inet('6000') }, c)),
  { maxFrame: 65_507, lossy: true },
);

/** Two members of a group; the far one is a netdev too, whose port the suite reads and writes. */
netdevCompliance(
  'dgram multicast',
  async () => {
    const test = createTestHost();
    const options = { remote: { type: 'inet', host: '230.0.0.1', port: '7000' } } as const;
    const near = await start(test, 'dgram', (c) => createDgram(options, c));
    const far = await start(test, 'dgram', (c) => createDgram(options, c));
    const { openProbe, plainFrame } = await import('../kit/probe.ts');
    const probe = openProbe(far.network, 'far', 'nic');
    far.network.wire(probe.endpoint, far.endpoint);
    return {
      test,
      network: near.network,
      endpoint: near.endpoint,
      received: probe.frames,
      sendFromFar: (bytes) => {
        probe.endpoint.send(plainFrame(bytes));
      },
      close: async () => {
        far.network.close();
        await far.owner.close();
        await near.owner.close();
      },
    };
  },
  { maxFrame: 65_507, lossy: true },
);
