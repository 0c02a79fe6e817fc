/** Every netdev that needs only sockets, through the suite of net clients, on the in-memory network. */
import type { InetAddress, SocketAddress } from '../../src/net/host.ts';
import { createDgram, createListener, createSocket, createStream } from '../../src/netdevs/index.ts';
import { netdevCompliance } from '../kit/compliance/netdev.ts';
import { clientPair, datagramPair, serverPair, start, type World } from '../kit/compliance/pairs.ts';
import { createTestHost } from '../kit/host.ts';

const UNIX = { type: 'unix', path: '/run/s' } as const;
const INET = { type: 'inet', host: '127.0.0.1', port: '5555' } as const;
const AT: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 5555 };
const unixAt: SocketAddress = { family: 'unix', path: UNIX.path };

function world(): World {
  const test = createTestHost();
  return { test, far: test.network.local.sockets };
}

netdevCompliance('stream server, unix', () =>
  serverPair(world(), 'stream', (context) => createStream({ addr: UNIX, server: true }, context), unixAt),
);
netdevCompliance('stream client, inet, reconnect', () =>
  clientPair(world(), 'stream', (context) => createStream({ addr: INET, 'reconnect-ms': 10 }, context), AT),
);
netdevCompliance('listener child, unix', () =>
  serverPair(world(), 'listener', (context) => createListener({ addr: UNIX }, context), unixAt),
);
netdevCompliance('socket listen', () =>
  serverPair(world(), 'socket', (context) => createSocket({ listen: '127.0.0.1:5555' }, context), AT),
);
netdevCompliance('socket connect', () =>
  clientPair(world(), 'socket', (context) => createSocket({ connect: '127.0.0.1:5555' }, context), AT),
);

const NEAR: InetAddress = { ...AT, port: 6000 };
const FAR: InetAddress = { ...AT, port: 6001 };
const LOSSY = { maxFrame: 65_507, lossy: true } as const;
const inet = (port: string) => ({ type: 'inet', host: '127.0.0.1', port }) as const;
netdevCompliance(
  'socket udp',
  () =>
    datagramPair(
      world(),
      'socket',
      (c) => createSocket({ udp: '127.0.0.1:6001', localaddr: '127.0.0.1:6000' }, c),
      NEAR,
      FAR,
    ),
  LOSSY,
);
netdevCompliance(
  'dgram inet',
  () => datagramPair(world(), 'dgram', (c) => createDgram({ remote: inet('6001'), local: inet('6000') }, c), NEAR, FAR),
  LOSSY,
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
  LOSSY,
);
