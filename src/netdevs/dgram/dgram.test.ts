import { beforeEach, describe, expect, it } from 'vitest';
import { createDatagramPeer } from '../../../tests/kit/datagram-peer.ts';
import { createTestHost, type TestHost } from '../../../tests/kit/host.ts';
import {
  createRecordingContext,
  digests,
  give,
  type RecordingContext,
  testFrame,
} from '../../../tests/kit/netdev-context.ts';
import { BUSY, type NetClient } from '../../net/client.ts';
import type { InetAddress } from '../../net/host.ts';
import type { NetdevDgramOptions as DgramOptions } from '../../schema/net.ts';
import { createDgram } from './index.ts';

let test: TestHost;
let context: RecordingContext;

beforeEach(() => {
  test = createTestHost();
  context = createRecordingContext(test.host);
});

async function end(client: NetClient): Promise<void> {
  await client.close();
  await test.settle();
  expect(test.leaks()).toEqual([]);
}

const inet = (host: string, port: string) => ({ type: 'inet', host, port }) as const;
const MCAST = inet('230.0.0.1', '5555');
const PEER = inet('127.0.0.1', '5556');
const LOCAL = inet('127.0.0.1', '5557');
const UNIX = { type: 'unix', path: '/tmp/d' } as const;
const FD = { type: 'fd', str: '5' } as const;
const VSOCK = { type: 'vsock', cid: '2', port: '1' } as const;
/** What the in-memory host says to what it does not have. */
const NATIVE = 'Operation not supported';

describe('the table of parameters', () => {
  it.each([
    [{ remote: MCAST }, 'mcast=230.0.0.1:5555'],
    [{ remote: MCAST, local: inet('127.1', 'ignored') }, 'mcast=230.0.0.1:5555'],
    [{ remote: PEER, local: LOCAL }, 'udp=127.0.0.1:5557/127.0.0.1:5556'],
    [{ remote: inet('', '0x10'), local: inet('', '010') }, 'udp=0.0.0.0:8/0.0.0.0:16'],
  ] as [DgramOptions, string][])('%j works: %s', async (options, info) => {
    const client = await createDgram(options, context);
    expect(client.info()).toBe(info);
    await end(client);
  });

  it.each([
    [{ remote: MCAST, local: inet('foo', '1') }, "localaddr 'foo' is not a valid IPv4 address"],
    [{ remote: MCAST, local: FD }, NATIVE],
    [{ remote: MCAST, local: UNIX }, 'only support inet or fd type for local'],
    [{ remote: MCAST, local: VSOCK }, 'only support inet or fd type for local'],
    [{}, 'dgram requires local= parameter'],
    [{ remote: PEER }, 'dgram requires local= parameter'],
    [{ remote: UNIX }, 'dgram requires local= parameter'],
    [{ remote: FD }, 'dgram requires local= parameter'],
    [{ remote: PEER, local: FD }, "don't set remote with local.fd"],
    [{ remote: PEER, local: UNIX }, 'remote and local types must be the same'],
    [{ remote: UNIX, local: LOCAL }, 'remote and local types must be the same'],
    [{ local: LOCAL }, 'type=inet or type=unix requires remote parameter'],
    [{ local: UNIX }, 'type=inet or type=unix requires remote parameter'],
    [{ remote: UNIX, local: UNIX }, NATIVE],
    [{ local: FD }, NATIVE],
    [{ remote: VSOCK, local: VSOCK }, 'only support inet or fd type for local'],
    [{ remote: inet('::1', '1') }, "can't resolve host address '::1'"],
    [{ remote: inet('300.0.0.1', '1'), local: FD }, "host address '300.0.0.1' is not a valid IPv4 address"],
    [{ remote: inet('127.0.0.1', 'abc') }, "port number 'abc' is invalid"],
    [
      { remote: PEER, local: inet('192.0.2.1', '1') },
      "can't bind ip=192.0.2.1 to socket: Cannot assign requested address",
    ],
  ] as [DgramOptions, string][])('%j: %s', async (options, text) => {
    await expect(createDgram(options, context)).rejects.toThrow(text);
    expect(test.leaks()).toEqual([]);
  });
});

describe('data', () => {
  const us: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 5557 };

  async function start() {
    const peer = await createDatagramPeer(test, { family: 'ipv4', host: '127.0.0.1', port: 5556 });
    const client = await createDgram({ remote: PEER, local: LOCAL }, context);
    return { peer, client };
  }

  it('an empty datagram is counted, and what follows arrives', async () => {
    const { peer, client } = await start();
    peer.send(us, new Uint8Array(0), testFrame(60));
    await test.settle();
    expect(context.port.frames).toEqual([testFrame(60)]);
    expect(context.port.counters.dropped).toEqual({ 'empty-datagram': 1 });
    await end(client);
  });

  it('BUSY stops in the middle of a batch; nothing is lost, nothing comes twice', async () => {
    const { peer, client } = await start();
    const sent = Array.from({ length: 200 }, (_, i) => testFrame(1514, i));
    peer.send(us, ...sent);
    context.port.answer = BUSY;
    await test.settle();
    for (let count = 1; count <= sent.length; count++) {
      expect(context.port.frames.length).toBe(count);
      context.port.onReady();
      await test.settle();
    }
    expect(digests(context.port.frames)).toEqual(digests(sent));
    await end(client);
  });

  it('refuses frames when the socket takes no more, and goes on in order', async () => {
    const { peer, client } = await start();
    const [socket] = [...test.network.local.datagrams].filter((s) => s.localAddress.port === 5557);
    socket!.sendRoom = 10;
    const sent: Uint8Array[] = [];
    for (;;) {
      const frame = testFrame(1000, sent.length);
      if (!give(client, frame)) break;
      sent.push(frame);
    }
    expect(sent.length).toBe(74);
    await test.settle();
    expect(context.port.readyCalls).toBe(0);
    socket!.sendRoom = 40;
    client.linkChanged(true);
    socket!.interest(true, true);
    await test.settle();
    expect(context.port.readyCalls).toBe(0);
    socket!.sendRoom = 1000;
    socket!.interest(true, true);
    await test.settle();
    expect(context.port.readyCalls).toBe(1);
    expect(digests(peer.received())).toEqual(digests(sent));
    await end(client);
  });

  it('a frame no datagram can carry is dropped and counted', async () => {
    const { peer, client } = await start();
    expect(give(client, testFrame(65_508))).toBe(true);
    expect(give(client, testFrame(65_507))).toBe(true);
    await test.settle();
    expect(peer.received().map((d) => d.length)).toEqual([65_507]);
    expect(context.port.counters.dropped).toEqual({ 'too-long': 1 });
    await end(client);
  });

  it('send errors are counted, and later frames arrive', async () => {
    const { peer, client } = await start();
    test.network.fail({ on: 'send', code: 'ENETUNREACH', count: 1 });
    give(client, testFrame(60, 1));
    await test.settle();
    give(client, testFrame(60, 2));
    await test.settle();
    expect(peer.received()).toEqual([testFrame(60, 2)]);
    expect(context.port.counters.dropped).toEqual({ 'send-error': 1 });
    await end(client);
  });
});
