/** tap on this machine's kernel through the suite of net clients; the far side is a packet socket on the interface. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe } from 'vitest';
import { type Descriptor, Network } from '../../src/net/index.ts';
import { createTap } from '../../src/netdevs/index.ts';
import { indexOf } from '../../src/netdevs/tap/index.ts';
import { createNodeHost, type NodeHost } from '../../src/node/index.ts';
import type { NetdevTapOptions } from '../../src/schema/net.ts';
import { type NetdevPair, netdevCompliance } from '../kit/compliance/netdev.ts';
import { realTime } from '../kit/compliance/real-time.ts';
import { ip, isRoot, uniqueName } from '../kit/namespace.ts';
import { describeNative } from '../kit/native.ts';
import { addon } from '../kit/native-host.ts';
import { createRecordingContext } from '../kit/netdev-context.ts';
import { describePeer } from '../kit/peers.ts';

const AF_PACKET = 17;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
/** ETH_P_ALL in network byte order. */
const ALL_PROTOCOLS = 0x0300;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
/** The largest that a tap allows. */
const MTU = 65_521;

let host: NodeHost;

/** Every frame that crosses the interface towards the host, and a way to send towards the netdev. */
function packetSocket(index: number): Descriptor {
  const { calls } = addon();
  const number = calls.socket(AF_PACKET, SOCK_RAW_CLOEXEC, 0);
  const socket = host.kernel.adopt(number);
  calls.setsockoptInt(number, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
  const address = new Uint8Array(20);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, ALL_PROTOCOLS, true);
  view.setInt32(4, index, true);
  if (calls.bind(number, address, 0, address.length) < 0) throw new RangeError('bind of a packet socket');
  return socket;
}

async function pair(options: NetdevTapOptions): Promise<NetdevPair> {
  const name = uniqueName('nc');
  const network = new Network({ host, switch: false });
  const endpoint = network.open('n0', 'tap', { isNetdev: true });
  const context = { ...createRecordingContext(host, 'n0'), port: endpoint };
  endpoint.attach(await createTap({ script: 'no', downscript: 'no', ifname: name, ...options }, context as never));
  writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '1');
  ip('link', 'set', name, 'mtu', String(MTU), 'up');
  const far = packetSocket(indexOf(host.kernel, name) as number);
  const received: Uint8Array[] = [];
  const buffer = new Uint8Array(70_000);
  far.onEvent = () => {
    for (let got = far.read(buffer, 0, buffer.length); got > 0; got = far.read(buffer, 0, buffer.length)) {
      received.push(buffer.slice(0, got));
    }
  };
  far.interest(true, false);
  return {
    test: realTime(host, () => received.length + endpoint.counters.sentFrames),
    network,
    endpoint,
    received,
    sendFromFar: (bytes) => void far.write(bytes, 0, bytes.length),
    vanish: () => void ip('link', 'del', name),
    close: () => far.close(),
  };
}

describeNative('tap on this kernel', () => {
  describe.skipIf(!isRoot)('as root', () => {
    describePeer('compliance', ['ip'], () => {
      beforeAll(() => {
        host = createNodeHost({ native: true });
      });
      afterAll(() => host.close());

      netdevCompliance('tap', () => pair({}), { lossy: true });
      netdevCompliance('tap, vnet_hdr=off', () => pair({ vnet_hdr: false }), { lossy: true });
    });
  });
});
