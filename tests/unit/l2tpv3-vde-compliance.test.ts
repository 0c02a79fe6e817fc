/** l2tpv3 and vde through the suite of net clients, on the in-memory network. */
import type { NetClient, NetdevContext } from '../../src/net/client.ts';
import type { Host, InetAddress } from '../../src/net/host.ts';
import { type Endpoint, Network, ProtectedAddresses } from '../../src/net/index.ts';
import { createL2tpv3, createVde } from '../../src/netdevs/index.ts';
import { type NetdevPair, netdevCompliance } from '../kit/compliance/netdev.ts';
import { createDatagramPeer } from '../kit/datagram-peer.ts';
import { createTestHost, type TestHost } from '../kit/host.ts';
import type { MemoryDatagram } from '../kit/memory/datagram.ts';
import { MemoryVdeSwitch, withUnixDatagrams } from '../kit/vde-switch.ts';

const US: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 6000 };
const THEM: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 6001 };
/** With cookies of 8 bytes, a counter and 2 bytes of offset. */
const HEADER = 4 + 4 + 8 + 4 + 2;
const COOKIES = { cookie64: true, txcookie: 1, rxcookie: 0x0102030405060708n };

async function start(
  test: TestHost,
  host: Host,
  driver: string,
  create: (context: NetdevContext) => Promise<NetClient>,
): Promise<{ network: Network; endpoint: Endpoint; owner: NetClient }> {
  const network = new Network({ host, switch: false });
  const endpoint = network.open('n0', driver, { isNetdev: true });
  const unused = (): never => {
    throw new RangeError('not in this test');
  };
  const starting = create({
    id: 'n0',
    port: endpoint,
    host,
    log: host.log,
    trace: () => {},
    signal: new AbortController().signal,
    emit: () => {},
    protectedAddresses: new ProtectedAddresses(),
    openChild: unused,
    takeDescriptor: unused,
    joinHub: unused,
  });
  await test.settle();
  const owner = await starting;
  endpoint.attach(owner);
  return { network, endpoint, owner };
}

/** A full kernel buffer, and an empty one again. */
function stalling(socket: MemoryDatagram): Pick<NetdevPair, 'stall' | 'unstall'> {
  return {
    stall: () => {
      socket.sendRoom = 0;
    },
    unstall: () => {
      socket.sendRoom = Number.MAX_SAFE_INTEGER;
      socket.interest(true, true);
    },
  };
}

async function l2tpv3Pair(): Promise<NetdevPair> {
  const test = createTestHost();
  const peer = await createDatagramPeer(test, THEM);
  const { network, endpoint, owner } = await start(test, test.host, 'l2tpv3', (context) =>
    createL2tpv3(
      {
        src: US.host,
        dst: THEM.host,
        srcport: '6000',
        dstport: '6001',
        udp: true,
        txsession: 1,
        counter: true,
        offset: 2,
        ...COOKIES,
      },
      context,
    ),
  );
  const received: Uint8Array[] = [];
  const header = Uint8Array.of(0, 3, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 0, 0);
  const [socket] = [...test.network.local.datagrams].filter((s) => s.localAddress.port === US.port);
  const wrong = (at: number) => () => {
    const bytes = Uint8Array.of(...header, ...new Uint8Array(60));
    bytes[at] = 0xff;
    peer.send(US, bytes);
  };
  return {
    test,
    network,
    endpoint,
    get received() {
      received.push(...peer.received().map((bytes) => bytes.subarray(HEADER)));
      return received;
    },
    sendFromFar: (bytes) => peer.send(US, Uint8Array.from([...header, ...bytes])),
    ...stalling(socket as MemoryDatagram),
    vanish: () => peer.close(),
    malformed: {
      'empty datagram': () => peer.send(US, new Uint8Array(0)),
      'half a header': () => peer.send(US, header.slice(0, 11)),
      'a header alone': () => peer.send(US, header),
      'another session': wrong(7),
      'another cookie': wrong(15),
      'a frame of thirteen bytes': () => peer.send(US, Uint8Array.of(...header, ...new Uint8Array(13))),
    },
    close: async () => {
      await peer.close();
      await owner.close();
    },
  };
}

async function vdePair(): Promise<NetdevPair> {
  const test = createTestHost();
  const { host, unix } = withUnixDatagrams(test);
  const far = await new MemoryVdeSwitch(test, unix).listen('/switch');
  const { network, endpoint, owner } = await start(test, host, 'vde', (context) =>
    createVde({ sock: '/switch' }, context),
  );
  return {
    test,
    network,
    endpoint,
    received: far.received,
    sendFromFar: (bytes) => far.send(bytes),
    ...stalling(unix.made[0] as MemoryDatagram),
    vanish: () => far.close(),
    malformed: {
      'empty datagram': () => far.send(new Uint8Array(0)),
      'thirteen bytes': () => far.send(new Uint8Array(13)),
      'words on the control connection': () => void far.controls[0]?.write(new Uint8Array(500), 0, 500),
    },
    fatal: { 'the end of the control connection': () => far.controls[0]?.close() },
    close: async () => {
      await owner.close();
      await far.close();
    },
  };
}

netdevCompliance('l2tpv3 over UDP', l2tpv3Pair, { maxFrame: 65_507 - HEADER });
netdevCompliance('vde', vdePair, { maxFrame: 1518 });
