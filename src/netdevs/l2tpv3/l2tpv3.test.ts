import { beforeEach, describe, expect, it } from 'vitest';
import { createDatagramPeer, type DatagramPeer } from '../../../tests/kit/datagram-peer.ts';
import { createTestHost, type TestHost } from '../../../tests/kit/host.ts';
import {
  createRecordingContext,
  digests,
  give,
  type RecordingContext,
  testFrame,
} from '../../../tests/kit/netdev-context.ts';
import type { NetClient } from '../../net/client.ts';
import { HostError, type InetAddress } from '../../net/host.ts';
import type { NetdevL2TPv3Options } from '../../schema/net.ts';
import { createL2tpv3 } from './index.ts';
import { L2tpv3Framing, type L2tpv3Layout } from './l2tpv3-framing.ts';

const US: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 6000 };
const THEM: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 6001 };
const UDP = { src: '127.0.0.1', dst: '127.0.0.1', udp: true, srcport: '6000', dstport: '6001' } as const;
const PAYLOAD = '0102030405';

let test: TestHost;
let context: RecordingContext;

beforeEach(() => {
  test = createTestHost();
  context = createRecordingContext(test.host);
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));

async function start(options: Partial<NetdevL2TPv3Options>): Promise<{ client: NetClient; peer: DatagramPeer }> {
  const peer = await createDatagramPeer(test, THEM);
  const client = await createL2tpv3({ ...UDP, txsession: 1, ...options }, context);
  return { client, peer };
}

async function end(client: NetClient, peer: DatagramPeer): Promise<void> {
  await Promise.all([client.close(), peer.close()]);
  await test.settle();
  expect(test.leaks()).toEqual([]);
}

/** What QEMU 7.2 sends for the same options. */
const SENT: [Partial<NetdevL2TPv3Options>, string, string?][] = [
  [{ txsession: 0x11223344 }, '00030000 11223344'],
  [{ txcookie: 0xdeadbeef, rxcookie: 1 }, '00030000 00000001 deadbeef'],
  [{ cookie64: true, txcookie: 0x1122334455667788n, rxcookie: 1 }, '00030000 00000001 1122334455667788'],
  [{ cookie64: true }, '00030000 00000001'],
  [{ counter: true }, '00030000 00000001 00000001', '00030000 00000001 00000002'],
  [{ counter: true, pincounter: true }, '00030000 00000001 00000000', '00030000 00000001 00000000'],
  [{ pincounter: true }, '00030000 00000001'],
  [
    { counter: true, offset: 2, txcookie: 5, rxcookie: 5 },
    '00030000 00000001 00000005 00000001 0000',
    '00030000 00000001 00000005 00000002 0000',
  ],
  [{ offset: 256 }, `00030000 00000001 ${'00'.repeat(256)}`],
  // QEMU takes the mere presence of cookie64 for on.
  [{ cookie64: false, txcookie: 0xdeadbeef, rxcookie: 1 }, '00030000 00000001 deadbeef'],
  [{ txsession: 0xffffffff, rxsession: 0 }, '00030000 ffffffff'],
];

describe('sent headers', () => {
  it.each(SENT)('%o: %s', async (options, first, second = first) => {
    const { client, peer } = await start(options);
    expect(client.info()).toBe('l2tpv3: connected');
    give(client, unhex(PAYLOAD));
    give(client, unhex(PAYLOAD));
    await test.settle();
    expect(peer.received().map(hex)).toEqual([first, second].map((header) => header.replaceAll(' ', '') + PAYLOAD));
    await end(client, peer);
  });

  it('the counter goes on beyond 16 bits', () => {
    const framing = new L2tpv3Framing({ ...layout(), counter: 'counting' });
    const bytes = new Uint8Array(8);
    for (let i = 1; i <= 70_000; i++) framing.emit(bytes, 0);
    expect(hex(bytes)).toBe('0000000100011170');
  });
});

function layout(): L2tpv3Layout {
  return {
    udp: false,
    ipHeader: false,
    txSession: 1,
    rxSession: 1,
    cookies: undefined,
    counter: 'none',
    offset: 0,
    onMismatch: () => {},
  };
}

