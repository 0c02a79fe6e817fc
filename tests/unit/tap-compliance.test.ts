/** tap through the suite of net clients, on a kernel in memory: with a header, without, and with several queues. */
import { type Endpoint, Network, ProtectedAddresses } from '../../src/net/index.ts';
import { createTap } from '../../src/netdevs/index.ts';
import type { NetdevTapOptions } from '../../src/schema/net.ts';
import { type NetdevPair, netdevCompliance } from '../kit/compliance/netdev.ts';
import { createTestHost } from '../kit/host.ts';
import { type MemoryTap, withKernel } from '../kit/memory/kernel.ts';

const header = (...bytes: number[]): Uint8Array => Uint8Array.from({ length: 10 }, (_, i) => bytes[i] ?? 0);
const FRAME = new Uint8Array(100).fill(2);

function malformed(tap: MemoryTap): Record<string, () => void> {
  if (!tap.hasHeader) return {};
  return {
    'less than a header': () => tap.arriveRaw(new Uint8Array(5)),
    'a header and no frame': () => tap.arriveRaw(new Uint8Array(10)),
    'a checksum beyond the frame': () => tap.arrive(FRAME, header(1, 0, 0, 0, 0, 0, 99, 0, 0, 0)),
    'a checksum at the end of the range': () => tap.arrive(FRAME, header(1, 0, 0, 0, 0, 0, 255, 255, 255, 255)),
    'a checksum inside the Ethernet header': () => tap.arrive(FRAME, header(1, 0, 0, 0, 0, 0, 2, 0, 2, 0)),
    'segments of no size': () => tap.arrive(FRAME, header(1, 1, 54, 0, 0, 0, 34, 0, 16, 0)),
    'segments without a checksum to fill in': () => tap.arrive(FRAME, header(0, 1, 54, 0, 10, 0, 34, 0, 16, 0)),
    'segments of an unknown kind': () => tap.arrive(FRAME, header(1, 77, 54, 0, 10, 0, 34, 0, 16, 0)),
    'segments of a packet that is no IP': () => tap.arrive(FRAME, header(1, 1, 54, 0, 10, 0, 34, 0, 16, 0)),
  };
}

async function pair(options: NetdevTapOptions): Promise<NetdevPair> {
  const test = createTestHost();
  const { kernel, host } = withKernel(test);
  const network = new Network({ host: test.host, switch: false });
  const endpoint: Endpoint = network.open('n0', 'tap', { isNetdev: true });
  const client = await createTap(
    { script: 'no', downscript: 'no', ...options },
    {
      id: 'n0',
      port: endpoint,
      host,
      log: host.log,
      trace: () => {},
      signal: new AbortController().signal,
      emit: () => {},
      protectedAddresses: new ProtectedAddresses(),
      openChild: () => {
        throw new RangeError('no children here');
      },
      takeDescriptor: () => {
        throw new RangeError('no descriptors in this test');
      },
      joinHub: () => {
        throw new RangeError('no hub here');
      },
    },
  );
  endpoint.attach(client);
  const { taps } = kernel;
  // The suite compares the order of what arrived: the order in which frames were written to any queue.
  const received: Uint8Array[] = [];
  for (const tap of taps) {
    const push = tap.written.push.bind(tap.written);
    tap.written.push = (...written) => {
      for (const bytes of written) received.push(bytes.subarray(tap.hasHeader ? 10 : 0));
      return push(...written);
    };
  }
  const first = taps[0] as MemoryTap;
  return {
    test,
    network,
    endpoint,
    received,
    sendFromFar: (bytes) => first.arrive(bytes),
    stall: () => {
      for (const tap of taps) tap.isFull = true;
    },
    unstall: () => {
      for (const tap of taps) tap.drain();
    },
    vanish: () => {
      for (const tap of taps) tap.vanish();
    },
    malformed: malformed(first),
    close: () => {},
  };
}

netdevCompliance('tap', () => pair({}));
netdevCompliance('tap, vnet_hdr=off', () => pair({ vnet_hdr: false }));
netdevCompliance('tap, queues=4', () => pair({ queues: 4 }));