describe('received datagrams', () => {
  const cookies = { txcookie: 1, rxcookie: 0x1122334455667788n, cookie64: true } as const;
  it.each([
    ['plain', {}, '00030000 00000001'],
    ['flags and version may be anything', {}, 'ffffffff 00000001'],
    ['the session has a default', { txsession: 77 }, '00030000 0000004d'],
    ['session of its own', { rxsession: 0xfffffffe }, '00030000 fffffffe'],
    ['any counter', { counter: true }, '00030000 00000001 fffffff0'],
    ['any offset bytes', { offset: 3 }, '00030000 00000001 a1b2c3'],
    ['cookie of 8 bytes', cookies, '00030000 00000001 1122334455667788'],
    ['cookie of 4 bytes', { txcookie: 1, rxcookie: 0xfedcba98 }, '00030000 00000001 fedcba98'],
  ] as [string, Partial<NetdevL2TPv3Options>, string][])('%s', async (_name, options, header) => {
    const { client, peer } = await start(options);
    peer.send(US, unhex(header + PAYLOAD));
    await test.settle();
    expect(context.port.frames.map(hex)).toEqual([PAYLOAD]);
    expect(context.port.counters.dropped).toEqual({});
    await end(client, peer);
  });

  it.each([
    ['nothing', {}, '', 'empty-datagram'],
    ['one byte', {}, '00', 'no-payload'],
    ['a header and nothing behind', {}, '00030000 00000001', 'no-payload'],
    ['no room for the offset', { offset: 4 }, '00030000 00000001 00000000', 'no-payload'],
    ['another session', {}, `00030000 00000002 ${PAYLOAD}`, 'session-mismatch'],
    ['another cookie', { txcookie: 1, rxcookie: 2 }, `00030000 00000001 00000001 ${PAYLOAD}`, 'cookie-mismatch'],
    ['the first half of the cookie', cookies, `00030000 00000001 1122334455667789 ${PAYLOAD}`, 'cookie-mismatch'],
    ['the second half of the cookie', cookies, `00030000 00000001 1022334455667788 ${PAYLOAD}`, 'cookie-mismatch'],
  ] as [string, Partial<NetdevL2TPv3Options>, string, string][])(
    'dropped and counted: %s',
    async (_name, options, bytes, reason) => {
      const { client, peer } = await start(options);
      peer.send(US, unhex(bytes));
      await test.settle();
      expect(context.port.frames).toEqual([]);
      expect(context.port.counters.dropped).toEqual({ [reason]: 1 });
      await end(client, peer);
    },
  );

  it('mismatches are logged once in a life, and all counted', async () => {
    const { client, peer } = await start({ txcookie: 1, rxcookie: 2 });
    for (let i = 0; i < 5; i++) {
      peer.send(US, unhex(`00030000 00000001 00000009 ${PAYLOAD}`), unhex(`00030000 00000003 00000002 ${PAYLOAD}`));
    }
    await test.settle();
    expect(context.port.counters.dropped).toEqual({ 'cookie-mismatch': 5, 'session-mismatch': 5 });
    expect(test.logs.map(({ message }) => message)).toEqual([
      "netdev 'n0': l2tpv3 header verification failed: unknown cookie id",
    ]);
    await end(client, peer);
  });

  it('large ones arrive whole, both ways; what no datagram can carry is dropped', async () => {
    const { client, peer } = await start({});
    const frames = [2048, 2049, 9018, 65_499].map((n) => testFrame(n));
    const header = unhex('00030000 00000001');
    peer.send(US, ...frames.map((frame) => Buffer.concat([header, frame])));
    await test.settle();
    expect(digests(context.port.frames)).toEqual(digests(frames));
    for (const frame of frames) expect(give(client, frame)).toBe(true);
    expect(give(client, testFrame(65_500))).toBe(true);
    await test.settle();
    expect(digests(peer.received().map((bytes) => bytes.subarray(8)))).toEqual(digests(frames));
    expect(context.port.counters.dropped).toEqual({ 'too-long': 1 });
    await end(client, peer);
  });
});

describe('behind an IPv4 header', () => {
  const framing = (reasons: string[] = []) =>
    new L2tpv3Framing({ ...layout(), ipHeader: true, onMismatch: (text) => reasons.push(text) });
  const packet = (words: number, rest: string) =>
    new Uint8Array([0x40 | words, ...new Array(words * 4 - 1).fill(0), ...unhex(rest)]);

  it('options are skipped', () => {
    for (const words of [5, 6, 15]) {
      const bytes = packet(words, `00000001${PAYLOAD}`);
      expect(framing().check(bytes, 0, bytes.length)).toBe(words * 4 + 4);
    }
  });

  it('what is no IPv4 header is dropped, whatever its length', () => {
    const wrongs: [Uint8Array, string][] = [
      [packet(5, '').subarray(0, 19), 'bad-ip-header'],
      [packet(5, ''), 'no-payload'],
      [packet(5, '00000001'), 'no-payload'],
      [packet(5, `00000002${PAYLOAD}`), 'session-mismatch'],
      [packet(15, '').subarray(0, 59), 'bad-ip-header'],
      [new Uint8Array(40).fill(0x44), 'bad-ip-header'],
      [new Uint8Array(40).fill(0x65), 'bad-ip-header'],
    ];
    for (const [bytes, reason] of wrongs) expect(framing().check(bytes, 0, bytes.length)).toBe(reason);
  });

  it('random bytes never throw nor reach beyond their end', () => {
    let seed = 0x2545f491;
    const random = () => {
      seed ^= seed << 13;
      seed ^= seed >>> 17;
      seed ^= seed << 5;
      return seed >>> 0;
    };
    for (let i = 0; i < 20_000; i++) {
      const bytes = new Uint8Array(random() % 90).map(() => random());
      if (bytes.length > 0) bytes[0] = 0x40 | (random() & 15);
      const at = framing().check(bytes, 0, bytes.length);
      if (typeof at === 'number') expect(at).toBeLessThan(bytes.length);
    }
  });
});

describe('errors', () => {
  it.each([
    [{ offset: 257, rxcookie: 1 }, 'offset must be less than 256 bytes'],
    [{ rxcookie: 1, srcport: undefined }, "require both 'rxcookie' and 'txcookie' or neither"],
    [{ txcookie: 1 }, "require both 'rxcookie' and 'txcookie' or neither"],
    [{ txcookie: 1, rxcookie: 0x100000000 }, 'rxcookie has more than 32 bits: it needs cookie64=on'],
    [{ txcookie: 0x100000000n, rxcookie: 1, cookie64: false }, 'txcookie has more than 32 bits: it needs cookie64=on'],
    [{ srcport: undefined }, 'need both src and dst port for udp'],
    [{ dstport: undefined, dst: '' }, 'need both src and dst port for udp'],
    [{ src: 'nope.invalid', dstport: 'zz' }, 'could not resolve src, errno = Name or service not known'],
    [{ dst: '', dstport: 'zz' }, 'could not resolve dst, error = Servname not supported for ai_socktype'],
    [{ srcport: '0x10' }, 'could not resolve src, errno = Servname not supported for ai_socktype'],
    [{ srcport: '65536' }, 'could not resolve src, errno = Servname not supported for ai_socktype'],
    [{ src: '' }, 'could not resolve src, errno = Name or service not known'],
    [{ src: '192.0.2.1' }, 'could not bind socket err=99'],
    [{ udp: false }, 'could not bind socket err=13'],
  ] as [Partial<NetdevL2TPv3Options>, string][])('%o: %s', async (options, text) => {
    await expect(createL2tpv3({ ...UDP, txsession: 1, ...options }, context)).rejects.toMatchObject({
      name: 'QapiError',
      message: text,
    });
    expect(test.leaks()).toEqual([]);
  });

  it('an address of the other family is refused', async () => {
    test.resolver.setName('::1', [{ family: 'ipv6', host: '::1' }]);
    test.host.resolver.lookup = async (host) => [{ family: host.includes(':') ? 'ipv6' : 'ipv4', host }];
    await expect(createL2tpv3({ ...UDP, txsession: 1, dst: '::1' }, context)).rejects.toThrow(
      'could not resolve dst, error = Address family for hostname not supported',
    );
  });

  it.each([
    ['EPERM', 'socket creation failed, errno = 1'],
    ['EADDRINUSE', 'could not bind socket err=98'],
  ])('%s: %s', async (code, text) => {
    test.network.fail({ on: 'datagram', code, count: 1 });
    const failed = createL2tpv3({ ...UDP, txsession: 1 }, context);
    await expect(failed).rejects.toMatchObject({ message: text, cause: expect.any(HostError) });
  });

  it('a netdev deleted while it starts leaves nothing', async () => {
    const starting = createL2tpv3({ ...UDP, txsession: 1 }, context);
    context.abort();
    await expect(starting).rejects.toThrow();
    expect(test.leaks()).toEqual([]);
  });
});
